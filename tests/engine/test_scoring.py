from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

import geochange as gc
from geochange.blocks import PairBlock
from geochange.engine.runner import open_runner
from geochange.engine.scoring import FIT_TILE_PX, fit_detector, score_tiles, see_needed
from geochange.engine.stages import Stages
from geochange.errors import InputError, OutputError
from geochange.io.stores.score import SCORE_LEVELS, SCORE_NODATA, encode_score
from geochange.io.stores.tilestore import TileStore
from geochange.maps.kept import Kept
from geochange.maps.preview import PreviewGrid
from geochange.tiles import Tile, Window


class Constant:
    """A detector whose score is the same everywhere."""

    halo = 5
    threshold = "auto"

    def fit(self, blocks):
        return self

    def score(self, before, after, valid):
        return np.where(valid, np.float32(0.73), np.float32(np.nan))


@dataclass
class ArrayPair:
    """A pair of ones, of which windows that touch ``damaged`` cannot be read."""

    shape: tuple[int, int]
    damaged: Window | None = None
    reads: int = 0

    def read(self, tile):
        return self.read_window(tile.read, tile)

    def read_window(self, window, tile=None):
        self.reads += 1
        if self.damaged is not None and window.intersect(self.damaged):
            msg = "cannot read ones.tif: damaged"
            raise InputError(msg)
        valid = np.zeros(window.shape, bool)
        inside = window.intersect(Window(0, 0, *self.shape))
        if inside:
            valid[inside.slices_in(window)] = True
        pixels = np.ones((2, *window.shape), np.float32)
        return PairBlock(pixels, pixels, valid, tile or Tile(0, window, window))


def make_store(folder, shape, size):
    folder.mkdir(exist_ok=True)
    grid = GeoBox(shape, Affine.identity(), None)
    return TileStore(folder / "score", grid, size, "uint16", SCORE_NODATA)


def score(pair, store, detector=None):
    with open_runner(threads=2) as runner:
        grid = PreviewGrid(pair.shape, (0,))
        return score_tiles(
            detector or Constant(), pair, Kept(store, SCORE_NODATA), grid, Stages(runner)
        )


LEVEL = int(encode_score(np.float32([0.73]))[0])


@pytest.mark.parametrize(("shape", "size"), [((130, 171), 64), ((64, 64), 64), ((1, 1), 16)])
def test_a_constant_score_gives_a_constant_raster_including_corners(tmp_path, shape, size):
    store = make_store(tmp_path, shape, size)
    scored = score(ArrayPair(shape), store)
    whole = Window(0, 0, *shape)
    np.testing.assert_array_equal(store.read(whole), np.full(shape, LEVEL, np.uint16))
    assert scored.histogram.shape == (SCORE_LEVELS,)
    assert scored.histogram[LEVEL] == scored.histogram.sum() == shape[0] * shape[1]
    assert scored.quarantine == []


def test_what_is_finished_is_not_done_again_and_gives_the_same(tmp_path):
    shape = (130, 171)
    store, pair = make_store(tmp_path, shape, 64), ArrayPair(shape)
    first = score(pair, store)
    assert pair.reads == 9
    store.path(4).unlink()
    store.path(5).with_suffix(".npz").write_bytes(b"cut short")
    second = score(pair, store)
    assert pair.reads == 11
    np.testing.assert_array_equal(first.histogram, second.histogram)
    np.testing.assert_array_equal(first.preview.sums, second.preview.sums)
    np.testing.assert_array_equal(first.preview.counts, second.preview.counts)


def test_of_a_damaged_input_only_what_cannot_be_read_is_lost(tmp_path):
    shape, damaged = (600, 700), Window(300, 250, 64, 64)
    store, pair = make_store(tmp_path, shape, 256), ArrayPair(shape, damaged)
    scored = score(pair, store)
    stored = store.read(Window(0, 0, *shape))
    assert (stored[300:364, 250:314] == SCORE_NODATA).all()
    around = stored.copy()
    around[300 - 64 : 364 + 64, 250 - 64 : 314 + 64] = LEVEL
    assert (around == LEVEL).all()
    lost = int((stored == SCORE_NODATA).sum())
    assert scored.lost_px == lost == sum(tile["lost_px"] for tile in scored.quarantine)
    assert {tile["reason"] for tile in scored.quarantine} == {"cannot read ones.tif: damaged"}
    again = score(pair, store)
    assert again.quarantine == scored.quarantine


def test_a_scene_that_is_mostly_lost_has_failed(tmp_path):
    pair = ArrayPair((600, 700), Window(0, 0, 400, 700))
    with pytest.raises(InputError, match="cannot read ones"):
        score(pair, make_store(tmp_path, pair.shape, 256))


class Broken(Constant):
    def score(self, before, after, valid):
        if valid.sum() < 69 * 69:  # corner tiles of the grid below
            msg = "no corners, please"
            raise ZeroDivisionError(msg)
        return super().score(before, after, valid)


def test_a_tile_that_cannot_be_scored_is_nodata_and_listed(tmp_path):
    pair = ArrayPair((192, 192))
    scored = score(pair, make_store(tmp_path, pair.shape, 64), Broken())
    assert scored.quarantine == []
    pair = ArrayPair((202, 192))
    store = make_store(tmp_path / "small", pair.shape, 64)
    scored = score(pair, store, Broken())
    assert [tile["tile"] for tile in scored.quarantine] == [9, 10, 11]
    assert scored.quarantine[0]["reason"] == "ZeroDivisionError: no corners, please"
    assert scored.lost_px == 10 * 192
    assert (store.read(Window(192, 0, 10, 192)) == SCORE_NODATA).all()
    assert (store.read(Window(0, 0, 192, 192)) == LEVEL).all()


def test_a_score_that_cannot_be_written_is_no_fault_of_the_tile(tmp_path):
    (tmp_path / "score").write_text("in the way")
    pair = ArrayPair((64, 64))
    with pytest.raises(OutputError, match="cannot write"):
        score(pair, make_store(tmp_path, pair.shape, 64))


@pytest.mark.parametrize(("needs", "shown"), [(None, 16), (3 * FIT_TILE_PX**2, 3), (1, 1)])
def test_a_detector_that_needs_few_pixels_is_shown_few(needs, shown):
    class Learner(Constant):
        def fit(self, blocks):
            self.seen = len(list(blocks))
            return self

    detector, pair = Learner(), ArrayPair((4 * FIT_TILE_PX, 4 * FIT_TILE_PX))
    if needs is not None:
        detector.fit_max_pixels = needs
    with open_runner(threads=1) as runner:
        assert fit_detector(detector, pair, Stages(runner)) == []
    assert detector.seen == pair.reads == shown


@pytest.mark.parametrize(
    ("roles", "seen"),
    [
        (("coastal", "blue", "green", "red", "nir", "nir08"), (1, 2, 3)),
        (("blue", "green", "red"), None),
    ],
)
def test_bands_that_are_not_looked_at_are_not_read(write_raster, roles, seen):
    pixels = np.ones((len(roles), 20, 20), np.uint16)
    pair = gc.open_pair(write_raster("b.tif", pixels), write_raster("a.tif", pixels))
    assert see_needed(gc.get_detector("context", roles=roles), pair, (2, 1)).before.seen == seen
    assert see_needed(gc.get_detector("cva"), pair, (0,)) is pair
