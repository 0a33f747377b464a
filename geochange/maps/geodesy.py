"""Areas and perimeters on the ellipsoid, in any CRS."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.maps.polygons import to_world
from geochange.maps.rings import GeometryArray

MAX_EDGE_PX = 32
"""Longer edges get vertices in between: a grid line of the CRS is no geodesic."""


def measure_ground(
    geometry: GeometryArray, geobox: GeoBox
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return area in square metres and perimeter in metres on the ellipsoid of the CRS.

    Parameters
    ----------
    geometry : object (N,)
        Polygons or MultiPolygons in pixel coordinates.
    geobox : GeoBox

    Returns
    -------
    area_m2, perimeter_m : float64 (N,)
        Of geodesic polygons (Karney 2013) with a vertex at least every ``MAX_EDGE_PX`` pixels, so
        they hold in projected, geographic, rotated and south-up grids, across the antimeridian and
        around a pole. Holes count in the perimeter. NaN for a grid without CRS.

    Examples
    --------
    >>> from affine import Affine
    >>> geobox = GeoBox((5, 5), Affine(10, 0, 500000, 0, -10, 100), "EPSG:32633")
    >>> area, perimeter = measure_ground(np.array([shapely.box(0, 0, 3, 2)]), geobox)
    >>> area.round(1), perimeter.round(2)
    (array([600.5]), array([100.04]))
    """
    crs = None if geobox.crs is None else pyproj.CRS.from_wkt(geobox.crs.to_wkt())
    geod = None if crs is None else crs.get_geod()
    if crs is None or geod is None or not len(geometry):
        unknown = np.full(len(geometry), np.nan)
        return unknown, unknown.copy()
    fine = to_world(shapely.segmentize(geometry, MAX_EDGE_PX), geobox)
    _, xy, offsets = shapely.to_ragged_array(fine)
    lonlat = np.stack(_to_lonlat(crs, geod).transform(xy[:, 0], xy[:, 1]), axis=1)
    ring = _measure_rings(geod, lonlat, offsets[0])
    ring[:, 0] = -ring[:, 0]
    ring[offsets[1][:-1], 0] *= -1
    polygon = np.add.reduceat(ring, offsets[1][:-1])
    whole = polygon if len(offsets) == 2 else np.add.reduceat(polygon, offsets[2][:-1])
    return whole[:, 0], whole[:, 1]


def _to_lonlat(crs: pyproj.CRS, geod: pyproj.Geod) -> pyproj.Transformer:
    """Return the way to degrees east of Greenwich on the CRS's ellipsoid, without datum shift."""
    degrees = pyproj.CRS.from_proj4(f"+proj=longlat +a={geod.a!r} +b={geod.b!r} +no_defs +type=crs")
    return pyproj.Transformer.from_crs(crs, degrees, always_xy=True)


def _measure_rings(
    geod: pyproj.Geod, lonlat: NDArray[np.float64], offsets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the unsigned area and the perimeter of every closed ring, (rings, 2)."""
    out = np.empty((offsets.size - 1, 2))
    for index, (first, last) in enumerate(pairwise(offsets)):
        lon, lat = lonlat[first : last - 1].T
        out[index] = geod.polygon_area_perimeter(lon, lat)
    np.abs(out, out=out)
    return out
