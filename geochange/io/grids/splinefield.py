"""A smooth field of displacements: uniform bicubic B-splines on a coarse lattice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Coefficients = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class SplineField:
    """Displacements in px over a grid; beyond its border they stay what they are there.

    Attributes
    ----------
    shape : tuple of int
        ``(height, width)`` of the grid in pixels.
    dx, dy : tuple of tuple of float
        Coefficients, ``cells + 3`` rows and columns of them.

    Examples
    --------
    >>> flat = ((0.5,) * 4,) * 4
    >>> SplineField((100, 80), flat, flat).at(np.array([10.0]), np.array([99.0])).round(6).tolist()
    [[0.5, 0.5]]
    """

    shape: tuple[int, int]
    dx: Coefficients
    dy: Coefficients

    def at(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
        """Return (dx, dy) at columns ``x`` and rows ``y``, float64 (N, 2).

        Every point is reckoned by itself, so the result does not depend on which others are asked.
        """
        tables = np.array([self.dx, self.dy])
        rows, row_weights = spline_weights(y, self.shape[0], tables.shape[1] - 3)
        cols, col_weights = spline_weights(x, self.shape[1], tables.shape[2] - 3)
        total = np.zeros((2, len(rows)))
        for i in range(4):
            for j in range(4):
                total += row_weights[i] * col_weights[j] * tables[:, rows + i, cols + j]
        return total.T

    def describe(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs, plain enough for JSON."""
        dx, dy = (list(map(list, table)) for table in (self.dx, self.dy))
        return {"shape": list(self.shape), "dx": dx, "dy": dy}

    @classmethod
    def restore(cls, described: Mapping[str, Any]) -> SplineField:
        """Return the field that was described."""
        height, width = (int(n) for n in described["shape"])
        dx, dy = (tuple(tuple(float(v) for v in row) for row in described[n]) for n in ("dx", "dy"))
        return cls((height, width), dx, dy)


def spline_weights(
    places: NDArray[Any], length: int, cells: int
) -> tuple[NDArray[np.intp], list[NDArray[np.float64]]]:
    """Return the first of four coefficients for each place along one side, and their weights.

    Parameters
    ----------
    places : float (N,)
        In pixels; those outside 0 to ``length`` count as on the border.
    length : int
        Length of the side in pixels.
    cells : int
        Cells of the lattice along it.
    """
    scaled = np.clip(np.asarray(places, np.float64), 0.0, length) * (cells / length)
    first = np.minimum(np.floor(scaled), cells - 1)
    t = scaled - first
    s = 1.0 - t
    weights = [
        s * s * s / 6.0,
        2.0 / 3.0 - t * t + t * t * t / 2.0,
        2.0 / 3.0 - s * s + s * s * s / 2.0,
        t * t * t / 6.0,
    ]
    return first.astype(np.intp), weights
