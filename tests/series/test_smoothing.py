import numpy as np
import pytest

from geochange.errors import UsageError
from geochange.series.smoothing import TimeFilter, find_spikes


def make():
    rng = np.random.default_rng(0)
    days = 730_000 + np.cumsum(rng.integers(10, 40, 30))
    years = (days - days[0]) / 365.25
    truth = (1000 + 300 * years - 80 * years**2)[:, None, None, None] * np.ones((1, 2, 4, 5))
    images = (truth + 20 * rng.standard_normal(truth.shape)).astype(np.float32)
    valid = rng.random((30, 4, 5)) < 0.8
    return images, valid, days, truth


@pytest.mark.parametrize("kind", ["median", "savgol"])
def test_filters_come_nearer_to_the_truth(kind):
    images, valid, days, truth = make()
    smooth, known = TimeFilter(kind, 7).apply(images, valid, days)
    seen = np.broadcast_to(valid[:, None], images.shape)
    before, after = (np.abs(x - truth)[seen].mean() for x in (images, smooth))
    assert after < 0.85 * before
    np.testing.assert_array_equal(known, valid)


def test_savgol_keeps_a_parabola_over_uneven_dates():
    _, valid, days, truth = make()
    smooth, _ = TimeFilter("savgol", 5).apply(truth.astype(np.float32), valid, days)
    seen = np.broadcast_to(valid[:, None], truth.shape)
    np.testing.assert_allclose(smooth[seen], truth[seen], rtol=1e-4)


def test_gaps_are_filled_between_valid_dates_alone():
    days = np.array([0, 10, 20, 40, 50])
    images = np.array([0, 0, 0, 8, 9], np.float32).reshape(5, 1, 1, 1)
    valid = np.array([0, 1, 0, 1, 0], bool).reshape(5, 1, 1)
    filled, known = TimeFilter("none", fill="linear").apply(images, valid, days)
    assert known.ravel().tolist() == [False, True, True, True, False]
    assert filled[2, 0, 0, 0] == pytest.approx(8 / 3)
    filled, _ = TimeFilter("none", fill="previous").apply(images, valid, days)
    assert filled[2, 0, 0, 0] == 0


def test_spikes_are_seen_across_gaps():
    pixels = np.array([0, 9, 9, 0, 0], float)[:, None, None]
    known = np.array([1, 1, 0, 1, 1], bool)[:, None]
    assert find_spikes(pixels, known, [1.0]).ravel().tolist() == [False, True, False, False, False]


def test_unknown_filters_are_refused():
    for options in ({"denoise": "mean"}, {"window": 4}, {"fill": "spline"}):
        with pytest.raises(UsageError):
            TimeFilter(**options)
