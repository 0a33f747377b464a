"""Scores of different methods on scales that can be compared: bent, or as ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geochange.io.stores.score import SCORE_LEVELS, SCORE_SCALE

Array64 = NDArray[np.float64]
Counts = NDArray[np.int64]

SPLIT = 4.0
"""A map in which nothing changed has its limit where a ``SPLIT``-th of a pixel would be change."""
LEAST_PART = 0.1


def bend(threshold: float | None) -> Array64:
    """Return what each stored level counts as when the threshold is moved to 0.5.

    Linear below and above it. Where nothing changed (None), all scores are below 0.5.

    Returns
    -------
    float64 (SCORE_LEVELS + 1,)
        NaN for nodata.

    Examples
    --------
    >>> table = bend(0.8)
    >>> [round(float(table[round(score / SCORE_SCALE)]), 3) for score in (0.4, 0.8, 0.9)]
    [0.25, 0.5, 0.75]
    """
    score = np.arange(SCORE_LEVELS) * SCORE_SCALE
    limit = 1.0 if threshold is None else min(max(threshold, SCORE_SCALE), 1 - SCORE_SCALE)
    top = 0.5 if threshold is None else 1.0
    return np.append(np.interp(score, [0.0, limit, 1.0], [0.0, 0.5, top]), np.nan)


def rarity(histogram: Counts) -> Array64:
    """Return how rare each stored level is in its map.

    Minus the logarithm of the share of pixels that score at least as high. The mean of two is that
    of their ranks in the upper tail, where change is, whatever the scales of the scores.

    Parameters
    ----------
    histogram : int64 (SCORE_LEVELS,)
        Of the stored score.

    Returns
    -------
    float64 (SCORE_LEVELS + 1,)
        NaN for nodata; 0 for a map without data.

    Examples
    --------
    >>> histogram = np.zeros(SCORE_LEVELS, np.int64)
    >>> histogram[[10, 500]] = 98, 2
    >>> rarity(histogram)[[10, 500]].round(3) + 0.0
    array([0.   , 3.912])
    """
    total = max(int(histogram.sum()), 1)
    above = np.cumsum(histogram[::-1])[::-1]
    return np.append(-np.log(np.clip(above / total, 1 / total, 1.0)), np.nan)


def share_above(histogram: Counts, threshold: float | None) -> float:
    """Return the share of pixels whose score is at least the threshold.

    It is never 0: below one pixel it is a part of one.
    """
    total = max(int(histogram.sum()), 1)
    least = 1 / (SPLIT * total)
    if threshold is None:
        return least
    first = int(np.ceil(threshold / SCORE_SCALE - 1e-6))
    return max(float(histogram[first:].sum()) / total, least)


def typical_share(shares: Array64, weights: Array64) -> float:
    """Return the weighted geometric mean of shares.

    None counts for less than ``LEAST_PART`` of their mean, so that one map in which nothing changed
    does not silence the others.

    Examples
    --------
    >>> round(typical_share(np.array([0.01, 0.04]), np.ones(2)), 4)
    0.02
    >>> round(typical_share(np.array([1e-9, 0.04]), np.ones(2)), 4)
    0.0089
    """
    least = LEAST_PART * np.average(shares, weights=weights)
    return float(np.exp(np.average(np.log(np.maximum(shares, least)), weights=weights)))


def find_knots(histogram: Counts, top: float, share: float) -> Array64:
    """Return how fused rarity becomes a score: 0.5 where a share of the pixels lies above.

    Parameters
    ----------
    histogram : int64 (SCORE_LEVELS,)
        Of fused rarity, in equal steps from 0 to ``top``; see :func:`quantize`.
    top : float
        Highest rarity.
    share : float
        Share of the pixels that are to reach 0.5.

    Returns
    -------
    float64 (2, 3)
        Rarities and scores, for :class:`geochange.fusion.rules.Fuser`.
    """
    wanted = share * int(histogram.sum())
    step = top / (SCORE_LEVELS - 1)
    above = np.cumsum(histogram[::-1])[::-1]
    first = int(np.argmax(np.append(above, 0) <= wanted))
    if first == SCORE_LEVELS and wanted >= 1:  # more pixels than that are all the rarest
        first -= 1
    limit = max(first - 0.5, 0.5) * step
    if limit >= top:
        return np.array([[0.0, limit], [0.0, 0.5]])
    return np.array([[0.0, limit, top], [0.0, 0.5, 1.0]])


def quantize(value: Array64, top: float) -> NDArray[np.uint16]:
    """Return fused rarity in equal steps, nodata as ``SCORE_NODATA`` of ``io/stores/score.py``."""
    known = ~np.isnan(value)
    steps = np.rint(np.where(known, value, 0.0) * ((SCORE_LEVELS - 1) / top))
    return np.where(known, np.minimum(steps, SCORE_LEVELS - 1), SCORE_LEVELS).astype(np.uint16)
