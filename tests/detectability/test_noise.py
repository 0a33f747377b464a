import numpy as np
import pytest

from geochange.detectability.noise import learn_noise


@pytest.fixture
def noise():
    rng = np.random.default_rng(0)
    before = rng.uniform(0, 1000, (100_000, 3))
    common = rng.normal(0, 8, (len(before), 1))
    after = 1.2 * before + 50 + common + rng.normal(0, [3, 4, 2], before.shape)
    after[:5000] += 400  # change must not count
    return learn_noise(before, after)


def test_sigma_is_that_of_the_unchanged(noise):
    expected = np.sqrt(8**2 + np.array([3, 4, 2]) ** 2)
    assert noise.sigma == pytest.approx(expected, rel=0.08)


def test_spectral_changes_are_spread_as_the_noise(noise):
    rng = np.random.default_rng(1)
    drawn = np.array([noise.draw("spectral", rng) for _ in range(4000)])
    covariance = np.cov(drawn.T)
    expected = 64 + np.diag([9, 16, 4])
    assert covariance == pytest.approx(expected, rel=0.15)
    white = drawn @ np.linalg.inv(noise.mixing).T
    assert np.linalg.norm(white, axis=1) == pytest.approx(np.sqrt(3))


def test_brightness_moves_all_bands_by_one_sigma(noise):
    rng = np.random.default_rng(1)
    drawn = np.array([noise.draw("brightness", rng) for _ in range(50)])
    assert np.abs(drawn) == pytest.approx(np.tile(noise.sigma, (50, 1)))
    assert np.abs(np.sign(drawn).sum(axis=1)) == pytest.approx(3)
    assert 10 < (drawn[:, 0] > 0).sum() < 40


def test_one_band_has_one_kind():
    rng = np.random.default_rng(0)
    before = rng.normal(0, 1, (1000, 1))
    assert learn_noise(before, before + rng.normal(0, 1, before.shape)).kinds == ("brightness",)
