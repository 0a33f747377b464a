"""Areas as users write them: ``50m2``, ``0.5ha``, ``20px``."""

from __future__ import annotations

import math
import re

from geochange.errors import UsageError

SQUARE_METRES = {"m2": 1.0, "ha": 1e4, "km2": 1e6}


def parse_area_px(area: str | float, gsd_m: float | None) -> int:
    """Return an area as a whole number of pixels.

    Parameters
    ----------
    area : str or number
        With a unit ``px``, ``m2``, ``ha`` or ``km2``; a plain number counts pixels.
    gsd_m : float or None
        Ground sampling distance in metres; None for a pair without CRS.

    Raises
    ------
    UsageError
        Not an area, or one in metres for a pair without CRS.

    Examples
    --------
    >>> parse_area_px("50m2", gsd_m=2.5), parse_area_px("20px", None), parse_area_px("0.1ha", 10)
    (8, 20, 10)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(px|m2|m²|ha|km2|km²)?\s*", str(area))
    if found is None:
        msg = f"'{area}' is not an area; write for example 50m2, 0.5ha or 20px"
        raise UsageError(msg)
    number, unit = float(found[1]), (found[2] or "px").replace("²", "2")
    if unit == "px":
        return math.ceil(number)
    if gsd_m is None:
        msg = f"'{area}' needs a pair with a CRS; without one give pixels, such as 20px"
        raise UsageError(msg)
    return math.ceil(number * SQUARE_METRES[unit] / gsd_m**2 - 1e-9)
