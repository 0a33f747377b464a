"""How the scores of several maps are put together, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.errors import UsageError
from geochange.io.stores.score import SCORE_LEVELS, encode_score

Array64 = NDArray[np.float64]
Levels = NDArray[np.uint16]

RULES = {
    "mean": "mean of the scores, each bent so that its own threshold is 0.5",
    "rank-mean": "mean of how rare each score is in its map; scales need not agree",
    "max": "highest score, bent the same way: change of any map",
    "min": "lowest score, bent the same way: change of all maps",
    "vote": "share of the masks that say change",
    "stacking": "logistic regression on labels",
}
"""Every rule with what it does."""


@dataclass(frozen=True)
class Fuser:
    """A rule with all that it needs to know of the maps.

    Attributes
    ----------
    tables : float64 (M, SCORE_LEVELS + 1)
        What each stored level of each of M maps counts as; NaN for nodata.
    weights : float64 (M,)
    how : {'mean', 'max', 'min', 'logistic'}
        ``logistic``: sigmoid of ``intercept`` plus the weighted sum, in which a map without data
        counts 0.
    knots : float64 (2, K)
        Fused values and the scores in [0, 1] that they become, linear between.
    intercept : float

    Examples
    --------
    >>> table = np.append(np.linspace(0, 1, SCORE_LEVELS), np.nan)
    >>> fuser = Fuser(np.stack([table, table]), np.array([3.0, 1.0]))
    >>> fuser(np.array([[0, 100, 65535], [400, 65535, 65535]], np.uint16))
    array([  100,   100, 65535], dtype=uint16)
    """

    tables: Array64
    weights: Array64
    how: str = "mean"
    knots: Array64 | None = None
    intercept: float = 0.0

    def __call__(self, levels: NDArray[np.integer]) -> Levels:
        """Fuse stored levels (M, ...) into the stored level of each pixel, (...)."""
        value = self.combine(levels)
        if self.knots is not None:
            value = np.interp(value, *self.knots)
        return encode_score(value.astype(np.float32))

    def combine(self, levels: NDArray[np.integer]) -> Array64:
        """Return the fused value of each pixel, float64; NaN where no map has data."""
        if self.how in ("max", "min"):
            pick = np.fmax if self.how == "max" else np.fmin
            picked = self._look_up(levels, 0)
            for number in range(1, len(levels)):
                pick(picked, self._look_up(levels, number), out=picked)
            return picked
        total, weight = np.zeros((2, *levels.shape[1:]))
        for number, own in enumerate(self.weights):
            values = self._look_up(levels, number)
            known = ~np.isnan(values)
            np.add(total, own * values, out=total, where=known)
            weight[known] += 1.0 if self.how == "logistic" else own
        if self.how == "logistic":
            with np.errstate(over="ignore"):
                total = 1 / (1 + np.exp(-self.intercept - total))
            weight = np.minimum(weight, 1.0)
        fused = np.full(total.shape, np.nan)
        np.divide(total, weight, out=fused, where=weight > 0)
        return fused

    def _look_up(self, levels: NDArray[np.integer], number: int) -> Array64:
        values: Array64 = self.tables[number][levels[number]]
        return values


def check_weights(weights: object, count: int) -> Array64:
    """Return the weights of ``count`` maps as float64, equal where none are given.

    Raises
    ------
    UsageError
        Another number of them, or one that is not above 0.

    Examples
    --------
    >>> check_weights(None, 2), check_weights([2, 1], 2)
    (array([1., 1.]), array([2., 1.]))
    """
    if weights is None:
        return np.ones(count)
    try:
        given = np.atleast_1d(np.asarray(weights, np.float64))
    except (TypeError, ValueError):
        given = np.empty(0)
    if given.shape != (count,) or not (np.isfinite(given) & (given > 0)).all():
        msg = f"weights {weights} do not fit {count} maps; give {count} numbers above 0"
        raise UsageError(msg)
    return given


def table_of_votes() -> Array64:
    """Return the table of a mask, whose values 0 and 1 stand for themselves."""
    table = np.full(SCORE_LEVELS + 1, np.nan)
    table[:2] = 0.0, 1.0
    return table
