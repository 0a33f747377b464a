from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.io.tilestore import TileStore
from geochange.tiles import Window

GRID = GeoBox((130, 170), Affine(2, 0, 500000, 0, -2, 5e6), "EPSG:32632")


@pytest.mark.parametrize(("dtype", "nodata"), [("uint16", 65535), ("uint8", 255)])
@pytest.mark.parametrize("size", [1, 40, 64, 999])
def test_what_is_written_is_read_by_any_window(tmp_path, dtype, nodata, size):
    grid = GeoBox((3, 4), GRID.affine, GRID.crs) if size == 1 else GRID
    shape = tuple(int(n) for n in grid.shape)
    pixels = np.random.default_rng(0).integers(0, 250, shape).astype(dtype)
    store = pickle.loads(pickle.dumps(TileStore(tmp_path / "s", grid, size, dtype, nodata)))
    with ThreadPoolExecutor(3) as pool:
        whole = Window(0, 0, *shape)
        jobs = [pool.submit(store.write, t, pixels[t.core.slices_in(whole)]) for t in store.plan]
        assert [job.result() for job in jobs] == [None] * len(store.plan)
    window = Window(-2, -3, shape[0] + 4, shape[1] + 6)
    expected = np.full(window.shape, nodata, dtype)
    expected[2:-2, 3:-3] = pixels
    np.testing.assert_array_equal(store.read(window), expected)
    assert (store.read(Window(900, 900, 2, 2)) == nodata).all()
    with rasterio.open(store.write_vrt()) as dataset:
        np.testing.assert_array_equal(dataset.read(1), pixels)
        assert dataset.transform == grid.affine
        assert dataset.nodata == nodata
    assert not list((tmp_path / "s").rglob("*.tmp"))


def test_missing_tiles_are_nodata(tmp_path):
    store = TileStore(tmp_path, GRID, 64, "uint16", 65535)
    tile = store.plan[4]
    store.write(tile, np.zeros(tile.core.shape, np.uint16))
    pixels = store.read(Window(0, 0, 130, 170))
    assert (pixels == 0).sum() == tile.core.size
    assert store.has(4)
    assert not store.has(0)
