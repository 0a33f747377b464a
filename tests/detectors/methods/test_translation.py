import pickle

import numpy as np
import pytest

from geochange.detectors.base import plan_tiles
from geochange.detectors.methods.translation import (
    Autoencoder,
    TranslationGAN,
    VariationalAutoencoder,
)
from geochange.errors import InputError, UsageError
from geochange.testing import ArrayPair, check_detector, score_pair

KINDS = [Autoencoder, VariationalAutoencoder, TranslationGAN]


def make_pair(seed=0):
    """Smooth ground; the second sensor sees a bent and an inverted version of it."""
    rng = np.random.default_rng(seed)
    rows, cols = np.indices((72, 72)) / 9
    ground = np.sin(rows + rng.uniform(0, 6)) + np.cos(1.3 * cols + rng.uniform(0, 6))
    truth = np.zeros(ground.shape, bool)
    truth[20:32, 40:54] = True
    later = np.where(truth, ground + 2.5, ground)
    before, after = (50 * ground)[None], np.stack([100 - 20 * later, 10 * later**2])
    noise = [rng.normal(0, 0.03 * date.std(), date.shape) for date in (before, after)]
    dates = [d + n for d, n in zip((before, after), noise, strict=True)]
    return ArrayPair(*(date.astype(np.float32) for date in dates)), truth


def fit(detector, pair):
    return detector.fit(pair.blocks(plan_tiles(detector, pair.shape, 40)))


@pytest.mark.parametrize("kind", KINDS)
def test_change_is_what_the_translation_cannot_explain(kind):
    pair, truth = make_pair()
    score = score_pair(fit(kind(steps=150, max_pixels=2000), pair), pair, tile_size=72)
    assert np.median(score[truth]) > 0.9
    assert np.quantile(score[~truth], 0.9) < 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_dates_with_different_bands_keep_the_contract_of_tiles(kind):
    pair, _ = make_pair()
    pair.before[:, :9] = np.nan
    detector = fit(kind(steps=5), pair)
    whole = score_pair(detector, pair, tile_size=72)
    np.testing.assert_array_equal(np.isnan(whole), ~pair.valid)
    copied = pickle.loads(pickle.dumps(detector))
    tiles = score_pair(copied, pair, tile_size=17, batch_size=3)
    np.testing.assert_allclose(tiles, whole, atol=1e-5)


def test_the_seed_decides():
    pair, _ = make_pair()
    scores = [
        score_pair(fit(Autoencoder(steps=5, seed=seed), pair), pair, tile_size=72)
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert np.abs(scores[0] - scores[2]).max() > 0.01


def test_constant_dates_keep_the_contract():
    flat = np.full((1, 30, 30), 5, np.float32)
    pair = ArrayPair(flat, np.concatenate([flat, flat]))
    score = score_pair(fit(VariationalAutoencoder(steps=5), pair), pair, tile_size=30)
    assert np.isfinite(score).all()


def test_few_steps_keep_the_contract():
    check_detector(VariationalAutoencoder(steps=3, max_pixels=300), bands=(2,), unchanged=1.0)


def test_bad_input_is_refused():
    with pytest.raises(UsageError, match="at least 1 step and 100 pixels"):
        Autoencoder(steps=0)
    small = np.ones((1, 8, 8), np.float32)
    with pytest.raises(InputError, match="at least 100 valid pixels to learn from, found 64"):
        fit(Autoencoder(), ArrayPair(small, small))
    with pytest.raises(InputError, match="no pixel is valid"):
        fit(Autoencoder(), ArrayPair(small * np.nan, small))
