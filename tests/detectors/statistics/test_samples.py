import numpy as np
import pytest

from geochange.detectors.statistics.samples import estimate_noise, fit_gain


def test_noise_ignores_a_third_of_changed_pixels():
    difference = np.random.default_rng(0).normal(0, 3, (30_000, 1))
    difference[:9000] += 1000
    difference -= np.median(difference)
    assert estimate_noise(difference, difference)[0] < 6


def test_noise_of_noise_free_data_comes_from_the_changes():
    difference = np.zeros((1000, 2))
    difference[:10, 0] = 100
    noise = estimate_noise(difference, np.ones((1000, 2)))
    assert noise[0] == pytest.approx(1.2533, abs=1e-3)


def test_noise_of_no_difference_is_not_zero():
    assert estimate_noise(np.zeros((5, 1)), np.zeros((5, 1))).tolist() == [1.0]
    assert estimate_noise(np.zeros((5, 1)), np.full((5, 1), 1e4))[0] > 0


@pytest.mark.parametrize("gain", [0.3, 1.0, 4.0, -2.0])
def test_gain_with_noise_and_changes(gain):
    rng = np.random.default_rng(1)
    before = rng.normal(100, 20, (5000, 2)).astype(np.float32)
    after = (gain * before + 9 + rng.normal(0, 1, before.shape)).astype(np.float32)
    after[:1500] = rng.uniform(0, 900, (1500, 2))
    np.testing.assert_allclose(fit_gain(before, after), gain, atol=0.05)


def test_gain_of_a_constant_or_single_pixel_is_one():
    ones = np.ones((50, 1), np.float32)
    assert fit_gain(ones, 2 * ones).tolist() == [1.0]
    assert fit_gain(ones[:1], ones[:1]).tolist() == [1.0]
