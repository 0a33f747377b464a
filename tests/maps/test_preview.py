from __future__ import annotations

import numpy as np
import pytest

from geochange.blocks import PairBlock
from geochange.errors import UsageError
from geochange.maps import preview as module
from geochange.maps.areas import parse_area_px
from geochange.maps.preview import Preview, PreviewGrid
from geochange.tiles import TilePlan, Window

SHAPE = (75, 101)


@pytest.fixture(autouse=True)
def small_preview(monkeypatch):
    monkeypatch.setattr(module, "MAX_PREVIEW_PX", 20)


def gather(before, valid, size):
    """Preview of bands 2 and 0 of a pair whose second date is twice the first."""
    preview = Preview(PreviewGrid(SHAPE, (2, 0)))
    padded = np.pad(before, ((0, 0), (250, 250), (250, 250)))
    known = np.pad(valid, 250)
    for tile in TilePlan(SHAPE, size, 3):
        index = tile.read.slices_in(Window(-250, -250, 0, 0))
        block = PairBlock(padded[:, *index], 2 * padded[:, *index], known[index], tile)
        preview.add(preview.grid.part(block))
    return preview


@pytest.mark.parametrize("size", [7, 16, 64, 200])
def test_cells_are_means_of_valid_pixels(size):
    rng = np.random.default_rng(0)
    before = rng.normal(size=(3, *SHAPE)).astype(np.float32)
    valid = rng.random(SHAPE) > 0.3
    valid[:12, :12] = False
    before[:, ~valid] = np.nan
    preview = gather(before, valid, size)
    assert preview.grid.factor == 6
    first, second, seen = preview.images()
    assert first.shape == (2, 13, 17)
    for row, col in ((2, 5), (12, 16), (0, 2)):
        cell = np.s_[6 * row : 6 * row + 6, 6 * col : 6 * col + 6]
        expected = before[2][cell][valid[cell]].mean(dtype=np.float64)
        assert first[0, row, col] == pytest.approx(expected, rel=1e-6)
    np.testing.assert_array_equal(second, 2 * first)
    assert not seen[:2, :2].any()
    assert seen.sum() == 13 * 17 - 4


def test_the_tiling_does_not_show_in_a_single_bit():
    rng = np.random.default_rng(1)
    before = rng.integers(0, 65535, (3, *SHAPE)).astype(np.float32)
    valid = rng.random(SHAPE) > 0.1
    whole = gather(before, valid, 200)
    for size in (7, 16, 64):
        tiled = gather(before, valid, size)
        np.testing.assert_array_equal(tiled.sums, whole.sums)
        np.testing.assert_array_equal(tiled.counts, whole.counts)


def test_areas_are_read_as_people_write_them():
    assert parse_area_px("1 km2", 10.0) == 10_000
    assert parse_area_px(7, None) == 7
    assert parse_area_px("9 m²", 3) == 1
    for area, gsd in (("-3px", 1.0), ("12 acres", 1.0), ("50m2", None), ("", 1.0)):
        with pytest.raises(UsageError):
            parse_area_px(area, gsd)
