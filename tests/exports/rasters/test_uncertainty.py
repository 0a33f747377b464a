import pickle

import numpy as np
import rasterio

from geochange.exports.rasters.cog import write_score
from geochange.exports.rasters.uncertainty import (
    UncertaintyStore,
    binary_entropy,
    entropy_levels,
    write_uncertainty,
)
from geochange.io.stores.score import SCORE_NODATA, decode_score
from geochange.tiles import Window


def test_entropy_of_a_coin_and_of_what_is_sure():
    p = np.array([0, 1, 0.5, 0.25, np.nan], np.float32)
    np.testing.assert_allclose(binary_entropy(p), [0, 0, 1, 0.811278, np.nan], atol=1e-6)


def test_stored_levels_are_symmetric_and_keep_nodata():
    levels = entropy_levels()
    assert levels[SCORE_NODATA] == SCORE_NODATA
    assert (levels[0], levels[32767], levels[65534]) == (0, 65534, 0)
    apart = levels[:65535].astype(int) - levels[65534::-1].astype(int)
    assert np.abs(apart).max() <= 1
    exact = binary_entropy(decode_score(np.arange(65535, dtype=np.uint16)))
    np.testing.assert_allclose(decode_score(levels[:65535]), exact, atol=1e-5)


def test_tiles_that_were_never_written_stay_without_data(grid, rng, make_store, tmp_path):
    pixels = rng.integers(0, 65536, grid.shape, dtype=np.uint16)
    score = make_store(tmp_path / "score", grid, pixels, SCORE_NODATA, skip=(1,))
    path = write_uncertainty(score, tmp_path / "uncertainty.tif", tags={"A": "b"})
    with rasterio.open(path) as dataset:
        found = dataset.read(1)
        assert dataset.tags()["A"] == "b"
    assert (found[:100, 100:200] == SCORE_NODATA).all()
    np.testing.assert_array_equal(found[100:], entropy_levels()[pixels[100:]])
    assert not (tmp_path / "score" / "pyramid").exists()
    before = write_score(score, tmp_path / "a.tif", tags={}).read_bytes()
    assert write_score(score, tmp_path / "b.tif", tags={}).read_bytes() == before


def test_the_store_is_a_description(grid, rng, make_store, tmp_path):
    pixels = rng.integers(0, 65536, grid.shape, dtype=np.uint16)
    score = make_store(tmp_path / "score", grid, pixels, SCORE_NODATA)
    store = UncertaintyStore(score.folder, grid, score.tile_size, score.dtype, score.nodata)
    copied = pickle.loads(pickle.dumps(store))
    window = Window(90, 95, 20, 30)
    np.testing.assert_array_equal(copied.read(window), entropy_levels()[score.read(window)])
