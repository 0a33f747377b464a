import numpy as np
import pytest
import rasterio
from scipy import ndimage

from geochange.detectors.methods.log_ratio import LogRatio
from geochange.errors import BandError, InputError, UsageError
from geochange.io.stores.score import SCORE_LEVELS, encode_score
from geochange.maps.threshold import choose_threshold
from geochange.testing import ArrayPair, score_pair
from geochange.tiles import TilePlan


def fit(detector, pair):
    return detector.fit(pair.blocks(TilePlan(pair.shape, 128, detector.halo)))


def automatic_threshold(score):
    """Threshold of the method's own rule; None when nothing changed."""
    counts = np.bincount(encode_score(score).ravel(), minlength=SCORE_LEVELS)
    return choose_threshold(counts, LogRatio.threshold).value


@pytest.fixture
def speckle():
    """Amplitude of four looks; the after date is 1.5 times brighter, a quarter 4 times more."""
    rng = np.random.default_rng(2)
    intensity = rng.gamma(4, 100 / 4, (2, 1, 80, 80))
    before, after = np.sqrt(intensity)
    after *= 1.5
    after[:, :40, :40] *= 4
    return ArrayPair(before.astype(np.float32), after.astype(np.float32))


def test_score_is_the_likelihood_ratio_of_equal_means(speckle):
    detector = fit(LogRatio(), speckle)
    np.testing.assert_allclose(np.exp(detector.offset_), 1.5, rtol=0.3)
    detector.offset_, detector.floor_ = np.log([1.5]), np.full(1, 1e-6)
    score = score_pair(detector, speckle, tile_size=128)
    expected = 1 - 2 * 4 / (1 + 4**2)
    assert np.median(score[10:30, 10:30]) == pytest.approx(expected, abs=0.03)
    assert np.median(score[50:, 50:]) < 0.02


def test_units_agree(speckle):
    brighter = ArrayPair(speckle.before + 50, speckle.after + 50)
    scores = []
    for unit, convert in (
        ("amplitude", lambda pixels: pixels),
        ("intensity", lambda pixels: pixels**2),
        ("db", lambda pixels: 20 * np.log10(pixels)),
    ):
        pair = ArrayPair(convert(brighter.before), convert(brighter.after))
        scores.append(score_pair(fit(LogRatio(unit=unit, speckle=1), pair), pair, tile_size=80))
    np.testing.assert_allclose(scores[1], scores[0], atol=0.01)
    np.testing.assert_allclose(scores[2], scores[0], atol=0.01)


def test_bands_are_combined_by_the_geometric_mean(speckle):
    flat = np.full_like(speckle.before, 10)
    both = ArrayPair(np.concatenate([speckle.before, flat]), np.concatenate([speckle.after, flat]))
    single = score_pair(fit(LogRatio(), speckle), speckle, tile_size=80)
    double = score_pair(fit(LogRatio(), both), both, tile_size=80)
    np.testing.assert_allclose(1 - double, np.sqrt(1 - single), atol=1e-5)


def test_zero_amplitude_is_finite():
    before = np.zeros((1, 20, 20), np.float32)
    pair = ArrayPair(before, before.copy())
    pair.after[:, 5:10] = 30
    score = score_pair(fit(LogRatio(), pair), pair, tile_size=20)
    assert np.isfinite(score).all()
    assert score[7, 10] > 0.8


def test_decibels_taken_for_amplitude_are_refused():
    pixels = np.full((1, 9, 9), -12, np.float32)
    with pytest.raises(InputError, match=r"expects amplitude of at least 0, .* give unit=db"):
        fit(LogRatio(unit="amplitude"), ArrayPair(pixels, pixels))
    assert fit(LogRatio(unit="db"), ArrayPair(pixels, pixels)).unit_ == "db"


def test_negative_pixels_are_decibels_unless_said_otherwise(speckle):
    assert fit(LogRatio(), speckle).provenance == {"unit": "amplitude"}
    decibels = ArrayPair(20 * np.log10(speckle.before / 99), 20 * np.log10(speckle.after / 99))
    detector = fit(LogRatio(), decibels)
    assert detector.provenance == {"unit": "db"}
    assert detector.unit == "auto"


def test_wrong_options_and_bands_are_refused():
    with pytest.raises(UsageError, match="unit must be one of auto, amplitude, intensity, db"):
        LogRatio(unit="power")
    ones = np.ones((2, 9, 9), np.float32)
    with pytest.raises(BandError, match="method 'log-ratio'"):
        fit(LogRatio(), ArrayPair(ones, ones[:1]))


@pytest.mark.parametrize("kind", ["noise", "gain and offset", "shift", "new speckle"])
@pytest.mark.parametrize("dark", [0.3, 1.0])
def test_a_disturbed_copy_shows_no_change(kind, dark):
    rng = np.random.default_rng(5)
    level = np.kron(rng.uniform(60, 200, (10, 10)), np.ones((10, 10)))
    level[:, :40] *= dark
    before = level * np.sqrt(rng.gamma(4, 1 / 4, level.shape))
    after = {
        "noise": before + rng.normal(0, 0.5, before.shape),
        "gain and offset": 0.85 * before + 0.1 * before.mean(),
        "shift": ndimage.shift(before, 0.5, order=3, mode="nearest"),
        "new speckle": level * np.sqrt(rng.gamma(4, 1 / 4, level.shape)),
    }[kind]
    pair = ArrayPair(*(np.maximum(date, 0)[None].astype(np.float32) for date in (before, after)))
    assert automatic_threshold(score_pair(fit(LogRatio(), pair), pair, tile_size=100)) is None


@pytest.mark.parametrize(
    ("scene", "kappa"), [("sulzberger", 0.9), ("farmland", 0.8), ("yellow_b", 0.8)]
)
def test_kappa_on_sar_pairs(real_data, scene, kappa):
    before, after, label = (
        rasterio.open(real_data / "sar" / scene / f"{name}.tif").read().astype(np.float32)
        for name in ("before", "after", "label")
    )
    pair = ArrayPair(before, after)
    score = score_pair(fit(LogRatio(), pair), pair, tile_size=100)
    found, truth = score >= automatic_threshold(score), label[0] > 0
    agreement = (found == truth).mean()
    chance = found.mean() * truth.mean() + (1 - found.mean()) * (1 - truth.mean())
    assert (agreement - chance) / (1 - chance) >= kappa
