import datetime

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.exports.vectors.fields import polygon_fields
from geochange.io.stores.tilestore import TileStore
from geochange.tiles import Window

HOSTILE = "<img src=x onerror=alert(1)>\"'&]]>"


@pytest.fixture
def make_store():
    return _make_store


@pytest.fixture
def make_changes():
    return _make_changes


@pytest.fixture
def hostile():
    return HOSTILE


def _make_store(folder, geobox, pixels, nodata, tile_size=100, skip=()):
    store = TileStore(folder, geobox, tile_size, str(pixels.dtype), nodata)
    whole = Window(0, 0, *pixels.shape)
    for tile in store.plan:
        if tile.index not in skip:
            store.write(tile, pixels[tile.core.slices_in(whole)])
    return store


def _make_changes(geobox, count=12, classes=("appeared", "vanished", HOSTILE)):
    """Squares of 3 px in a row, with every field of a run."""
    west = Affine.translation(*(geobox.affine * (2, 2)))
    linear = Affine(*(v if i % 3 < 2 else 0.0 for i, v in enumerate(geobox.affine[:6])))
    rows = []
    for index in range(count):
        corners = [(5 * index + dx, dy) for dx, dy in ((0, 0), (0, 3), (3, 3), (3, 0))]
        rows.append(
            {
                "id": index + 1,
                "class": classes[index % len(classes)],
                "score_mean": 0.5 + index / 100,
                "score_max": 0.9,
                "pixels": 9,
                "area_m2": 900.0,
                "perimeter_m": 120.0,
                "date_before": datetime.date(2018, 3, 1),
                "date_after": datetime.date(2020, 6, 9),
                "delta_red": -0.25 * index,
                "geometry": shapely.Polygon([west * (linear * corner) for corner in corners]),
            }
        )
    crs = geobox.crs.to_wkt() if geobox.crs else None
    return geopandas.GeoDataFrame(rows, geometry="geometry", crs=crs)


@pytest.fixture
def grid():
    return GeoBox((150, 230), Affine(10, 0, 500000, 0, -10, 4000000), "EPSG:32633")


@pytest.fixture
def fields():
    return polygon_fields(["red", "nir"])


@pytest.fixture
def changes(grid):
    return _make_changes(grid)


@pytest.fixture
def rng():
    return np.random.default_rng(3)
