from __future__ import annotations

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.revision.labels import open_labels
from geochange.tiles import Window

GRID = GeoBox((4, 10), Affine(1, 0, 0, 0, -1, 4), "EPSG:32630")


@pytest.fixture
def labels(tmp_path):
    """Polygons in every other column, and a tile over all but the last column."""
    path = tmp_path / "labels.gpkg"
    polygons = [shapely.box(col, 2, col + 1, 4) for col in range(0, 10, 2)]
    geopandas.GeoDataFrame(
        {
            "class": ["change", "ignore", "road", "change", "change"],
            "class_id": [1, 2, 3, 1, 1],
            "verdict": ["accepted", "accepted", "accepted", "pending", "rejected"],
        },
        geometry=polygons,
        crs=GRID.crs,
    ).to_file(path, layer="labels")
    tile = {"state": ["labelled"], "reason": ["random"]}
    area = [shapely.box(0, 0, 9, 4)]
    geopandas.GeoDataFrame(tile, geometry=area, crs=GRID.crs).to_file(path, layer="tiles")
    return path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [1, 0, 255, 0, 1, 0, 255, 0, 0, 255]),
        ({"ignore": [3]}, [1, 0, 255, 0, 255, 0, 255, 0, 0, 255]),
        ({"changed": [3]}, [0, 0, 255, 0, 1, 0, 255, 0, 0, 255]),
    ],
)
def test_polygons_that_say_nothing_are_no_change_of_either_kind(labels, given, expected):
    codes = open_labels(labels, GRID, **given).read(Window(0, 0, 4, 10))
    np.testing.assert_array_equal(codes[0], expected)
    np.testing.assert_array_equal(codes[3], [0] * 9 + [255])
