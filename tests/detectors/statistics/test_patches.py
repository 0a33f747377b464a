import numpy as np
import pytest

from geochange.detectors.statistics.patches import crop, lay_out, place_centres, sample_patches
from geochange.errors import InputError
from geochange.testing import ArrayPair
from geochange.tiles import TilePlan


@pytest.fixture
def pair():
    rows, cols = np.indices((30, 25)).astype(np.float32)
    return ArrayPair((100 * rows + cols)[None], np.stack([rows, cols]))


def test_patches_surround_pixels_whatever_the_tiling(pair):
    found = []
    for size in (30, 7):
        before, after = sample_patches(pair.blocks(TilePlan(pair.shape, size, 2)), 5, 40, seed=1)
        assert (before.shape, after.shape) == ((40, 1, 5, 5), (40, 2, 5, 5))
        found.append(np.concatenate([before, after], axis=1))
    np.testing.assert_array_equal(*found)
    known = ~np.isnan(found[0]).any(axis=1)
    np.testing.assert_array_equal(
        found[0][:, 0][known], (100 * found[0][:, 1] + found[0][:, 2])[known]
    )


def test_invalid_pixels_are_nan_at_both_dates(pair):
    pair.after[:, 10:20] = np.nan
    before, after = sample_patches(pair.blocks(TilePlan(pair.shape, 30, 2)), 5, 9999, seed=0)
    assert len(before) == 20 * 25
    np.testing.assert_array_equal(np.isnan(before[:, 0]), np.isnan(after[:, 1]))


def test_nothing_valid_is_refused(pair):
    pair.after[:] = np.nan
    with pytest.raises(InputError, match="no pixel is valid"):
        sample_patches(pair.blocks(TilePlan(pair.shape, 30, 2)), 5, 10, seed=0)


def test_patches_of_many_bands_are_fewer(pair, monkeypatch):
    monkeypatch.setattr("geochange.detectors.statistics.patches.MOST_VALUES", 75 * 30)
    monkeypatch.setattr("geochange.detectors.statistics.patches.LEAST_PATCHES", 20)
    counts = [
        len(sample_patches(pair.blocks(TilePlan(pair.shape, 9, 2)), size, 500, seed=0)[0])
        for size in (3, 5)
    ]
    assert counts == [83, 30]


@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_centres_are_found_again(count):
    patches = np.random.default_rng(0).normal(size=(count, 2, 5, 5)).astype(np.float32)
    image = lay_out(patches)
    np.testing.assert_array_equal(image[1].ravel()[place_centres(count, 5)], patches[:, 1, 2, 2])
    np.testing.assert_array_equal(crop(patches, 3), patches[..., 1:4, 1:4])
