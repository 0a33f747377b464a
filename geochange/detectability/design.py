"""Which changes are put in, and where: settled by numbers, before a pixel is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from geochange.detectability.shapes import BLUR_PX, SHAPES, Place, bound
from geochange.errors import UsageError, suggest

SIZES_PX = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
CONTRASTS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 15.0, 25.0, 40.0)
FALSE_ALARMS = 1e-4
TRIALS = 100
"""Places a size: 90 of 100 found is known to within 6 points."""
LARGEST_PX = 256
STEPS = 0.7548776662466927, 0.5698402909980532
"""Powers of the inverse of the plastic number: the points they walk to keep away from each other
however many they are (Roberts 2018, "The unreasonable effectiveness of quasirandom sequences")."""


@dataclass(frozen=True)
class Design:
    """What is put in.

    Attributes
    ----------
    sizes_px : tuple of float
        Edge of the square, or diameter of the disc; ascending.
    contrasts : tuple of float
        Root mean square over the bands, in noise standard deviations; ascending.
    trials : int
        Places of each size; every contrast is tried at each of them.
    shape : {'square', 'disc'}
    blur_px : float
        See :func:`geochange.detectability.shapes.render`.
    seed : int

    Raises
    ------
    UsageError

    Examples
    --------
    >>> design = Design(sizes_px=(1.0, 3.0), trials=20)
    >>> row, col = design.locate(0, 7, (100, 200))
    >>> 0 <= row <= 100 and 0 <= col <= 200
    True
    """

    sizes_px: tuple[float, ...] = SIZES_PX
    contrasts: tuple[float, ...] = CONTRASTS
    trials: int = TRIALS
    shape: str = "square"
    blur_px: float = BLUR_PX
    seed: int = 0

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            msg = f"unknown shape '{self.shape}'{suggest(self.shape, SHAPES)}"
            raise UsageError(msg)
        _require_ascending("sizes", self.sizes_px, LARGEST_PX)
        _require_ascending("contrasts", self.contrasts, float("inf"))
        if self.trials < 1 or self.seed < 0 or not 0 <= self.blur_px <= 2:
            msg = (
                "a sensitivity needs trials of at least 1, a seed of at least 0 and a blur of 0 to "
                f"2 px, got {self.trials}, {self.seed} and {self.blur_px:g}"
            )
            raise UsageError(msg)

    def locate(self, size: int, number: int, shape: tuple[int, int]) -> Place:
        """Return the middle of a change on a grid.

        Places of one size keep away from each other, at any number of them; where in its pixel a
        middle lies is random.

        Parameters
        ----------
        size : int
            Position in ``sizes_px``.
        number : int
        shape : tuple of int
            ``(height, width)`` of the grid.
        """
        start = np.random.default_rng((self.seed, size)).random(2)
        inside = np.random.default_rng((self.seed, size, number)).random(2)
        place = (start + number * np.array(STEPS)) % 1
        row, col = np.floor(place * shape) + inside
        return float(row), float(col)

    def fits(self, size: int, shape: tuple[int, int]) -> bool:
        """Tell whether a grid has room for a size at all."""
        edge = bound((0.5, 0.5), self.sizes_px[size]).height + 1
        return min(shape) >= edge


def _require_ascending(name: str, values: Sequence[float], limit: float) -> None:
    rising = all(a < b for a, b in pairwise(values)) and np.isfinite(values).all()
    if not values or not rising or values[0] <= 0 or values[-1] > limit:
        most = "" if limit == float("inf") else f", at most {limit:g}"
        given = ", ".join(f"{value:g}" for value in values) or "none"
        msg = f"{name} must be above 0 and ascending{most}, got {given}"
        raise UsageError(msg)
