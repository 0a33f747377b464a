import numpy as np
import pytest
from scipy import ndimage

from geochange.detectors.methods.context import (
    ContextDetector,
    fit_line,
    recorded_range,
    select_bands,
)
from geochange.errors import BandError, InputError, UsageError
from geochange.io.stores.score import SCORE_LEVELS, encode_score
from geochange.maps.threshold import choose_threshold
from geochange.testing import ArrayPair, check_detector
from geochange.tiles import TilePlan


def scene(bands=3, size=160, seed=0):
    """Blocky ground with texture, blurred by an instrument."""
    rng = np.random.default_rng(seed)
    brightness = np.kron(rng.normal(0, 1, (size // 8, size // 8)), np.ones((8, 8)))
    colour = np.kron(rng.normal(0, 0.3, (bands, size // 8, size // 8)), np.ones((1, 8, 8)))
    sharp = 500 + 100 * (brightness + colour) + rng.normal(0, 20, (bands, size, size))
    return ndimage.gaussian_filter(sharp, (0, 0.8, 0.8)).astype(np.float32)


def score_pair(before, after, valid=None, **options):
    if valid is not None:
        before = np.where(valid, before, np.float32(np.nan))
    pair = ArrayPair(before, after)
    detector = ContextDetector(**options).fit(pair.blocks(TilePlan(pair.shape, size=64)))
    return detector.score(before[None], after[None], pair.valid[None])[0]


def automatic_mask(score):
    counts = np.bincount(encode_score(score)[np.isfinite(score)], minlength=SCORE_LEVELS)
    value = choose_threshold(counts[:SCORE_LEVELS]).value
    return np.zeros(score.shape, bool) if value is None else np.nan_to_num(score) >= value


def disturb(before, kind, seed=1):
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 3, before.shape)
    shifted = ndimage.shift(before, (0, 0.5, 0.5), order=3, mode="nearest")
    changed = {
        "noise": before + noise,
        "gain": 1.3 * before - 80,
        "shift": shifted,
        "all": 0.8 * shifted + 40 + noise,
        "saturation": np.minimum(1.3 * (before + noise), 1.3 * np.quantile(before, 0.97)),
    }
    return changed[kind].astype(np.float32)


@pytest.mark.parametrize("kind", ["noise", "gain", "shift", "all", "saturation"])
@pytest.mark.parametrize("bands", [1, 3, 6])
def test_a_disturbed_copy_shows_no_change(kind, bands):
    before = scene(bands)
    assert not automatic_mask(score_pair(before, disturb(before, kind))).any()


@pytest.mark.parametrize("bands", [1, 3, 6])
def test_a_small_change_is_found_under_all_disturbances(bands):
    before = scene(bands)
    after = before.copy()
    after[:, 70:79, 40:49] += 300
    truth = np.zeros(before.shape[1:], bool)
    truth[70:79, 40:49] = True
    mask = automatic_mask(score_pair(before, disturb(after, "all")))
    assert mask[truth].mean() > 0.9
    assert not mask[~ndimage.binary_dilation(truth, iterations=7)].any()


def test_the_score_is_high_with_the_same_change_of_colour_alone():
    before = scene(3)
    after = before.copy()
    after[:, 70:79, 40:49] += np.array([120, 0, -120], np.float32)[:, None, None]
    score = score_pair(before, disturb(after, "noise"))
    assert score[74, 44] > 0.5
    assert score[74, 44] == pytest.approx(score[70:79, 40:49].max(), rel=0.2)


def test_invalid_pixels_have_no_say():
    before = scene()
    after = disturb(before, "all")
    after[:, 70:79, 40:49] += 300
    valid = np.ones(before.shape[1:], bool)
    valid[:, :30] = False
    valid[100:110, 80:90] = False
    pair = ArrayPair(np.where(valid, before, np.float32(np.nan)), after)
    detector = ContextDetector().fit(pair.blocks(TilePlan(pair.shape, size=64)))
    clean = detector.score(before[None], after[None], valid[None])[0]
    spoilt = np.where(valid, before, np.float32(1e9))
    broken = np.where(valid, after, np.float32(np.nan))
    again = detector.score(spoilt[None], broken[None], valid[None])[0]
    np.testing.assert_array_equal(again, clean)
    np.testing.assert_array_equal(np.isnan(clean), ~valid)


def test_dates_can_be_exchanged():
    before = scene()
    after = disturb(before, "noise")
    after[:, 70:79, 40:49] += 300
    forth, back = score_pair(before, after), score_pair(after, before)
    np.testing.assert_allclose(forth, back, atol=0.01)


def test_visible_bands_are_preferred():
    before = scene(4)
    after = disturb(before, "noise")
    after[3, 40:80, 40:80] += 900
    roles = ("blue", "green", "red", "nir")
    assert automatic_mask(score_pair(before, after)).any()
    assert not automatic_mask(score_pair(before, after, roles=roles)).any()
    assert select_bands(("red", "nir"), 2).tolist() == [0, 1]


def test_saturation_needs_a_pile_of_equal_values():
    ramp = np.arange(1000.0)[:, None] % 256
    assert recorded_range(ramp)[1][0] == np.inf
    assert recorded_range(np.minimum(ramp, 200))[1][0] == 200
    assert recorded_range(np.maximum(ramp, 50))[0][0] == 50
    assert recorded_range(np.full((10, 1), 7.0))[1][0] == np.inf


def test_the_line_ignores_changed_pixels():
    rng = np.random.default_rng(0)
    x = rng.normal(500, 100, 5000)
    y = 1.2 * x - 30 + rng.normal(0, 2, x.size)
    y[:1000] += rng.normal(400, 100, 1000)
    gain, offset = fit_line(x, y)
    assert gain == pytest.approx(1.2, rel=0.01)
    assert offset == pytest.approx(-30, abs=6)


@pytest.mark.parametrize(
    "options",
    [{"shift": -1}, {"window": 4}, {"smoothing": 0}, {"shrinkage": -0.1}, {"noise": -1}],
)
def test_options_that_cannot_work(options):
    with pytest.raises(UsageError):
        ContextDetector(**options)


def test_inputs_that_cannot_work():
    before = scene()
    with pytest.raises(BandError):
        score_pair(before, scene(4))
    with pytest.raises(InputError, match="no pixel is valid"):
        score_pair(before, before, np.zeros(before.shape[1:], bool))


def test_bands_that_are_not_visible_need_not_be_there():
    detector = ContextDetector(roles=("nir", "red", "swir1", "blue"))
    assert detector.bands_needed(4) == [1, 3]
    check_detector(detector, bands=(4,))
