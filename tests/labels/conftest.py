"""A small pair with labels of two classes, in every kind of place."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from geochange.alignment.pair import open_pair
from geochange.labels.content import gather, plan_tiles
from geochange.labels.schema import parse_schema
from geochange.maps.polygons import to_world

SHAPE, TILE = (96, 128), 32
PLACES = {
    "utm": ("EPSG:32632", Affine(2, 0, 500000, 0, -2, 5000000)),
    "geographic": ("EPSG:4326", Affine(2e-5, 0, 11.5, 0, -1.4e-5, 48.1)),
    "rotated": (
        "EPSG:32632",
        Affine.translation(5e5, 5e6) @ Affine.rotation(30) @ Affine.scale(2, -2),
    ),
    "none": (None, Affine.identity()),
}
SCHEMA = parse_schema(
    {"classes": [{"name": "house"}, {"name": "road"}, {"name": "blur", "ignore": True}]}
)
STATES = [
    "labelled", "labelled", "no_change", "todo",
    "labelled", "unsure", "unusable", "todo",
    "no_change", "no_change", "approved", "todo",
]  # fmt: skip
DRAWN = [
    ("house", "accepted", shapely.box(4, 4, 14, 12)),
    ("house", "accepted", shapely.box(26, 8, 40, 20)),  # spans two tiles
    ("road", "accepted", shapely.Polygon([(2, 34), (30, 34), (30, 60), (2, 60)],
                                         [[(8, 40), (20, 40), (20, 50), (8, 50)]])),
    ("blur", "accepted", shapely.box(50, 2, 58, 10)),
    ("house", "rejected", shapely.box(70, 70, 80, 80)),
    ("house", "pending", shapely.box(42, 24, 46, 30)),
    ("house", "accepted", shapely.box(100, 4, 110, 10)),  # nobody finished this tile
    ("house", "accepted", shapely.box(40, 40, 44, 44)),  # an unsure tile
    ("road", "accepted", shapely.Point(20.3, 75.7).buffer(7.25)),
]  # fmt: skip


def write_dates(folder, place, *, dtype="uint16", bands=3, nodata=None):
    """Write before.tif and after.tif of a place."""
    rng = np.random.default_rng(0)
    crs, transform = PLACES[place]
    top = 250 if dtype == "uint8" else 4000
    for name in ("before", "after"):
        pixels = rng.integers(1, top, (bands, *SHAPE)).astype(dtype)
        if nodata is not None and name == "after":
            pixels[:, :, :3] = nodata
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", height=SHAPE[0], width=SHAPE[1],
            count=bands, dtype=dtype, crs=crs, transform=transform, nodata=nodata,
        ) as dataset:  # fmt: skip
            dataset.write(pixels)
            dataset.descriptions = ("Red", "Green", "Blue", "NIR")[:bands]
    return folder / "before.tif", folder / "after.tif"


def make_labels(pair, drawn=DRAWN, states=STATES, **more):
    """Labels of a pair: classes, verdicts and polygons in pixels."""
    classes, verdicts, pixels = zip(*drawn, strict=True)
    crs = pair.geobox.crs
    frame = geopandas.GeoDataFrame(
        {"class": classes, "verdict": verdicts} | more,
        geometry=to_world(np.array(pixels), pair.geobox),
        crs=None if crs is None else crs.to_wkt(),
    )
    tiles = plan_tiles(pair.geobox, TILE, states, "ann")
    return gather(frame, pair, schema=SCHEMA, tiles=tiles)


@pytest.fixture
def labels(tmp_path):
    """Labels in UTM."""
    return make_labels(open_pair(*write_dates(tmp_path, "utm")))
