import numpy as np
import pytest

from geochange.detectors.methods.cva import CVA
from geochange.errors import BandError, InputError
from geochange.testing import ArrayPair, score_pair, synthetic_pair
from geochange.tiles import TilePlan


def fit(detector, pair):
    return detector.fit(pair.blocks(TilePlan(pair.shape, 64)))


@pytest.fixture
def noise_pair():
    """Two bands with noise of 2 and 10, offsets of 5 and -7, one pixel changed by (20, -50)."""
    rng = np.random.default_rng(3)
    before = rng.uniform(50, 200, (2, 100, 100))
    noise = rng.normal(size=before.shape) * np.array([2, 10])[:, None, None]
    after = before + noise + np.array([5, -7])[:, None, None]
    after[:, 40, 60] = before[:, 40, 60] + np.array([25, -57])
    return ArrayPair(before.astype(np.float32), after.astype(np.float32))


def test_magnitude_is_the_root_mean_square_in_sigmas(noise_pair):
    detector = fit(CVA(), noise_pair)
    np.testing.assert_allclose(detector.noise_, [2, 10], rtol=0.03)
    np.testing.assert_allclose(detector.offset_, [5, -7], atol=0.3)
    score = score_pair(detector, noise_pair, tile_size=33)
    sigma = np.sqrt((10**2 + 5**2) / 2)
    assert score[40, 60] == pytest.approx(sigma / (sigma + 3), abs=0.01)


@pytest.mark.parametrize("bands", [1, 4, 12])
def test_scores_of_unchanged_pixels_do_not_depend_on_the_band_count(bands):
    pair = synthetic_pair((80, 80), bands=bands, changes=0, gain=1)
    score = score_pair(fit(CVA(), pair), pair, tile_size=80)
    assert np.sqrt(np.mean((3 * score / (1 - score)) ** 2)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("shared", [0.0, 0.8])
@pytest.mark.parametrize("bands", [1, 2, 6])
def test_unchanged_pixels_exceed_the_score_of_p_with_probability_p(bands, shared):
    rng = np.random.default_rng(bands)
    common, own = rng.normal(size=(1, 300, 300)), rng.normal(size=(bands, 300, 300))
    after = 7 * (np.sqrt(shared) * common + np.sqrt(1 - shared) * own)
    pair = ArrayPair(np.zeros(after.shape, np.float32), after.astype(np.float32))
    detector = fit(CVA(), pair)
    score = score_pair(detector, pair, tile_size=300)
    for p in (0.1, 0.01, 0.001):
        assert (score > detector.score_at_p(p)).mean() == pytest.approx(p, rel=0.4)


def test_gain_removes_a_radiometric_difference():
    pair = synthetic_pair((80, 80), bands=3, gain=1.8, offset=-20)
    plain, gained = (fit(CVA(gain=gain), pair) for gain in (False, True))
    np.testing.assert_allclose(gained.gain_, 1.8, rtol=0.03)
    contrast = []
    for detector in (plain, gained):
        score = score_pair(detector, pair, tile_size=80)
        contrast.append(np.median(score[pair.truth]) - np.median(score[~pair.truth]))
    assert contrast[1] > contrast[0] + 0.1


def test_direction_is_the_angle_to_equal_change(noise_pair):
    detector = fit(CVA(), noise_pair)
    angle = detector.direction(noise_pair.before[None], noise_pair.after[None])[0]
    assert angle[40, 60] == pytest.approx(np.arccos((10 - 5) / np.sqrt(2 * 125)), abs=0.05)
    assert (angle >= 0).all()
    assert (angle <= np.pi).all()


def test_dominant_band_carries_the_sign(noise_pair):
    detector = fit(CVA(), noise_pair)
    noise_pair.after[:, 0, 0] = np.nan
    band = detector.dominant_band(noise_pair.before[None], noise_pair.after[None])[0]
    assert (band[40, 60], band[0, 0]) == (1, 0)
    noise_pair.after[:, 40, 60] -= np.array([25, 0], np.float32)
    band = detector.dominant_band(noise_pair.before[None], noise_pair.after[None])[0]
    assert band[40, 60] == -2


@pytest.mark.parametrize("bands", [(2, 3), (3, 1)])
def test_different_band_counts_are_one_clear_line(bands):
    before, after = (np.ones((count, 8, 8), np.float32) for count in bands)
    with pytest.raises(
        BandError, match=f"have {bands[0]} and {bands[1]} bands; .*'irmad' or 'mad'"
    ):
        fit(CVA(), ArrayPair(before, after))


def test_nothing_valid_is_one_clear_line():
    nothing = np.full((1, 8, 8), np.nan, np.float32)
    with pytest.raises(InputError, match="no pixel is valid"):
        fit(CVA(), ArrayPair(nothing, nothing))
    with pytest.raises(InputError, match="no pixel is valid"):
        CVA().fit([])
