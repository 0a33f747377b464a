"""Displacements fitted to tie points: a shift, an affine or a smooth field, robustly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.io.grids.displacement import STILL, Displacement
from geochange.io.grids.splinefield import SplineField, spline_weights
from geochange.registration.ties import Tie

Array = NDArray[np.float64]
MODELS = ("none", "shift", "affine", "field")
SCALES_PX = (4.0, 2.0, 1.0, 0.5, 0.25)
"""Residuals beyond this lose weight, first with patience, then with rigour (graduated Cauchy). A
field is stiffer by their square before, so that it does not bend to outliers at its rim."""
FLOOR_PX = 0.03
"""Ties are not trusted to be better than this when they are weighted."""
MAX_CELLS = 8
STIFFNESS = (0.0003, 0.003, 0.03, 0.3)
"""Weights of the bending of a field beside the fit to tie points, to choose from."""


@dataclass(frozen=True)
class Model:
    """A kind of displacement over a grid, and how stiff it is.

    Attributes
    ----------
    name : str
        One of :data:`MODELS`.
    shape : tuple of int
        ``(height, width)`` of the grid in pixels.
    cells : tuple of int
        Cells of a field's lattice, rows and columns.
    stiffness : float
        See :data:`STIFFNESS`.

    Examples
    --------
    >>> ties = [Tie(x, y, "used", dx=0.5, dy=-1.0) for x in (10, 90) for y in (10, 90)]
    >>> fitted = Model("shift", (100, 100)).fit(ties)
    >>> fitted.at(np.array([[50.0, 50.0]])).round(6).tolist()
    [[0.5, -1.0]]
    """

    name: str
    shape: tuple[int, int]
    cells: tuple[int, int] = (1, 1)
    stiffness: float = 0.0

    @property
    def least_ties(self) -> int:
        """Tie points without which it is not fitted."""
        return {"none": 0, "shift": 1, "affine": 8, "field": 16}[self.name]

    def fit(self, ties: list[Tie]) -> Displacement:
        """Return the displacement that most tie points agree with.

        Parameters
        ----------
        ties : list of Tie
            At least one; outliers get no weight.
        """
        if self.name == "none":
            return STILL
        points = np.array([(tie.x, tie.y) for tie in ties])
        moved = np.array([(tie.dx, tie.dy) for tie in ties])
        trust = 1 / (np.array([tie.sigma_px for tie in ties]) ** 2 + FLOOR_PX**2)
        basis, penalty = self._basis(points), self._penalty()
        found = np.tile(find_consensus(moved), (len(ties), 1))
        solution = np.zeros((basis.shape[1], 2))
        for scale in SCALES_PX:
            stiffness = (scale / SCALES_PX[-1]) ** 2
            for _ in range(3):
                distance = np.hypot(*(moved - found).T)
                weights = trust / trust.mean() / (1 + (distance / scale) ** 2) ** 2
                weighted = basis.T * weights
                normal = weighted @ basis + penalty * stiffness * weights.sum()
                normal += 1e-9 * np.eye(len(normal)) * max(float(np.trace(normal)), 1e-12)
                solution = np.linalg.solve(normal, weighted @ moved)
                found = basis @ solution
        return self._displace(solution)

    def _basis(self, points: Array) -> Array:
        """Value of every basis function at every point, float64 (N, functions)."""
        height, width = self.shape
        x, y = points.T
        if self.name == "shift":
            return np.ones((len(points), 1))
        if self.name == "affine":
            return np.stack([np.ones_like(x), x / width - 0.5, y / height - 0.5], axis=1)
        rows, row_weights = spline_weights(y, height, self.cells[0])
        cols, col_weights = spline_weights(x, width, self.cells[1])
        basis = np.zeros((len(points), self.cells[0] + 3, self.cells[1] + 3))
        every = np.arange(len(points))
        for i in range(4):
            for j in range(4):
                basis[every, rows + i, cols + j] = row_weights[i] * col_weights[j]
        return basis.reshape(len(points), -1)

    def _penalty(self) -> Array:
        """Second differences of a field's coefficients along both sides, squared; 0 for others."""
        if self.name != "field":
            return np.zeros((1, 1))
        rows, cols = self.cells[0] + 3, self.cells[1] + 3
        bend_rows, bend_cols = (np.diff(np.eye(n), 2, axis=0) for n in (rows, cols))
        down = np.kron(bend_rows, np.eye(cols))
        across = np.kron(np.eye(rows), bend_cols)
        return self.stiffness * (down.T @ down + across.T @ across) / (rows * cols)

    def _displace(self, solution: Array) -> Displacement:
        height, width = self.shape
        if self.name == "field":
            tables = solution.T.reshape(2, self.cells[0] + 3, self.cells[1] + 3)
            dx, dy = (tuple(tuple(map(float, row)) for row in table) for table in tables)
            return Displacement(field=SplineField(self.shape, dx, dy))
        if self.name == "shift":
            return Displacement.shift(*solution[0])
        (cx, cy), (xx, xy), (yx, yy) = solution
        a, b, d, e = xx / width, yx / height, xy / width, yy / height
        c, f = cx - (xx + yx) / 2, cy - (xy + yy) / 2
        matrix = (1 + float(a), float(b), float(c), float(d), 1 + float(e), float(f))
        return Displacement(matrix)


def list_models(shape: tuple[int, int], windows: tuple[int, int], mode: str) -> list[Model]:
    """Return the models that may be fitted, simple ones first.

    Parameters
    ----------
    shape : tuple of int
        Of the grid.
    windows : tuple of int
        Rows and columns of windows.
    mode : {'auto', 'global', 'local'}
    """
    models = [Model(name, shape) for name in ("none", "shift", "affine")]
    if mode == "global" or min(windows) < 3:
        return models
    cells = tuple(int(np.clip(n - 2, 1, MAX_CELLS)) for n in windows)
    return models + [Model("field", shape, (cells[0], cells[1]), s) for s in STIFFNESS[::-1]]


def find_consensus(moved: Array, radius_px: float = 1.0) -> Array:
    """Return the mean of the largest crowd of displacements, float64 (2,).

    Examples
    --------
    >>> find_consensus(np.array([[1.0, 1.0], [1.2, 1.0], [9.0, -4.0]])).tolist()
    [1.1, 1.0]
    """
    apart = np.hypot(*(moved[:, None] - moved[None]).transpose(2, 0, 1))
    near = apart <= radius_px
    mean: Array = moved[near[near.sum(axis=1).argmax()]].mean(axis=0)
    return mean
