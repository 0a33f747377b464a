"""Temperatures bring back probabilities that were made too sure."""

from __future__ import annotations

import numpy as np
import pytest

from geochange.evaluation.ranking import ScoreHistogram
from geochange.io.stores.score import encode_score
from geochange.training.calibration import (
    calibrate,
    calibration_error,
    fit_temperature,
    log_loss,
)


def sharpened(temperature, count=200_000):
    """Histogram of scores whose logits are ``temperature`` times too large."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 1.5, count)
    label = (rng.random(count) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    score = 1 / (1 + np.exp(-logits * temperature))
    levels = encode_score(score.astype(np.float32))
    return ScoreHistogram.count(levels, label), score, label


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_is_found(temperature):
    histogram, score, label = sharpened(temperature)
    assert fit_temperature(histogram) == pytest.approx(temperature, rel=0.03)
    assert calibration_error(histogram, temperature) < 0.01
    if temperature != 1:
        assert calibration_error(histogram) > 0.03
    exact = -np.mean(np.where(label == 1, np.log(score), np.log1p(-score)))
    assert log_loss(histogram) == pytest.approx(exact, abs=1e-3)


def test_calibrated_scores_keep_their_order():
    scores = np.linspace(0, 1, 50)
    calibrated = [calibrate(score, 3.0) for score in scores]
    assert calibrated[0] == 0
    assert calibrated[-1] == 1
    assert (np.diff(calibrated) > 0).all()
    assert calibrate(0.3, 1.0) == pytest.approx(0.3)


def test_nothing_counted():
    empty = ScoreHistogram.count(np.array([], np.uint16), np.array([], np.uint8))
    assert np.isnan(log_loss(empty))
    assert calibration_error(empty) == 0
