"""How badly patches of unchanged ground match, and how many sigmas worse a patch matches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from geochange.blocks import MAD_TO_SIGMA, FloatArray

LEAST_COST = 1e-4
LEAST_SPREAD = 0.05
"""Of the misfit of unchanged ground, for images without any noise."""
PARTS = 10
"""Groups of like variance whose typical costs a line is laid through."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """What the cost of a match says: the cube root of ``cost / (noise + texture * variance)``.

    Costs are means of squares; their cube roots are nearly normal, so that sigmas mean the same for
    ground of any kind.

    Attributes
    ----------
    noise : float
        Typical cost.
    texture : float
        Share of the variance within a patch that its cost grows by where nothing changed.
    median, spread : float
        Of the misfit of unchanged ground.

    References
    ----------
    Wilson, E. B. and Hilferty, M. M. (1931). The distribution of chi-square. PNAS 17(12), 684-688.
    """

    noise: float = 0.0
    texture: float = 0.0
    median: float = 0.0
    spread: float = LEAST_SPREAD

    @classmethod
    def learn(cls, cost: FloatArray, variance: FloatArray, most_texture: float) -> Self:
        """Learn from costs and variances of patches most of which did not change.

        Parameters
        ----------
        cost, variance : float32 (n,)
        most_texture : float
            Upper limit of ``texture``: change raises cost where there is much to change, too.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> variance = rng.uniform(0, 4, 5000).astype(np.float32)
        >>> cost = ((1 + 0.2 * variance) * rng.uniform(0.9, 1.1, 5000)).astype(np.float32)
        >>> found = Misfit.learn(cost, variance, 0.5)
        >>> round(found.texture, 2), bool(np.median(found.sigma(cost, variance)) < 1)
        (0.2, True)
        """
        if not cost.size:
            return cls()
        noise = float(np.median(cost))
        texture = min(_measure_growth(cost, variance), most_texture)
        misfit = cls(noise, texture)._weigh(cost, variance)
        median = float(np.median(misfit))
        spread = MAD_TO_SIGMA * float(np.median(np.abs(misfit - median)))
        return cls(noise, texture, median, max(spread, LEAST_SPREAD))

    def sigma(self, cost: FloatArray, variance: FloatArray) -> FloatArray:
        """Return by how many sigmas a match is worse than usual, at least 0, float32 (n,).

        0 where the cost is not finite.
        """
        misfit = self._weigh(cost, variance)
        np.copyto(misfit, 0, where=~np.isfinite(misfit))
        misfit -= np.float32(self.median)
        misfit /= np.float32(self.spread)
        return np.maximum(misfit, 0, out=misfit)

    def _weigh(self, cost: FloatArray, variance: FloatArray) -> FloatArray:
        explained = variance * np.float32(self.texture)
        explained += np.float32(self.noise + LEAST_COST)
        misfit: FloatArray = np.cbrt(cost / explained)
        return misfit


def _measure_growth(cost: NDArray[np.floating], variance: NDArray[np.floating]) -> float:
    """Return by how much typical costs grow with the variance of the patch."""
    parts = np.array_split(np.argsort(variance, kind="stable"), PARTS)
    middle = np.array([(np.median(cost[p]), np.median(variance[p])) for p in parts if p.size])
    typical, varied = middle.astype(np.float64).T
    weights = 1 / (typical + LEAST_COST)
    (_, growth), _ = nnls(np.column_stack([weights, varied * weights]), typical * weights)
    return float(growth)
