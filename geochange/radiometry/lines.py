"""Straight lines from the values of one date to those of the other, blind to what changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from geochange.blocks import MAD_TO_SIGMA

Table = NDArray[np.float64]
Vector = NDArray[np.float64]

CORE = 0.5
"""Share of the pixels that the trimmed fit stands on; what less than half of them do is ignored."""
INVARIANT_P = 0.05
"""An unchanged pixel is left out of the last fit with this probability."""
CORE_PX = 20_000
"""Pixels that the trimmed fit looks for its core among."""
LEAST_TYPICAL = 0.2
"""Least squared distance of a typical pixel, as a share of that of independent bands."""
ROUNDS = 30
SETTLED = 1e-4
"""Relative change of all gains at which the fit stands."""
FLAT = 1e-6
"""Spread of a band, as a share of its level, below which it is constant."""


@dataclass(frozen=True)
class Lines:
    """One line a band, ``y = gain * x + offset``.

    Attributes
    ----------
    gain, offset : float64 (B,)
        1 and 0 for a band that is constant at either date.
    invariant : bool (P,)
        Pixels that the lines were fitted to.
    """

    gain: Vector
    offset: Vector
    invariant: NDArray[np.bool_]

    def apply(self, x: Table) -> Table:
        """Return values on the lines, (P, B)."""
        return self.gain * x + self.offset


def spread(values: Table) -> Vector:
    """Return the robust standard deviation of each column: the scaled median absolute deviation."""
    middle = np.median(values, axis=0)
    deviation: Vector = MAD_TO_SIGMA * np.median(np.abs(values - middle), axis=0)
    return deviation


def is_flat(values: Table) -> NDArray[np.bool_]:
    """Tell for each column whether half of the pixels or more have one value, bool (B,)."""
    flat: NDArray[np.bool_] = spread(values) <= FLAT * np.abs(values).max(axis=0, initial=0)
    return flat


def fit_trimmed(x: Table, y: Table) -> Lines:
    """Fit lines to the half of the pixels that lie nearest to them in all bands together.

    Iterated trimming (the concentration steps of least trimmed squares), then one step with all
    pixels that noise alone would leave inside. Reduced major axes treat both dates alike, so the
    way back has exactly the inverse lines, and another gain and offset of either date gives the
    same pixels.

    Parameters
    ----------
    x, y : float64 (P, B)
        The date that is mapped and the one it is mapped to; pixels in random order.

    References
    ----------
    Rousseeuw, P. J. and Van Driessen, K. (2006). Computing LTS regression for large data sets.
    Data Mining and Knowledge Discovery 12, 29-45.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(0, 100, (1000, 2))
    >>> y = x * [2, 0.5] + [5, -3] + rng.normal(0, 0.1, x.shape)
    >>> y[:300] = rng.uniform(0, 100, (300, 2))
    >>> lines = fit_trimmed(x, y)
    >>> lines.gain.round(2).tolist(), lines.offset.round(1).tolist()
    ([2.0, 0.5], [5.0, -3.0])
    """
    core = x[:CORE_PX], y[:CORE_PX]  # which may be flat where all pixels together are not
    usable = ~np.any([is_flat(date) for date in (x, y, *core)], axis=0)
    if not usable.any():
        return Lines(np.ones(len(usable)), np.zeros(len(usable)), np.zeros(len(x), bool))
    u, v = x[:, usable], y[:, usable]
    gain, offset = _concentrate(u[:CORE_PX], v[:CORE_PX])
    far = _distance(v - gain * u - offset, FLAT * spread(v))
    degrees = u.shape[1]
    typical = np.median(far) / chdtri(degrees, 0.5)
    invariant = far <= max(typical, LEAST_TYPICAL) * chdtri(degrees, INVARIANT_P)
    gain, offset = fit_axes(u, v, invariant.astype(float))
    return Lines(*_put_back(usable, gain, offset), invariant)


def _concentrate(x: Table, y: Table) -> tuple[Vector, Vector]:
    """Return gain and offset of the lines that half of the pixels lie nearest to."""
    gain = spread(y) / spread(x)
    offset = np.median(y, axis=0) - gain * np.median(x, axis=0)
    floor = FLAT * spread(y)
    for _ in range(ROUNDS):
        far = _distance(y - gain * x - offset, floor)
        before, core = gain, far <= np.quantile(far, CORE)
        gain, offset = fit_axes(x, y, core.astype(float))
        if np.abs(gain / before - 1).max() < SETTLED:
            break
    return gain, offset


def fit_weighted(x: Table, y: Table, weights: Vector, least: float) -> Lines:
    """Fit lines to pixels of known weight, see :func:`fit_trimmed`.

    Parameters
    ----------
    x, y : float64 (P, B)
    weights : float64 (P,)
        Probability of no change.
    least : float
        Pixels below do not count.
    """
    usable = ~(is_flat(x) | is_flat(y))
    invariant = weights >= least
    if not usable.any() or not invariant.any():
        return Lines(np.ones(len(usable)), np.zeros(len(usable)), invariant)
    gain, offset = fit_axes(x[:, usable], y[:, usable], np.where(invariant, weights, 0))
    return Lines(*_put_back(usable, gain, offset), invariant)


def fit_axes(x: Table, y: Table, weights: Vector) -> tuple[Vector, Vector]:
    """Return gain and offset (B,) of the weighted reduced major axis of each band."""
    total = weights.sum()
    mean_x, mean_y = weights @ x / total, weights @ y / total
    spread_x, spread_y = (
        np.sqrt(weights @ (date - mean) ** 2) for date, mean in ((x, mean_x), (y, mean_y))
    )
    known = (spread_x > 0) & (spread_y > 0)
    gain = np.divide(spread_y, spread_x, out=np.ones_like(spread_x), where=known)
    return gain, mean_y - gain * mean_x


def agreement(x: Table, y: Table) -> Vector:
    """Return how far values of two dates on one scale follow each other, (B,).

    A robust correlation: 1 where they are equal but for a constant, 0 where they are unrelated,
    -1 where they are opposite. It counts all pixels, so that a choice of pixels that agree cannot
    make up a relation (Gnanadesikan and Kettenring 1972). 0 for constant bands.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(10_000, 1))
    >>> agreement(x, x + 3).round(2), agreement(x, x[::-1]).round(1) + 0.0
    (array([1.]), array([0.]))
    """
    both, apart = spread(x + y) ** 2, spread(x - y) ** 2
    total = both + apart
    found: Vector = np.divide(both - apart, total, out=np.zeros_like(both), where=total > 0)
    return found


def _distance(residual: Table, floor: Vector) -> Vector:
    """Return the sum over bands of squared residuals in robust sigmas, (P,)."""
    scale = np.maximum(spread(residual), floor)
    total: Vector = ((residual / scale) ** 2).sum(axis=1)
    return total


def _put_back(usable: NDArray[np.bool_], gain: Vector, offset: Vector) -> tuple[Vector, Vector]:
    whole = np.ones(len(usable)), np.zeros(len(usable))
    whole[0][usable], whole[1][usable] = gain, offset
    return whole
