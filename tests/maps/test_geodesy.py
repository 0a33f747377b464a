from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.maps.geodesy import measure_ground
from geochange.maps.polygons import to_world

BLOCK = shapely.box(10, 20, 90, 60)
RING = shapely.Polygon(
    [(5, 5), (45, 5), (45, 15), (95, 15), (95, 95), (5, 95)],
    [[(20, 20), (20, 60), (70, 60), (70, 20)]],
)
PARTS = shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(10, 10, 15, 12)])
GRIDS = {
    "utm": ("EPSG:32633", Affine(10, 0, 4e5, 0, -10, 6e6)),
    "south-up": ("EPSG:32733", Affine(10, 0, 4e5, 0, 10, 6e6)),
    "rotated": ("EPSG:32633", Affine(8, 6, 4e5, 6, -8, 6e6)),
    "degrees": ("EPSG:4326", Affine(1e-3, 0, 20, 0, -1e-3, 65)),
    "mercator": ("EPSG:3857", Affine(30, 0, 2e6, 0, -30, 9e6)),
    "antimeridian": ("EPSG:32660", Affine(300, 0, 680000, 0, -300, 2e6)),
    "pole": ("EPSG:3413", Affine(10, 0, -500, 0, -10, 500)),
    "paris": ("EPSG:27572", Affine(10, 0, 6e5, 0, -10, 2.2e6)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_area_and_perimeter_agree_with_an_equal_area_map(name):
    crs, affine = GRIDS[name]
    geobox = GeoBox((100, 100), affine, crs)
    geometry = np.array([BLOCK, RING, PARTS])
    area, perimeter = measure_ground(geometry, geobox)
    local = _project_around(geobox, shapely.segmentize(geometry, 0.5))
    np.testing.assert_allclose(area, shapely.area(local), rtol=3e-5)
    np.testing.assert_allclose(perimeter, shapely.length(local), rtol=3e-5)


def _project_around(geobox: GeoBox, geometry: np.ndarray) -> np.ndarray:
    """Lambert's azimuthal equal-area projection around the middle of the grid."""
    crs = pyproj.CRS(geobox.crs.to_wkt())
    lon, lat = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform(
        *(geobox.affine * (50, 50))
    )
    if crs.to_epsg() == 27572:  # degrees of Paris in grads
        lon, lat = lon * 0.9 + 2.33722917, lat * 0.9
    geod = crs.get_geod()
    laea = f"+proj=laea +lon_0={lon} +lat_0={lat} +a={geod.a} +b={geod.b}"
    to_laea = pyproj.Transformer.from_crs(crs, laea, always_xy=True)
    return shapely.transform(
        to_world(geometry, geobox), lambda xy: np.stack(to_laea.transform(*xy.T), axis=1)
    )


def test_without_crs_nothing_is_known():
    area, perimeter = measure_ground(np.array([BLOCK]), GeoBox((100, 100), Affine.identity(), None))
    assert np.isnan(area).all()
    assert np.isnan(perimeter).all()


def test_no_polygons_no_areas():
    geobox = GeoBox((100, 100), GRIDS["utm"][1], "EPSG:32633")
    area, _ = measure_ground(np.empty(0, object), geobox)
    assert area.shape == (0,)
