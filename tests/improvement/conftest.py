"""A pair whose change one knows, in tiles of 64 px."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from geochange.alignment.pair import open_pair
from geochange.improvement.improve import Labelled
from geochange.tiles import TilePlan

SIDE, TILE = 256, 64
CHANGED_TILES = (1, 3, 6, 8, 10, 13, 16)
"""Numbers of the tiles that hold a changed square."""


def cut(array, window):
    return array[window.row : window.stop_row, window.col : window.stop_col]


@pytest.fixture(scope="session")
def town(tmp_path_factory):
    """The two files, and the truth."""
    import rasterio

    folder = tmp_path_factory.mktemp("town")
    rng = np.random.default_rng(5)
    before = rng.integers(900, 1000, (3, SIDE, SIDE)).astype(np.uint16)
    after = before + rng.integers(0, 30, before.shape).astype(np.uint16)
    truth = np.zeros((SIDE, SIDE), np.uint8)
    for number in CHANGED_TILES:
        row, col = divmod(number - 1, SIDE // TILE)
        place = np.s_[row * TILE + 16 : row * TILE + 44, col * TILE + 20 : col * TILE + 48]
        truth[place] = 1
        after[:, *place] += 800
    paths = []
    for name, pixels in (("before", before), ("after", after)):
        paths.append(folder / f"{name}.tif")
        with rasterio.open(
            paths[-1], "w", driver="GTiff", height=SIDE, width=SIDE, count=3, dtype="uint16",
            crs="EPSG:32632", transform=Affine(2, 0, 5e5, 0, -2, 5e6),
        ) as dataset:  # fmt: skip
            dataset.write(pixels)
            dataset.descriptions = ("Red", "Green", "Blue")
    return *paths, truth


@pytest.fixture
def labelled(town, tmp_path):
    """The pair with twelve of its sixteen tiles labelled."""
    before, after, truth = town
    plan = TilePlan((SIDE, SIDE), TILE)
    known = np.full_like(truth, 255)
    numbers = list(range(1, 13))
    for number in numbers:
        core = plan[number - 1].core
        cut(known, core)[:] = cut(truth, core)
    pair = open_pair(before, after)
    return Labelled(pair, lambda w: cut(known, w).copy(), plan, numbers, tmp_path / "held_out.json")
