from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geochange.blocks import PairBlock, PixelSample, hash_pixels
from geochange.errors import UsageError
from geochange.tiles import TilePlan, Window

shapes = st.tuples(st.integers(1, 90), st.integers(1, 90))


@given(shape=shapes, size=st.integers(1, 40), halo=st.integers(0, 9))
def test_cores_partition_the_grid_and_reads_have_one_size(shape, size, halo):
    plan = TilePlan(shape, size, halo)
    count = np.zeros(shape, int)
    for tile in plan:
        count[tile.core.slices_in(Window(0, 0, *shape))] += 1
        assert tile.read.shape == (size + 2 * halo, size + 2 * halo)
        rows, cols = tile.core_in_read
        assert (rows.start, cols.start) == (halo, halo)
    assert (count == 1).all()
    assert [tile.index for tile in plan] == list(range(len(plan)))


@given(shape=shapes, size=st.integers(1, 40), halo=st.integers(0, 9), step=st.integers(1, 16))
def test_reads_begin_and_end_at_steps_and_hold_core_and_halo(shape, size, halo, step):
    plan = TilePlan(shape, size, halo, step)
    for tile in plan:
        assert tile.read.row % step == tile.read.col % step == 0
        assert tile.read.shape == (plan.read_size, plan.read_size)
        assert plan.read_size % step == 0
        seen = tile.core.pad(halo)
        assert tile.read.intersect(seen) == seen
    assert plan.read_size < size + 2 * halo + 2 * step
    if size % step == halo % step == 0:
        assert plan.read_size == size + 2 * halo


@given(shape=shapes, size=st.integers(1, 40), seed=st.integers(0, 5))
def test_a_sample_of_tiles_is_seeded_sorted_and_bounded(shape, size, seed):
    plan = TilePlan(shape, size)
    tiles = plan.sample(3 * size**2, seed)
    assert len(tiles) == min(3, len(plan))
    assert tiles == plan.sample(3 * size**2, seed)
    assert [t.index for t in tiles] == sorted({t.index for t in tiles})


def test_a_plan_refuses_what_cannot_be():
    for arguments in (((0, 5), 4), ((5, 5), 0), ((5, 5), 4, -1), ((5, 5), 4, 0, 0)):
        with pytest.raises(UsageError, match="tile plan"):
            TilePlan(*arguments)
    with pytest.raises(IndexError):
        TilePlan((5, 5), 4)[4]


def _blocks(image, size, halo):
    plan = TilePlan(image.shape, size, halo)
    outer = Window(-99, -99, image.shape[0] + 198, image.shape[1] + 198)
    padded = np.pad(image, 99)
    known = np.pad(np.ones(image.shape, bool), 99)
    for tile in plan:
        index = tile.read.slices_in(outer)
        pixels = padded[index][None]
        yield PairBlock(pixels, -pixels, known[index], tile)


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.integers(3, 30),
    limit=st.sampled_from([5, 50, 5000]),
)
@settings(max_examples=30, deadline=None)
def test_a_pixel_sample_is_the_same_for_any_tiling(shape, size, limit):
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    whole = PixelSample(limit).gather(_blocks(image, 99, 0))
    tiled = PixelSample(limit).gather(_blocks(image, size, 2))
    np.testing.assert_array_equal(whole, tiled)
    assert len(whole[0]) == min(limit, image.size)
    assert len(np.unique(whole[0])) == len(whole[0])
    np.testing.assert_array_equal(whole[0], -whole[1])


def test_pixel_hashes_are_uniform_and_seeded():
    tile = TilePlan((300, 300), 300)[0]
    values = hash_pixels(tile)
    counts = np.histogram(values, 10, (0, 1))[0]
    assert abs(counts / 9000 - 1).max() < 0.06
    assert abs(np.corrcoef(values[:-1].ravel(), values[1:].ravel())[0, 1]) < 0.02
    assert (hash_pixels(tile, 1) != values).mean() > 0.99
