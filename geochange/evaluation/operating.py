"""Where to cut a score for a wanted precision or recall, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.errors import InputError
from geochange.evaluation.ranking import ScoreHistogram, accumulate
from geochange.io.stores.score import SCORE_LEVELS, SCORE_SCALE

IntArray = NDArray[np.int64]

REPLICATES = 200
CONFIDENCE = 0.95
TABLE_ROWS = 19
"""Rows of a table: recalls of 5 %, 10 % ... 95 %."""
LEAST_FOUND = 10
"""Pixels that must be called change, so that the precision of a handful decides nothing."""


@dataclass(frozen=True)
class Sums:
    """Counts at R thresholds, and in every replicate of a bootstrap over blocks of ground.

    Adding two pools them.

    Attributes
    ----------
    true, found : int64 (1 + REPLICATES, R)
        Changed pixels, and all pixels, at or above each threshold; row 0 counts each block once.
    changed : int64 (1 + REPLICATES,)
        Changed pixels in all.
    """

    true: IntArray
    found: IntArray
    changed: IntArray

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.true + other.true, self.found + other.found, self.changed + other.changed)


def draw_weights(block: int) -> IntArray:
    """Return how often a block counts: once, then Poisson(1) times in each replicate.

    The draw depends on the block alone, so blocks may be counted in any order and on any machine.

    References
    ----------
    Hanley, J. and MacGibbon, B. (2006). Creating non-parametric bootstrap samples using Poisson
    frequencies. Computer Methods and Programs in Biomedicine 83(1), 57-62.

    Examples
    --------
    >>> int(draw_weights(7)[0]), bool(0.8 < draw_weights(7)[1:].mean() < 1.2)
    (1, True)
    """
    drawn = np.random.default_rng([block, REPLICATES]).poisson(1.0, REPLICATES)
    return np.concatenate([[1], drawn]).astype(np.int64)


def count_block(
    levels: NDArray[np.uint16], codes: NDArray[np.uint8], cuts: IntArray, block: int
) -> Sums:
    """Count one block of ground at thresholds.

    Parameters
    ----------
    levels : uint16
        Stored score; nodata counts nothing.
    codes : uint8
        0 unchanged, 1 changed, else unknown.
    cuts : int64 (R,)
        Stored levels from which on a pixel is change.
    block : int
        Number of the block.
    """
    weights = draw_weights(block)
    changed = np.sort(levels[(codes == 1) & (levels < SCORE_LEVELS)])
    unchanged = np.sort(levels[(codes == 0) & (levels < SCORE_LEVELS)])
    true = changed.size - np.searchsorted(changed, cuts)
    false = unchanged.size - np.searchsorted(unchanged, cuts)
    return Sums(np.outer(weights, true), np.outer(weights, true + false), weights * changed.size)


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold does, with intervals of 95 %.

    Attributes
    ----------
    threshold : float
    precision, recall, f1 : float
    precision_interval, recall_interval : tuple of float
        Of the bootstrap over blocks of ground; nan where it says nothing.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    precision_interval: tuple[float, float]
    recall_interval: tuple[float, float]


def describe_points(cuts: IntArray, sums: Sums) -> list[OperatingPoint]:
    """Turn counts at thresholds into what a person reads."""
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = sums.true / sums.found
        recall = sums.true / sums.changed[:, None]
        f1 = 2 * sums.true / (sums.found + sums.changed[:, None])
    return [
        OperatingPoint(
            float(cut * SCORE_SCALE),
            float(precision[0, row]),
            float(recall[0, row]),
            float(f1[0, row]),
            _interval(precision[1:, row]),
            _interval(recall[1:, row]),
        )
        for row, cut in enumerate(cuts)
    ]


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if known.size < REPLICATES // 2:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def choose_cut(
    histogram: ScoreHistogram, *, precision: float | None = None, recall: float | None = None
) -> int:
    """Return the stored level from which on to call change.

    Parameters
    ----------
    histogram : ScoreHistogram
        Of the labelled pixels.
    precision : float, optional
        The most recall among thresholds with at least this precision.
    recall : float, optional
        The most precision among thresholds with at least this recall. Without either, the best F1.

    Raises
    ------
    InputError
        No threshold reaches the precision.

    Examples
    --------
    >>> levels = np.repeat(np.array([10, 20, 30], np.uint16), [50, 40, 30])
    >>> changed = np.repeat(np.array([0, 1, 0, 1], np.uint8), [50, 10, 30, 30])
    >>> histogram = ScoreHistogram.count(levels, changed)
    >>> choose_cut(histogram), choose_cut(histogram, recall=0.9)
    (30, 20)
    """
    true, false = accumulate(histogram.changed), accumulate(histogram.unchanged)
    found = true + false
    there = np.flatnonzero(histogram.changed + histogram.unchanged)
    there = there[found[there] >= min(LEAST_FOUND, int(found[0]))]
    true, found = true[there], found[there]
    if precision is not None:
        good = np.flatnonzero(true >= precision * found)
        if not good.size:
            best = float((true / found).max())
            msg = (
                f"no threshold reaches a precision of {precision:g} on these labels; the best is "
                f"{best:.3f}: ask for less, or choose another method"
            )
            raise InputError(msg)
        return int(there[good[0]])
    if recall is not None:
        enough = np.flatnonzero(true >= recall * histogram.changed.sum())
        best = enough[np.argmax((true / found)[enough])]
        return int(there[best])
    return int(there[np.argmax(2 * true / (found + histogram.changed.sum()))])


def choose_rows(histogram: ScoreHistogram) -> IntArray:
    """Return levels, highest first, with recalls in equal steps; those that coincide once."""
    true = accumulate(histogram.changed)
    total = int(histogram.changed.sum())
    wanted = np.arange(1, TABLE_ROWS + 1) / (TABLE_ROWS + 1) * total
    rows = [int(np.flatnonzero(true >= need)[-1]) for need in wanted]
    return np.array(sorted(set(rows), reverse=True), np.int64)
