from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from odc.geo.geobox import GeoBox

from geochange.exports.rasters.pyramid import Level, encode_levels, halve
from geochange.io.stores.tilestore import TileStore

AFFINE = Affine(10, 0, 5e5, 0, -10, 4e6)


def mean_of_valid(pixels, nodata):
    """Halve by exact arithmetic, pixel by pixel."""
    out = np.empty((pixels.shape[0] // 2, pixels.shape[1] // 2), pixels.dtype)
    for row, col in np.ndindex(out.shape):
        quad = pixels[2 * row : 2 * row + 2, 2 * col : 2 * col + 2]
        valid = [int(value) for value in quad.flat if value != nodata]
        out[row, col] = (2 * sum(valid) + len(valid)) // (2 * len(valid)) if valid else nodata
    return out


def pixels_of(dtype, top):
    near = st.sampled_from([0, 1, 2, top - 2, top - 1, top])
    shape = st.tuples(st.integers(1, 3), st.integers(1, 3)).map(lambda s: (2 * s[0], 2 * s[1]))
    return arrays(dtype, shape, elements=near | st.integers(0, top))


@given(pixels_of(np.uint16, 65535))
def test_an_overview_is_the_exact_mean_of_valid_pixels(pixels):
    halved = halve(pixels, 65535, "average")
    np.testing.assert_array_equal(halved, mean_of_valid(pixels, 65535))
    assert halved.dtype == np.uint16


@given(pixels_of(np.uint8, 255), st.integers(0, 255))
def test_any_value_may_be_nodata(pixels, nodata):
    np.testing.assert_array_equal(halve(pixels, nodata, "average"), mean_of_valid(pixels, nodata))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_sum_is_rounded_as_integers_are(count):
    total = np.arange(0, count * 65534, 7)
    quads = np.full((total.size, 4), 65535, np.uint16)
    for index in range(count):
        quads[:, index] = (total + index) // count
    pixels = quads.reshape(-1, 2, 2).transpose(1, 0, 2).reshape(2, -1)
    expected = (2 * total + count) // (2 * count)
    np.testing.assert_array_equal(halve(pixels, 65535, "average")[0], expected)


def test_nearest_keeps_the_upper_left_pixel():
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    np.testing.assert_array_equal(halve(pixels, 255, "nearest"), [[0, 2, 4], [12, 14, 16]])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 1), [(1, 1)]),
        ((512, 512), [(512, 512)]),
        ((513, 511), [(513, 511), (257, 256)]),
        ((1, 2100), [(1, 2100), (1, 1050), (1, 525), (1, 263)]),
    ],
)
def test_levels_go_down_to_one_block(tmp_path, shape, expected):
    store = TileStore(tmp_path / "s", GeoBox(shape, AFFINE, None), 400, "uint8", 255)
    levels = encode_levels(store, tmp_path / "work", "nearest", map)
    assert [level.plan.shape for level, _ in levels] == expected
    assert [sizes.shape for _, sizes in levels] == [
        tuple(-(-n // 512) for n in level) for level in expected
    ]


def test_blocks_come_in_rows_and_their_files_go(tmp_path, make_store, rng):
    pixels = rng.integers(0, 9, (2500, 4200)).astype(np.uint8)
    store = make_store(tmp_path / "s", GeoBox(pixels.shape, AFFINE, None), pixels, 255, 1024)
    with ThreadPoolExecutor(3) as pool:
        levels = encode_levels(store, tmp_path / "work", "average", pool.map)
    level, sizes = levels[0]
    assert len(level.plan) == 6
    data = b"".join(level.take_blocks(sizes))
    found = []
    at = 0
    while at < len(data):
        found.append(int.from_bytes(data[at : at + 4], "little"))
        at += found[-1] + 8
    assert found == sizes.ravel().tolist()
    assert not list(level.folder.rglob("*.blocks"))
    assert list(levels[1][0].folder.rglob("*.blocks"))


def test_a_part_encoded_twice_is_the_same(tmp_path, make_store, rng):
    pixels = rng.integers(0, 9, (700, 600)).astype(np.uint16)
    store = make_store(tmp_path / "s", GeoBox(pixels.shape, AFFINE, None), pixels, 65535, 256)
    level = Level(store, tmp_path / "work" / "full")
    coarse = level.next()
    for one in (level, coarse):
        one.folder.mkdir(parents=True)
    part = level.plan[0]
    first = level.encode(part, coarse, "average")
    files = {path: path.read_bytes() for path in (tmp_path / "work").rglob("*.*")}
    np.testing.assert_array_equal(level.encode(part, coarse, "average"), first)
    assert files == {path: path.read_bytes() for path in (tmp_path / "work").rglob("*.*")}
    assert len(files) == 2
