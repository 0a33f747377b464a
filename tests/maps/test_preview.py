from __future__ import annotations

import numpy as np
import pytest

from geochange.blocks import PairBlock
from geochange.errors import UsageError
from geochange.maps import preview as module
from geochange.maps.areas import parse_area_px
from geochange.maps.preview import Preview
from geochange.tiles import TilePlan, Window


@pytest.mark.parametrize("size", [7, 16, 64, 200])
def test_cells_are_means_of_valid_pixels_for_any_tiling(monkeypatch, size):
    monkeypatch.setattr(module, "MAX_PREVIEW_PX", 20)
    rng = np.random.default_rng(0)
    shape = (75, 101)
    before = rng.normal(size=(3, *shape)).astype(np.float32)
    valid = rng.random(shape) > 0.3
    valid[:12, :12] = False
    preview = Preview(shape, (2, 0))
    assert preview.factor == 6
    padded = np.pad(before, ((0, 0), (250, 250), (250, 250)))
    known = np.pad(valid, 250)
    for tile in TilePlan(shape, size, 3):
        index = tile.read.slices_in(Window(-250, -250, 0, 0))
        block = PairBlock(padded[:, *index], 2 * padded[:, *index], known[index], tile)
        preview.add(preview.part(block))
    first, second, seen = preview.images()
    assert first.shape == (2, 13, 17)
    cell = np.s_[12:18, 30:36]
    expected = before[2][cell][valid[cell]].mean()
    assert first[0, 2, 5] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(second, 2 * first, rtol=1e-5)
    assert not seen[:2, :2].any()
    assert seen.sum() == 13 * 17 - 4


def test_areas_are_read_as_people_write_them():
    assert parse_area_px("1 km2", 10.0) == 10_000
    assert parse_area_px(7, None) == 7
    assert parse_area_px("9 m²", 3) == 1
    for area, gsd in (("-3px", 1.0), ("12 acres", 1.0), ("50m2", None), ("", 1.0)):
        with pytest.raises(UsageError):
            parse_area_px(area, gsd)
