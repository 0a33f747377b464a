"""Superpixels keep to the edges of either date and leave no gap."""

import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from geochange.annotation.superpixels import MOST_PX, block_around, cut, cut_tile
from geochange.tiles import Window

from .conftest import SQUARES


def test_they_cover_the_tile_and_keep_to_what_changed(project):
    tile = Window(0, 0, 128, 128)
    stretch = project.facts["stretch"]
    parts = [shape(g) for g in cut_tile(project.pair, stretch, tile, (5, 5), 12)]
    assert all(part.is_valid for part in parts)
    assert sum(part.area for part in parts) == 128 * 128
    row, col, size = SQUARES[0]
    square = shapely.box(col, row, col + size, row + size)
    inside = [part for part in parts if part.intersection(square).area > part.area / 2]
    found = shapely.union_all(inside)
    assert found.intersection(square).area / found.union(square).area > 0.8


def test_a_larger_size_makes_fewer():
    image = np.random.default_rng(0).random((2, 96, 96), np.float32)
    valid = np.ones((96, 96), bool)
    assert cut(image, valid, 8).max() > 2 * cut(image, valid, 24).max()


def test_nothing_is_cut_where_nothing_is_known():
    valid = np.zeros((32, 32), bool)
    assert not cut(np.zeros((2, 32, 32), np.float32), valid, 8).any()
    valid[:, :16] = True
    found = cut(np.zeros((2, 32, 32), np.float32), valid, 8)
    assert found[:, :16].all()
    assert not found[:, 16:].any()


@pytest.mark.parametrize("point", [(-5, -5), (0, 0), (1999, 1999), (5000, 5000)])
def test_large_tiles_are_cut_around_the_pointer(point):
    tile = Window(100, 200, 1800, 1800)
    block = block_around(tile, point)
    assert max(block.height, block.width) <= MOST_PX
    assert tile.intersect(block) == block
