"""Components are joined across tiles, in bounded memory and by tasks that may run anywhere."""

from __future__ import annotations

import pickle
import tracemalloc

import cloudpickle
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.io.stores.score import MASK_NODATA
from geochange.io.stores.tilestore import TileStore
from geochange.maps.regions import apply_rule, drop_small, fill_holes, label_tile
from geochange.maps.seams import Seams, TileReport
from geochange.tiles import TilePlan, Window


def run_elsewhere(task, tiles):
    """Like ``map`` where workers die: tasks and results are pickled, every task runs twice."""
    task = pickle.loads(cloudpickle.dumps(task))
    tiles = list(tiles)
    for tile in reversed(tiles):
        task(tile)
    return (pickle.loads(pickle.dumps(task(tile))) for tile in tiles)


@pytest.fixture
def make_store(tmp_path):
    def make(pixels, size):
        grid = GeoBox(pixels.shape, Affine.identity(), None)
        store = TileStore(tmp_path / f"mask-{size}", grid, size, "uint8", MASK_NODATA)
        for tile in store.plan:
            store.write(tile, pixels[tile.core.slices_in(Window(0, 0, *pixels.shape))])
        return store

    return make


@pytest.mark.parametrize("rule", [drop_small(9, 8), fill_holes(9, 8)])
def test_tasks_may_run_twice_and_in_other_processes(make_store, rule):
    rng = np.random.default_rng(4)
    pixels = (rng.random((60, 50)) < 0.35).astype(np.uint8)
    pixels[rng.random(pixels.shape) < 0.02] = MASK_NODATA
    whole, tiled = make_store(pixels, 64), make_store(pixels, 8)
    apply_rule(rule, None, whole)
    apply_rule(rule, None, tiled, run=run_elsewhere)
    expected = whole.read(Window(0, 0, *pixels.shape))
    np.testing.assert_array_equal(tiled.read(Window(0, 0, *pixels.shape)), expected)
    assert (expected != pixels).any()


@pytest.mark.parametrize("missing", [0, 1])
def test_a_component_across_many_rows_of_tiles_is_one(make_store, missing):
    pixels = np.zeros((90, 40), np.uint8)
    pixels[:, [3, 17, 30]] = 1
    pixels[88, 3:31] = 1
    store = make_store(pixels, 8)
    apply_rule(drop_small(int(pixels.sum()) + missing, 4), None, store)
    assert store.read(Window(0, 0, 90, 40)).any() == (missing == 0)


def peak_of_seams(rows: int) -> int:
    """Peak of traced memory while a raster full of specks and long streaks is joined."""
    plan = TilePlan((rows * 32, 320), 32)
    pixels = np.random.default_rng(0).random((32, 32)) < 0.3
    pixels[:, 5] = True
    labels = label_tile(pixels, 8)
    area = np.bincount(labels.of_run, labels.runs.lengths)[: labels.open].astype(np.int64)
    marked = np.zeros(labels.open, np.bool_)
    start = labels.start[: labels.open]
    tracemalloc.start()
    seams = Seams(drop_small(1, 8).holds, 8, 320)
    for tile in plan:
        seams.add(TileReport(tile, labels.edges(), start, area, marked))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seams.decide() == {}
    return peak


def test_memory_does_not_grow_with_the_height():
    assert peak_of_seams(rows=80) < 3 * peak_of_seams(rows=8)
