"""How often changes were found: shares with their intervals, thresholds at a false-alarm rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geochange.io.stores.score import SCORE_LEVELS

Shares = NDArray[np.float64]
Z_95 = 1.959963984540054
NEVER = SCORE_LEVELS
"""A level that no score reaches."""


def level_at_rate(histogram: NDArray[np.int64], rate: float) -> int:
    """Return the least stored level that at most a share ``rate`` of the pixels reaches.

    Parameters
    ----------
    histogram : int64 (SCORE_LEVELS,)
        Of the pair as it is.
    rate : float

    Returns
    -------
    int
        :data:`NEVER` where too many pixels have the highest score there is.

    Examples
    --------
    >>> histogram = np.zeros(SCORE_LEVELS, np.int64)
    >>> histogram[[100, 200, 300]] = 990, 9, 1
    >>> level_at_rate(histogram, 0.001), level_at_rate(histogram, 0.02)
    (201, 101)
    """
    above = np.cumsum(histogram[::-1])[::-1]
    allowed = rate * float(histogram.sum())
    return int(np.searchsorted(-above, -allowed))


def share_above(histogram: NDArray[np.int64], level: int) -> float:
    """Return the share of the pixels that reach a level."""
    total = int(histogram.sum())
    return float(histogram[level:].sum()) / total if total else 0.0


def wilson(found: NDArray[np.int64], trials: NDArray[np.int64]) -> tuple[Shares, Shares]:
    """Return the 95 % interval of a share (Wilson 1927); 0 to 1 where nothing was tried.

    Examples
    --------
    >>> low, high = wilson(np.array([90]), np.array([100]))
    >>> low.round(3), high.round(3)
    (array([0.826]), array([0.945]))
    """
    n = np.maximum(trials, 1).astype(np.float64)
    share, z = found / n, Z_95**2
    middle = (share + z / (2 * n)) / (1 + z / n)
    reach = Z_95 * np.sqrt(share * (1 - share) / n + z / (4 * n * n)) / (1 + z / n)
    none = trials == 0
    low, high = np.maximum(middle - reach, 0), np.minimum(middle + reach, 1)
    return np.where(none, 0.0, low), np.where(none, 1.0, high)


def find_contrast(contrasts: tuple[float, ...], shares: Shares, wanted: float) -> float | None:
    """Return the least contrast from which on a share is found, None where none reaches it.

    Between two contrasts the share is taken to rise with the logarithm of the contrast. A share
    that falls again counts from its last rise on.

    Examples
    --------
    >>> find_contrast((1.0, 2.0, 4.0), np.array([0.1, 0.5, 1.0]), 0.9).__round__(2)
    3.48
    >>> find_contrast((1.0, 2.0), np.array([0.1, 0.5]), 0.9)
    """
    steady = np.minimum.accumulate(shares[::-1])[::-1]
    enough = np.flatnonzero(steady >= wanted)
    if not enough.size:
        return None
    after = int(enough[0])
    if after == 0:
        return contrasts[0]
    low, high = steady[after - 1], steady[after]
    part = (wanted - low) / (high - low)
    return float(contrasts[after - 1] * (contrasts[after] / contrasts[after - 1]) ** part)
