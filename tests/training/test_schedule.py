from __future__ import annotations

import numpy as np
import pytest

from geochange.training.schedule import LAST_SHARE, learning_rate
from geochange.training.settings.learning import OptimizerConfig


@pytest.mark.parametrize("schedule", ["cosine", "poly", "constant"])
@pytest.mark.parametrize("warmup", [0, 7, 500])
def test_rates_rise_then_never_rise_again(schedule, warmup):
    config = OptimizerConfig(learning_rate=0.1, warmup_steps=warmup, schedule=schedule)
    rates = np.array([learning_rate(step, 100, config) for step in range(100)])
    top = min(warmup, 100)
    assert (np.diff(rates[:top]) > 0).all()
    assert (np.diff(rates[top:]) <= 0).all()
    assert rates.max() == pytest.approx(0.1)
    assert rates.min() > 0
    if warmup < 100 and schedule != "constant":
        assert rates[-1] < 0.1 * (LAST_SHARE + 0.02)
