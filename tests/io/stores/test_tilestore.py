from __future__ import annotations

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from geochange.errors import OutputError
from geochange.io.stores import tilestore
from geochange.io.stores.tilestore import TileStore, put
from geochange.tiles import Window

GRID = GeoBox((130, 170), Affine(2, 0, 500000, 0, -2, 5e6), "EPSG:32632")


def fill(store, pixels):
    for tile in store.plan:
        store.write(tile, pixels[tile.core.slices_in(Window(0, 0, *pixels.shape))])


@pytest.fixture
def stored(tmp_path):
    grid = GeoBox((300, 300), GRID.affine, GRID.crs)
    store = TileStore(tmp_path / "s", grid, 300, "uint16", 65535)
    fill(store, np.random.default_rng(0).integers(0, 9, (300, 300)).astype(np.uint16))
    return store


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
    read = store.read(window)
    np.testing.assert_array_equal(read, expected)
    assert read.dtype == dtype
    assert (store.read(Window(900, 900, 2, 2)) == nodata).all()
    assert not list((tmp_path / "s").rglob("*.tmp"))


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    pixels = np.random.default_rng(1).integers(0, 65535, (700, 900)).astype(np.uint16)
    grid = GeoBox(pixels.shape, GRID.affine, GRID.crs)
    store = TileStore(tmp_path_factory.mktemp("large"), grid, 600, "uint16", 65535)
    fill(store, pixels)
    padded = np.full((900, 1100), 65535, np.uint16)
    padded[100:800, 100:1000] = pixels
    return store, padded


@given(
    rows=st.tuples(st.integers(-100, 800), st.integers(-100, 800)).map(sorted),
    cols=st.tuples(st.integers(-100, 1000), st.integers(-100, 1000)).map(sorted),
)
def test_windows_may_cross_blocks_tiles_and_the_border(large, rows, cols):
    store, padded = large
    window = Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])
    expected = padded[rows[0] + 100 : rows[1] + 100, cols[0] + 100 : cols[1] + 100]
    np.testing.assert_array_equal(store.read(window), expected)


def test_a_window_costs_only_the_blocks_that_it_touches(large, monkeypatch):
    store, padded = large
    decoded = []
    decode = TileStore._decode

    def count(self, frame, core):
        decoded.append(core)
        return decode(self, frame, core)

    monkeypatch.setattr(TileStore, "_decode", count)
    np.testing.assert_array_equal(store.read(Window(250, 0, 6, 600)), padded[350:356, 100:700])
    assert decoded == [Window(0, 0, 256, 256), Window(0, 256, 256, 256), Window(0, 512, 256, 88)]


def test_missing_tiles_are_nodata(tmp_path):
    store = TileStore(tmp_path, GRID, 64, "uint16", 65535)
    tile = store.plan[4]
    store.write(tile, np.zeros(tile.core.shape, np.uint16))
    pixels = store.read(Window(0, 0, 130, 170))
    assert (pixels == 0).sum() == tile.core.size
    assert store.has(4)
    assert not store.has(0)


def test_a_tile_is_written_twice_at_once_with_one_result(tmp_path):
    store = TileStore(tmp_path, GRID, 999, "uint8", 255)
    pixels = np.random.default_rng(0).integers(0, 9, (130, 170)).astype(np.uint8)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: store.write(store.plan[0], pixels), range(40)))
    np.testing.assert_array_equal(store.read(store.plan[0].core), pixels)
    assert [path.name for path in store.path(0).parent.iterdir()] == ["00000.tile"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"not a tile",
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:9] + b"\xff" + data[10:],
        lambda data: data[:-700] + b"\0" * 700,
        lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        lambda data: bytes(len(data)),
    ],
)
def test_a_damaged_tile_is_one_clear_line(stored, damage):
    path = stored.path(0)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(OutputError, match=r"is damaged .*; delete it and run again") as caught:
        stored.read(Window(0, 0, 300, 300))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("size", "dtype"), [(299, "uint16"), (300, "uint8"), (40, "uint16")])
def test_a_tile_of_another_store_is_refused(stored, tmp_path, size, dtype):
    other = TileStore(tmp_path / "o", stored.geobox, size, dtype, 255)
    other.path(0).parent.mkdir(parents=True)
    shutil.copy(stored.path(0), other.path(0))
    with pytest.raises(OutputError, match="is damaged"):
        other.read(other.plan[0].core)


def test_a_block_that_says_it_is_huge_is_not_unpacked(tmp_path):
    store = TileStore(tmp_path, GeoBox((4, 4), GRID.affine, GRID.crs), 4, "uint8", 255)
    bomb = tilestore.zstd.compress(bytes(2**26))
    put(store.path(0), tilestore.MAGIC, len(bomb).to_bytes(4, "little"), bomb)
    with pytest.raises(OutputError, match="a block does not hold 4 x 4 px"):
        store.read(Window(0, 0, 4, 4))


def test_a_write_that_fails_leaves_nothing(tmp_path):
    path = tmp_path / "a" / "b.tile"
    put(path, b"old")
    with pytest.raises(TypeError):
        put(path, b"new", None)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]
