"""Scores that mean what they say: a temperature, and how far off probabilities are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from geochange.evaluation.ranking import ScoreHistogram
from geochange.io.stores.score import SCORE_LEVELS, SCORE_SCALE

BINS = 15
LIMITS = (0.05, 20.0)
"""Least and largest temperature."""

Array64 = NDArray[np.float64]


def fit_temperature(histogram: ScoreHistogram) -> float:
    """Return the temperature that makes scores the likeliest probabilities of change.

    The logit of a score divided by it gives the calibrated logit (Guo et al. 2017, "On calibration
    of modern neural networks", ICML). The histogram holds all that is needed.

    Examples
    --------
    >>> level = np.round(np.array([0.1, 0.9]) / SCORE_SCALE).astype(int)
    >>> changed, unchanged = np.zeros((2, SCORE_LEVELS), np.int64)
    >>> changed[level], unchanged[level] = (30, 70), (70, 30)
    >>> round(fit_temperature(ScoreHistogram(changed, unchanged)), 2)
    2.59
    """

    def loss(log_temperature: float) -> float:
        return log_loss(histogram, math.exp(log_temperature))

    bounds = tuple(math.log(limit) for limit in LIMITS)
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(math.exp(found.x))


def log_loss(histogram: ScoreHistogram, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood of the labels, in nats; nan without pixels."""
    logits = _logits() / temperature
    total = histogram.changed.sum() + histogram.unchanged.sum()
    if not total:
        return float("nan")
    cost = histogram.changed @ np.logaddexp(0, -logits)
    return float((cost + histogram.unchanged @ np.logaddexp(0, logits)) / total)


def calibrate(score: float, temperature: float) -> float:
    """Return the probability that a score stands for.

    Examples
    --------
    >>> round(calibrate(0.9, 2.0), 3)
    0.75
    """
    odds = (score / (1 - score)) ** (1 / temperature) if score < 1 else math.inf
    return odds / (1 + odds) if math.isfinite(odds) else 1.0


def calibration_error(histogram: ScoreHistogram, temperature: float = 1.0) -> float:
    """Return the expected calibration error: gap of probability and frequency over equal bins.

    Naeini et al. 2015, AAAI; 15 bins.
    """
    probability = 1 / (1 + np.exp(-_logits() / temperature))
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    pixels = (histogram.changed + histogram.unchanged).astype(np.float64)
    expected = np.bincount(bins, pixels * probability, BINS)
    found = np.bincount(bins, histogram.changed.astype(np.float64), BINS)
    return float(np.abs(expected - found).sum() / max(1.0, pixels.sum()))


def _logits() -> Array64:
    """Logit of each stored level, the outermost half a level inside."""
    score = np.arange(SCORE_LEVELS) * SCORE_SCALE
    score = np.clip(score, SCORE_SCALE / 2, 1 - SCORE_SCALE / 2)
    logits: Array64 = np.log(score) - np.log1p(-score)
    return logits
