"""Where the content of one date lies on a grid that was made for the other.

The one sign convention: a displacement tells, for a pixel of the grid, where the *after* date
shows what the *before* date shows at that pixel. Content that moved 2 columns to the right has
``dx = +2``; the correction reads the after date at ``x + dx, y + dy``. Coordinates count pixels
from the upper left corner of the grid, x along columns and y along rows, so that pixel (row, col)
has its centre at ``(col + 0.5, row + 0.5)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from geochange.io.grids.splinefield import SplineField

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Displacement:
    """An affine of pixel coordinates and, where that is not enough, a smooth field on top of it.

    Attributes
    ----------
    matrix : tuple of 6 float
        ``a, b, c, d, e, f``: a pixel at (x, y) is found at ``(a x + b y + c, d x + e y + f)``.
    field : SplineField or None
        Added to that.

    Examples
    --------
    >>> moved = Displacement.shift(2.0, -1.0)
    >>> moved.locate(np.array([[10.0, 10.0]])).tolist(), moved.is_still
    ([[12.0, 9.0]], False)
    """

    matrix: tuple[float, float, float, float, float, float] = IDENTITY
    field: SplineField | None = None

    @classmethod
    def shift(cls, dx: float, dy: float) -> Displacement:
        """Return that of content which moved by whole or parts of pixels, everywhere the same."""
        return cls((1.0, 0.0, float(dx), 0.0, 1.0, float(dy)))

    @property
    def affine(self) -> Affine:
        """The affine part."""
        return Affine(*self.matrix)

    @property
    def is_still(self) -> bool:
        """Whether nothing is displaced."""
        return self.matrix == IDENTITY and self.field is None

    def locate(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Return where points (x, y) of the before date are found, float64 (N, 2)."""
        a, b, c, d, e, f = self.matrix
        x, y = np.asarray(points, np.float64).T
        found = np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)
        return found if self.field is None else found + self.field.at(x, y)

    def at(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Return (dx, dy) at points (x, y), float64 (N, 2) in px."""
        moved: NDArray[np.float64] = self.locate(points) - points
        return moved

    def describe(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs, plain enough for JSON."""
        field = None if self.field is None else self.field.describe()
        return {"matrix": list(self.matrix), "field": field}

    @classmethod
    def restore(cls, described: Mapping[str, Any]) -> Displacement:
        """Return the displacement that was described."""
        a, b, c, d, e, f = (float(number) for number in described["matrix"])
        field = described["field"]
        return cls((a, b, c, d, e, f), None if field is None else SplineField.restore(field))


STILL = Displacement()
"""Nothing moved."""
