"""Which pixels hold no data, given nodata values as files declare them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray

HUGE = 1e30
"""No measured quantity is this large. A nodata value beyond it is often written with fewer digits
than the pixels have (-3.40282e+38 for float32's lowest), so everything beyond it is nodata then."""
ULPS = 4
"""Steps of the pixels' type by which pixels may miss a nodata value written in decimals."""


def is_huge(nodata: float | None) -> bool:
    """Tell whether a nodata value stands for the end of a float type's range."""
    return nodata is not None and abs(nodata) > HUGE


def clamp_nodata(nodata: float | None, dtype: str) -> float | None:
    """Return the nodata value as pixels of a type hold it; None where they cannot.

    Examples
    --------
    >>> clamp_nodata(-3.40282e38, "float32"), clamp_nodata(-9999.0, "uint8")
    (-3.4028234663852886e+38, None)
    """
    if nodata is None or math.isnan(nodata):
        return None
    kind = np.dtype(dtype)
    if kind.kind != "f":
        limits = np.iinfo(kind)
        return nodata if nodata.is_integer() and limits.min <= nodata <= limits.max else None
    limit = float(np.finfo(kind).max)
    if math.isinf(nodata) or abs(nodata) > limit * (1 - 1e-5):
        return math.copysign(limit, nodata)
    return nodata


def find_valid(bands: NDArray[Any], nodata: Sequence[float | None], dtype: str) -> BoolArray:
    """Return where every band (C, H, W) is finite and not nodata, bool (H, W).

    Parameters
    ----------
    bands : float32 or float64 (C, H, W)
        Pixels as read.
    nodata : sequence of float or None
        One value per band.
    dtype : str
        Type of the pixels in the file: integers are compared exactly, floats almost.

    Examples
    --------
    >>> find_valid(np.array([[[0.3, 1.0, np.nan]]], np.float32), [0.3], "float32")
    array([[False,  True, False]])
    """
    valid = np.ones(bands.shape[1:], bool)
    floating = np.dtype(dtype).kind == "f"
    for band, value in zip(bands, nodata, strict=True):
        if floating:
            valid &= np.isfinite(band)
        clamped = clamp_nodata(value, dtype)
        if clamped is None:
            continue
        if is_huge(value) and floating:
            valid &= np.abs(band) <= HUGE
        elif floating:
            tolerance = ULPS * float(np.finfo(dtype).eps) * abs(clamped)
            with np.errstate(over="ignore"):
                valid &= np.abs(band - band.dtype.type(clamped)) > tolerance
        else:
            valid &= band != clamped
    return valid
