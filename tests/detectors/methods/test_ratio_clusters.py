import numpy as np
import pytest
import rasterio

from geochange.detectors.base import plan_tiles
from geochange.detectors.methods.ratio_clusters import RatioClusters
from geochange.errors import BandError, InputError, UsageError
from geochange.testing import ArrayPair, score_pair


def fit(detector, pair):
    return detector.fit(pair.blocks(plan_tiles(detector, pair.shape, 64)))


def make_pair(looks=(4, 1), factor=6.0, size=80):
    """Amplitudes of two dates with different looks; a square in the middle is brighter."""
    rng = np.random.default_rng(3)
    level = np.kron(rng.uniform(50, 150, (8, 8)), np.ones((size // 8, size // 8)))
    truth = np.zeros(level.shape, bool)
    truth[24:48, 24:48] = True
    dates = [level * np.sqrt(rng.gamma(n, 1 / n, level.shape)) for n in looks]
    dates[1][truth] *= np.sqrt(factor)
    return ArrayPair(*(date[None].astype(np.float32) for date in dates)), truth


def kappa(found, truth):
    agreement = (found == truth).mean()
    chance = found.mean() * truth.mean() + (1 - found.mean()) * (1 - truth.mean())
    return (agreement - chance) / (1 - chance)


def test_the_network_is_sharper_than_the_windows_that_taught_it():
    pair, truth = make_pair(factor=16)
    detector = fit(RatioClusters(steps=150), pair)
    assert detector.provenance == {"unit": "amplitude", "network_trained": True}
    found = score_pair(detector, pair, tile_size=80) >= 0.5
    detector.weights_ = None
    clusters = score_pair(detector, pair, tile_size=80) >= 0.5
    assert kappa(found, truth) > max(kappa(clusters, truth), 0.9)


def test_new_speckle_alone_is_no_change():
    pair, _ = make_pair(factor=1.0)
    detector = fit(RatioClusters(), pair)
    assert detector.weights_ is None
    assert np.nanmax(score_pair(detector, pair, tile_size=80)) < 0.5


def test_few_changed_pixels_are_found_without_a_network():
    pair, truth = make_pair(factor=1.0)
    pair.after[0, 60:66, 60:66] *= 12
    detector = fit(RatioClusters(max_pixels=1500), pair)
    assert detector.weights_ is None
    score = score_pair(detector, pair, tile_size=80)
    assert score[62, 62] > 0.5
    assert (score[:50] < 0.5).all()
    assert truth.any()


def test_the_seed_decides():
    pair, _ = make_pair(factor=16)
    scores = [
        score_pair(fit(RatioClusters(steps=20, seed=s), pair), pair, tile_size=80)
        for s in (0, 0, 1)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert np.abs(scores[0] - scores[2]).max() > 0.01


def test_bad_input_is_refused():
    with pytest.raises(UsageError, match="unit must be one of"):
        RatioClusters(unit="power")
    ones = np.ones((2, 40, 40), np.float32)
    with pytest.raises(BandError, match="method 'ratio-clusters'"):
        fit(RatioClusters(), ArrayPair(ones, ones[:1]))
    with pytest.raises(InputError, match="no pixel is valid"):
        fit(RatioClusters(), ArrayPair(ones * np.nan, ones))
    with pytest.raises(InputError, match="expects intensity of at least 0"):
        fit(RatioClusters(unit="intensity"), ArrayPair(-ones, -ones))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scene", "least"), [("sulzberger", 0.92), ("farmland", 0.87), ("yellow_b", 0.87)]
)
def test_kappa_on_sar_pairs(real_data, scene, least):
    before, after, label = (
        rasterio.open(real_data / "sar" / scene / f"{name}.tif").read().astype(np.float32)
        for name in ("before", "after", "label")
    )
    pair = ArrayPair(before, after)
    found = score_pair(fit(RatioClusters(), pair), pair, tile_size=100) >= 0.5
    assert kappa(found, label[0] > 0) > least
