import numpy as np
import pytest
from scipy.stats import binomtest

from geochange.detectability.rates import NEVER, find_contrast, level_at_rate, share_above, wilson
from geochange.io.stores.score import SCORE_LEVELS


@pytest.mark.parametrize(("found", "trials"), [(0, 10), (7, 10), (95, 100), (100, 100)])
def test_wilson_is_that_of_scipy(found, trials):
    low, high = wilson(np.array([found]), np.array([trials]))
    expected = binomtest(found, trials).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_rate_is_kept_and_used_up():
    rng = np.random.default_rng(0)
    levels = rng.integers(0, SCORE_LEVELS, 20_000)
    histogram = np.bincount(levels, minlength=SCORE_LEVELS)
    cut = level_at_rate(histogram, 1e-3)
    assert share_above(histogram, cut) <= 1e-3 < share_above(histogram, cut - 1)


def test_too_many_of_the_highest_score():
    histogram = np.zeros(SCORE_LEVELS, np.int64)
    histogram[[0, -1]] = 900, 100
    assert level_at_rate(histogram, 0.01) == NEVER


def test_a_share_that_falls_again_counts_from_its_last_rise():
    shares = np.array([0.95, 0.2, 0.9, 1.0])
    assert find_contrast((1.0, 2.0, 4.0, 8.0), shares, 0.9) == 4.0
