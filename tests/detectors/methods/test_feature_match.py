import pickle

import numpy as np
import pytest
from scipy import ndimage

from geochange.detectors.methods.feature_match import FeatureMatchDetector
from geochange.errors import InputError, UsageError
from geochange.testing import ArrayPair
from geochange.tiles import TilePlan

INNER = np.s_[8:-8, 8:-8]


def scene(bands=3, size=128, seed=0):
    """Fields with texture, blurred by an instrument."""
    rng = np.random.default_rng(seed)
    fields = np.kron(rng.normal(0, 1, (bands, size // 8, size // 8)), np.ones((1, 8, 8)))
    sharp = 500 + 100 * (fields + fields[:1]) + rng.normal(0, 20, (bands, size, size))
    return ndimage.gaussian_filter(sharp, (0, 0.8, 0.8)).astype(np.float32)


def noisy(image, seed=1):
    return image + np.random.default_rng(seed).normal(0, 3, image.shape).astype(np.float32)


def fit(before, after, **options):
    pair = ArrayPair(before, after)
    detector = FeatureMatchDetector(**{"windows": 40, **options})
    return detector.fit(pair.blocks(TilePlan(pair.shape, 64, detector.halo)))


def score_pair(before, after, **options):
    valid = ArrayPair(before, after).valid
    return fit(before, after, **options).score(before[None], after[None], valid[None])[0]


@pytest.mark.parametrize("move", [(0, 0), (2, -1), (-3, 3)])
def test_a_new_patch_is_found_between_dates_that_lie_apart(move):
    before = scene()
    after = np.roll(before, move, axis=(1, 2))
    after[:, 60:72, 40:52] = np.array([900, 200, 500], np.float32)[:, None, None]
    score = score_pair(before, noisy(1.3 * after - 50))
    truth = np.zeros(score.shape, bool)
    truth[60 - move[0] : 72 - move[0], 40 - move[1] : 52 - move[1]] = True
    assert np.quantile(score[truth], 0.1) > 0.6
    far = ~ndimage.binary_dilation(truth, iterations=8)
    assert np.quantile(score[INNER][far[INNER]], 0.9) < 0.5


def test_a_displacement_beyond_the_radius_is_not_forgiven():
    before = scene()
    after = noisy(before)
    after[:, 40:90, 40:90] = np.roll(before, 9, axis=2)[:, 40:90, 40:90]
    assert np.median(score_pair(before, after)[50:80, 50:80]) > 0.7


@pytest.mark.parametrize("slack", [1, 6])
def test_what_matches_elsewhere_than_its_surroundings_has_changed(slack):
    before = scene()
    after = noisy(before)
    after[:, 52:76, 52:76] = np.roll(before, 3, axis=2)[:, 52:76, 52:76]
    score = score_pair(before, after, slack=slack, around=41)[58:70, 56:66]
    assert (np.median(score) > 0.5) == (slack == 1)


@pytest.mark.parametrize("bands", [(1, 3), (4, 2)])
def test_dates_may_have_different_bands(bands):
    whole = scene(4)
    after = noisy(np.roll(whole, 2, axis=1))[: bands[1]]
    after[:, 60:72, 40:52] += 400
    score = score_pair(whole[: bands[0]], after)
    assert score[58:68, 42:50].min() > 0.6
    assert np.median(score) < 0.2


@pytest.mark.parametrize("kind", ["gain", "negative"])
def test_radiometry_of_a_date_does_not_matter(kind):
    before = scene()
    after = noisy(before)
    after[:, 60:72, 40:52] += 300
    other = 2 * after + 70 if kind == "gain" else 4000 - 3 * after
    np.testing.assert_allclose(score_pair(before, other), score_pair(before, after), atol=0.01)


def test_visible_bands_are_preferred():
    before = scene(4)
    after = noisy(before)
    after[3, 40:80, 40:80] += 900
    roles = ("blue", "green", "red", "nir")
    assert np.median(score_pair(before, after)[50:70, 50:70]) > 0.8
    assert np.median(score_pair(before, after, roles=roles)[50:70, 50:70]) < 0.3


def test_what_left_the_after_date_has_no_evidence():
    before = scene()
    after = noisy(before)
    after[:, 40:80, 40:80] = np.nan
    score = score_pair(before, after)
    np.testing.assert_array_equal(np.isnan(score), np.isnan(after[0]))
    assert np.nanmedian(score[36:84, 36:84]) < 0.3


def test_a_fitted_detector_pickles_and_says_its_halo():
    detector = pickle.loads(pickle.dumps(fit(scene(), noisy(scene()), radius=1, patch=3, around=5)))
    assert detector.halo == 1 + 1 + 1 + 2 + 4
    assert detector.weights_before_.shape == (3, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"radius": -1},
        {"radius": 9},
        {"patch": 4},
        {"around": 0},
        {"slack": -1},
        {"texture": -0.1},
        {"variates": 0},
        {"windows": 0},
    ],
)
def test_options_that_cannot_work(options):
    with pytest.raises(UsageError):
        FeatureMatchDetector(**options)


def test_no_valid_pixel():
    nothing = np.full((1, 64, 64), np.nan, np.float32)
    with pytest.raises(InputError, match="no pixel is valid"):
        fit(nothing, nothing)


@pytest.mark.parametrize("bands", [1, 3])
def test_flat_ground_among_texture_is_no_change(bands):
    before = scene(bands)
    before[:, 40:90, 30:90] = 450
    rng = np.random.default_rng(5)
    dates = [before + rng.normal(0, 9, before.shape).astype(np.float32) for _ in range(2)]
    assert (score_pair(*dates) > 0.5).mean() < 0.01


def test_what_resampling_loses_is_no_change():
    rng = np.random.default_rng(2)
    before = ndimage.gaussian_filter(rng.normal(500, 300, (1, 160, 160)), (0, 2, 2))
    before[:, 50:110, 50:110] += rng.normal(0, 30, (1, 60, 60))
    after = ndimage.shift(before, (0, 0.5, 0.5), order=1, mode="nearest")
    after = ndimage.shift(after, (0, -0.5, -0.5), order=3, mode="nearest")
    rough = np.s_[60:100, 60:100]
    dates = (noisy(date.astype(np.float32), seed) for seed, date in enumerate((before, after)))
    assert (score_pair(*dates, windows=100)[rough] > 0.5).mean() < 0.01
