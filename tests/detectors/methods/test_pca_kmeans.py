import numpy as np
import pytest

from geochange.detectors.methods.pca_kmeans import PCAKMeans, gather_patches, split_in_two
from geochange.errors import InputError, UsageError
from geochange.testing import ArrayPair, score_pair, synthetic_pair
from geochange.tiles import TilePlan


def test_half_is_the_decision_for_the_nearer_centre():
    pair = synthetic_pair((60, 60), bands=2)
    detector = PCAKMeans(block=3).fit(pair.blocks(TilePlan(pair.shape, 60, halo=1)))
    score = score_pair(detector, pair, tile_size=60)[1:-1, 1:-1]
    difference = pair.after - pair.before - detector.offset_[:, None, None]
    sigma = np.minimum(np.abs(difference) / detector.noise_[:, None, None], 10)
    windows = np.lib.stride_tricks.sliding_window_view(sigma, (3, 3), axis=(1, 2))
    vectors = windows.transpose(1, 2, 0, 3, 4).reshape(58 * 58, -1)
    features = (vectors - detector.mean_) @ detector.components_.T
    unchanged, changed = (np.linalg.norm(features - c, axis=1) for c in detector.centres_)
    clear = np.abs(unchanged - changed) > 1e-3
    np.testing.assert_array_equal((score.ravel() > 0.5)[clear], (changed < unchanged)[clear])
    assert 0.02 < (score > 0.5).mean() < 0.5


def test_finds_the_changed_discs():
    pair = synthetic_pair((80, 80), bands=4, gain=1)
    detector = PCAKMeans().fit(pair.blocks(TilePlan(pair.shape, 40, halo=2)))
    found = score_pair(detector, pair, tile_size=40) > 0.5
    assert (found & pair.truth).sum() / (found | pair.truth).sum() > 0.7


def test_components_are_orthonormal():
    pair = synthetic_pair((40, 40), bands=3)
    axes = PCAKMeans().fit(pair.blocks(TilePlan(pair.shape, 40, halo=2))).components_
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)


@pytest.mark.parametrize("size", [7, 16, 40])
def test_the_sample_of_patches_does_not_depend_on_the_tiles(size):
    pair = synthetic_pair((37, 40), bands=2, invalid=0.1)
    whole = gather_patches(pair.blocks(TilePlan(pair.shape, 64, halo=1)), 3, 50, seed=1)
    tiled = gather_patches(pair.blocks(TilePlan(pair.shape, size, halo=1)), 3, 50, seed=1)
    for one, other in zip(whole, tiled, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_valid_is_one_clear_line():
    pair = synthetic_pair((20, 20), bands=2)
    pair.after[:] = np.nan
    for blocks in (pair.blocks(TilePlan(pair.shape, 20)), iter(())):
        with pytest.raises(InputError, match="no pixel is valid at both dates"):
            PCAKMeans().fit(blocks)


def test_split_in_two_of_equal_vectors_has_one_centre():
    centres = split_in_two(np.full((9, 2), 3.0), np.full(9, 1.0, np.float32))
    np.testing.assert_array_equal(centres, np.full((2, 2), 3.0))


def test_an_even_block_is_refused():
    with pytest.raises(UsageError, match="block must be a positive odd number of pixels, got 4"):
        PCAKMeans(block=4)


@pytest.mark.parametrize("noise", [0, 1, 30])
def test_noise_and_an_offset_are_not_split(noise):
    rng = np.random.default_rng(0)
    before = rng.normal(100, 20, (2, 90, 90)).astype(np.float32)
    after = (before + 40 + noise * rng.normal(size=before.shape)).astype(np.float32)
    pair = ArrayPair(before, after)
    detector = PCAKMeans().fit(pair.blocks(TilePlan(pair.shape, 90, halo=2)))
    assert (score_pair(detector, pair, tile_size=90) > 0.5).sum() == 0
