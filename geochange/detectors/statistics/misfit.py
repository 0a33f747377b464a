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
LEAST_NOISE = 0.5
"""Of the typical cost, however much of that detail explains."""
LARGEST_LOSS = 1 / 9
"""Of the finest detail: what is left of it in means of 3 x 3 px, when it is in one date alone."""
PARTS = 10
"""Groups of like variance, and of like detail, whose typical costs a plane is laid through."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """What the cost of a match says, beside what unchanged ground like it costs.

    That is the cube root of ``cost / (noise + texture * variance + loss * detail)``. Costs are
    means of squares; their cube roots are nearly normal, so that sigmas mean the same for ground of
    any kind.

    Attributes
    ----------
    noise : float
        Typical cost, less what detail explains of it.
    texture : float
        Share of the variance within a patch that its cost grows by where nothing changed: what
        lies between whole pixels.
    loss : float
        The same of the finest detail within the patch: what a sensor folds into other detail, and
        resampling one date loses.
    median, spread : float
        Of the misfit of unchanged ground.

    References
    ----------
    Wilson, E. B. and Hilferty, M. M. (1931). The distribution of chi-square. PNAS 17(12), 684-688.
    """

    noise: float = 0.0
    texture: float = 0.0
    loss: float = 0.0
    median: float = 0.0
    spread: float = LEAST_SPREAD

    @classmethod
    def learn(cls, cost: FloatArray, kinds: tuple[FloatArray, FloatArray], most: float) -> Self:
        """Learn from patches most of which did not change.

        Parameters
        ----------
        cost : float32 (n,)
        kinds : pair of float32 (n,)
            Variance and finest detail of each patch.
        most : float
            Upper limit of ``texture``: change raises cost where there is much to change, too.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> variance, detail = rng.uniform(0, 4, (2, 5000)).astype(np.float32)
        >>> explained = 1 + 0.2 * variance + 0.1 * detail
        >>> cost = (explained * rng.uniform(0.9, 1.1, 5000)).astype(np.float32)
        >>> found = Misfit.learn(cost, (variance, detail), 0.5)
        >>> round(found.texture, 1), round(found.loss, 1)
        (0.2, 0.1)
        >>> bool(np.median(found.sigma(cost, (variance, detail))) < 1)
        True
        """
        if not cost.size:
            return cls()
        texture, loss = _measure_growth(cost, kinds)
        texture = min(texture, most)
        typical = float(np.median(cost))
        noise = max(float(np.median(cost - loss * kinds[1])), LEAST_NOISE * typical)
        misfit = cls(noise, texture, loss)._weigh(cost, kinds)
        median = float(np.median(misfit))
        spread = MAD_TO_SIGMA * float(np.median(np.abs(misfit - median)))
        return cls(noise, texture, loss, median, max(spread, LEAST_SPREAD))

    def sigma(self, cost: FloatArray, kinds: tuple[FloatArray, FloatArray]) -> FloatArray:
        """Return by how many sigmas a match is worse than usual, at least 0, float32 (n,).

        0 where the cost is not finite.
        """
        misfit = self._weigh(cost, kinds)
        np.copyto(misfit, 0, where=~np.isfinite(misfit))
        misfit -= np.float32(self.median)
        misfit /= np.float32(self.spread)
        return np.maximum(misfit, 0, out=misfit)

    def _weigh(self, cost: FloatArray, kinds: tuple[FloatArray, FloatArray]) -> FloatArray:
        variance, detail = kinds
        explained = variance * np.float32(self.texture)
        explained += detail * np.float32(self.loss)
        explained += np.float32(self.noise + LEAST_COST)
        misfit: FloatArray = np.cbrt(cost / explained)
        return misfit


def _measure_growth(
    cost: NDArray[np.floating], kinds: tuple[FloatArray, FloatArray]
) -> tuple[float, float]:
    """Return by how much typical costs grow with the variance of a patch and with its detail.

    Where they would grow too much with detail, the variance must explain the rest.
    """
    parts = [p for kind in kinds for p in np.array_split(np.argsort(kind, kind="stable"), PARTS)]
    rows = [[np.median(values[p]) for values in (cost, *kinds)] for p in parts if p.size]
    typical, *varied = np.array(rows, np.float64).T
    weights = 1 / (typical + LEAST_COST)
    table = np.column_stack([np.ones_like(typical), *varied]) * weights[:, None]
    (_, texture, loss), _ = nnls(table, typical * weights)
    if loss > LARGEST_LOSS:
        loss = LARGEST_LOSS
        (_, texture), _ = nnls(table[:, :2], typical * weights - loss * table[:, 2])
    return float(texture), float(loss)
