from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.maps.polygons import polygonize, to_pixels, to_world
from geochange.tiles import Window


def test_nested_islands_and_diagonal_contacts_make_valid_features(array_source):
    rows = [
        "#######..",
        "#.....#.#",
        "#.###.#..",
        "#.#.#.#..",
        "#.###.##.",
        "#.....#.#",
        "######.#.",
    ]
    mask = np.array([[c == "#" for c in row] for row in rows]).astype(np.uint8)
    found = [geometry for _, geometry in polygonize(array_source(mask, 3))]
    assert all(geometry.is_valid for geometry in found)
    assert sum(geometry.area for geometry in found) == mask.sum()
    types = sorted(geometry.geom_type for geometry in found)
    assert types == ["MultiPolygon", "Polygon", "Polygon"]
    parts = sum(len(shapely.get_parts(geometry)) for geometry in found)
    assert parts == len(list(polygonize(array_source(mask, 3), connectivity=4)))


def test_a_hole_that_touches_its_shell_stays_a_hole(array_source):
    mask = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], np.uint8)
    [(_, geometry)] = polygonize(array_source(mask), connectivity=4)
    assert geometry.is_valid
    assert (len(geometry.interiors), geometry.area) == (1, 7)


def test_all_change_is_one_rectangle(array_source):
    [(number, geometry)] = polygonize(array_source(np.ones((70, 50), np.uint8), 16))
    assert number == 1
    assert geometry.wkt == "POLYGON ((0 0, 50 0, 50 70, 0 70, 0 0))"


@pytest.mark.parametrize("value", [0, 255])
def test_no_change_gives_nothing(array_source, value):
    assert not list(polygonize(array_source(np.full((40, 40), value, np.uint8))))


def test_world_and_pixel_coordinates_invert_each_other(array_source):
    source = array_source(np.ones((4, 5), np.uint8))
    source.affine = Affine(2, 1, 100, -1, 3, 50)
    [(_, geometry)] = polygonize(source)
    world = to_world(geometry, source.geobox)
    assert shapely.get_coordinates(world)[1].tolist() == list(source.affine * (5, 0))
    np.testing.assert_allclose(
        shapely.get_coordinates(to_pixels(world, source.geobox)),
        shapely.get_coordinates(geometry),
        atol=1e-12,
    )


class _Stripes:
    """A mask of any height, made when it is read: blobs, and one component through all rows."""

    tile_size = 128

    def __init__(self, height: int) -> None:
        blob = np.zeros((128, 512), np.uint8)
        blob[10:60:3, 20:500:4] = 1
        blob[70:128, 100:400:50] = 1
        blob[:, 511] = 1
        self.tile = blob
        self.geobox = GeoBox((height, 512), Affine.identity(), None)

    def read(self, window: Window) -> np.ndarray:
        return self.tile[: window.height, window.col : window.stop_col].copy()


def test_memory_does_not_grow_with_the_height():
    peaks = []
    for height in (128 * 10, 128 * 50):
        source = _Stripes(height)
        tracemalloc.start()
        count = sum(1 for _ in polygonize(source))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count > height // 128 * 17 * 120
    assert peaks[1] < 1.15 * peaks[0]
