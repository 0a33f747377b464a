from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.blocks import PairBlock
from geochange.engine.runner import ThreadRunner
from geochange.engine.scoring import choose_tile_size, score_tiles
from geochange.engine.stages import Stages
from geochange.errors import UsageError
from geochange.io.score import SCORE_LEVELS, SCORE_NODATA, encode_score
from geochange.io.tilestore import TileStore
from geochange.maps.preview import Preview
from geochange.tiles import Window


class Constant:
    """A detector whose score is the same everywhere."""

    halo = 5
    threshold = "auto"

    def fit(self, blocks):
        return self

    def score(self, before, after, valid):
        return np.where(valid, np.float32(0.73), np.float32(np.nan))


@pytest.mark.parametrize(("shape", "size"), [((130, 171), 64), ((64, 64), 64), ((1, 1), 16)])
def test_a_constant_score_gives_a_constant_raster_including_corners(tmp_path, shape, size):
    whole = Window(0, 0, *shape)

    def read(tile):
        valid = np.zeros(tile.read.shape, bool)
        inside = tile.read.intersect(whole)
        valid[inside.slices_in(tile.read)] = True
        pixels = np.ones((2, *tile.read.shape), np.float32)
        return PairBlock(pixels, pixels, valid, tile)

    grid = GeoBox(shape, Affine.identity(), None)
    store = TileStore(tmp_path / "score", grid, size, "uint16", SCORE_NODATA)
    with ThreadRunner(2) as runner:
        counts = score_tiles(Constant(), read, store, Preview(shape, (0,)), Stages(runner))
    level = int(encode_score(np.float32([0.73]))[0])
    np.testing.assert_array_equal(store.read(whole), np.full(shape, level, np.uint16))
    assert counts.shape == (SCORE_LEVELS,)
    assert counts[level] == counts.sum() == shape[0] * shape[1]


def test_tile_sizes_are_balanced_and_checked():
    assert choose_tile_size((5000, 9000), 4) == 1008
    assert choose_tile_size((5000, 9000), 13) <= 512
    assert choose_tile_size((50, 90), 4, 64) == 64
    with pytest.raises(UsageError, match="at least 16"):
        choose_tile_size((50, 90), 4, 8)
