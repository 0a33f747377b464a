import io
import pickle

import cloudpickle
import numpy as np
import pytest
import shapely
from PIL import Image

from geochange.alignment.pair import open_pair
from geochange.exports.reports.quicklook import Quicklook, draw_thumbnails
from geochange.maps.runs import find_runs


def make_quicklook(limits, cells=(1, 1), factor=1):
    empty = np.zeros((*cells, 4), np.uint8)
    hidden = np.zeros(cells, bool)
    return Quicklook(empty, empty, hidden, factor, (limits, limits), True, (0, 1, 2))


def test_a_thumbnail_outlines_its_own_change_alone(write_raster):
    flat = np.full((3, 60, 60), 100, np.uint8)
    paths = [write_raster(f"{name}.tif", flat) for name in ("before", "after")]
    limits = [(0.0, 200.0)] * 3
    change = shapely.box(20, 20, 40, 40)
    [(before, after)] = draw_thumbnails(open_pair(*paths), make_quicklook(limits), [change])
    first, second = (
        np.asarray(Image.open(io.BytesIO(image)).convert("RGB")).astype(int)
        for image in (before, after)
    )
    assert np.ptp(first) < 12
    side = second.shape[0] / 48  # the window is 48 px wide, with the change in its middle
    red = second[..., 0] - second[..., 1] > 60
    rows, cols = np.nonzero(red)
    for found in (rows, cols):
        np.testing.assert_allclose([found.min() / side, found.max() / side], [14, 34], atol=1)
    assert not red[int(18 * side) : int(30 * side), int(18 * side) : int(30 * side)].any()


@pytest.mark.parametrize("factor", [1, 3, 64])
def test_a_cell_with_any_change_shows_it(factor):
    mask = np.random.default_rng(2).random((50, 70)) < 0.03
    mask[30, 5:66] = True
    cells = -(-50 // factor), -(-70 // factor)
    quicklook = make_quicklook([(0.0, 1.0)], cells, factor)
    for first in (0, 25):  # as a sweep does, some rows at a time
        part = np.zeros_like(mask)
        part[first : first + 25] = mask[first : first + 25]
        quicklook.mark(find_runs(part))
    padded = np.zeros((cells[0] * factor, cells[1] * factor), bool)
    padded[:50, :70] = mask
    expected = padded.reshape(cells[0], factor, cells[1], factor).any(axis=(1, 3))
    np.testing.assert_array_equal(quicklook.change, expected)


def run_elsewhere(task, tiles):
    sent = cloudpickle.dumps(task)
    assert len(sent) < 100_000, "a task carries no picture"
    return map(pickle.loads(sent), tiles)


def test_a_thumbnail_shows_what_can_be_read(write_raster):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 200, (3, 256, 256), np.uint8)
    tiling = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
    before = write_raster("before.tif", noise, interleave="pixel", **tiling)
    after = write_raster("after.tif", noise)
    content = bytearray(before.read_bytes())
    blocks = [content.index(b"\x78\x9c"), content.rindex(b"\x78\x9c")]
    for start in blocks:  # the first block of the file and the last
        content[start : start + 200] = bytes(200)
    before.write_bytes(content)
    quicklook = make_quicklook([(0.0, 200.0)] * 3, (1024, 1024))
    shapes = [shapely.box(20, 20, 24, 24), shapely.box(50, 50, 110, 110)]
    pair = open_pair(before, after)
    lost, partial = draw_thumbnails(pair, quicklook, shapes, run=run_elsewhere)
    assert lost == (b"", b"")
    picture = np.asarray(Image.open(io.BytesIO(partial[0])).convert("RGBA"))
    assert 0.5 < (picture[..., 3] > 200).mean() < 0.95
