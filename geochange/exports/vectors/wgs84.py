"""Polygons of any grid on the globe: longitude and latitude, cut at the antimeridian."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import ArrayLike, NDArray
from odc.geo.geobox import GeoBox

DECIMALS = 7
"""Digits kept of a degree: 1 cm on the ground."""
EARTH_RADIUS_M = 6_371_000.0
MAX_SAG_PX = 0.1
"""How far an edge that is straight on the grid may leave its curve on the globe."""
LONGEST_DEGREES = 90.0
POLAR_LATITUDE = 85.0
"""Nearer to a pole edges bend so much that they are split to one pixel."""

Geometries = NDArray[Any]


def to_wgs84(polygons: Geometries, geobox: GeoBox, decimals: int = DECIMALS) -> Geometries:
    """Transform polygons (N,) of a grid to longitude and latitude on WGS 84.

    Parameters
    ----------
    polygons : array of shapely Polygon or MultiPolygon
        In the CRS of ``geobox``.
    geobox : GeoBox
        Grid with a CRS.
    decimals : int
        Digits kept of a degree.

    Returns
    -------
    array of shapely Polygon or MultiPolygon
        Longitudes in [-180, 180], cut at the antimeridian, rounded and valid,
        exterior rings counterclockwise. None where the CRS has no longitude and latitude, or
        where nothing is left after rounding.

    Examples
    --------
    >>> grid = GeoBox.from_bbox((179, 0, 181, 1), "EPSG:4326", resolution=1)
    >>> cut = to_wgs84(np.array([shapely.box(179, 0, 181, 1)]), grid)[0]
    >>> sorted(part.bounds for part in cut.geoms)
    [(-180.0, 0.0, -179.0, 1.0), (179.0, 0.0, 180.0, 1.0)]
    """
    crs = pyproj.CRS(geobox.crs)
    project = partial(_project, pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True))
    pixel = float(np.sqrt(abs(geobox.affine.determinant)))
    out = shapely.transform(shapely.segmentize(polygons, _longest_edge(crs, pixel)), project)
    finite = np.isfinite(shapely.bounds(out)).all(axis=1)
    out[~finite] = None
    west, south, east, north = np.nan_to_num(shapely.bounds(out)).T
    polar = np.maximum(-south, north) > POLAR_LATITUDE
    crossing = (east - west > 180) | (np.maximum(-west, east) > 180)
    for index in np.flatnonzero(crossing | polar):
        fine = shapely.segmentize(polygons[index], pixel) if polar[index] else None
        fine = shapely.transform(fine, project) if fine is not None else out[index]
        out[index] = _cut(fine)
    return _round(out, decimals)


def _longest_edge(crs: pyproj.CRS, pixel: float) -> float:
    """Return the length in units of the CRS to which edges are split.

    The sag of a line of length L on the map is at most L^2 tan(latitude) / 8R on the globe.
    """
    if crs.is_geographic:
        return LONGEST_DEGREES
    metres = crs.axis_info[0].unit_conversion_factor or 1.0
    sag_m = MAX_SAG_PX * pixel * metres
    steepest = np.tan(np.radians(POLAR_LATITUDE))
    return max(pixel, float(np.sqrt(8 * EARTH_RADIUS_M * sag_m / steepest)) / metres)


def _project(transformer: pyproj.Transformer, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coordinates (N, 2) of the grid to (longitude, latitude) (N, 2); infinite where undefined."""
    return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))


def _cut(polygon: shapely.Geometry) -> shapely.Geometry:
    """Rebuild a polygon whose rings jump at the antimeridian, or go round a pole."""
    pieces = []
    for part in shapely.get_parts(polygon):
        holes = [_cut_ring(shapely.get_coordinates(hole)) for hole in part.interiors]
        shell = _cut_ring(shapely.get_coordinates(part.exterior))
        pieces.append(shapely.difference(shell, shapely.union_all(holes)))
    return shapely.union_all(pieces)


def _cut_ring(lonlat: NDArray[np.float64]) -> shapely.Geometry:
    """Return the area inside a closed ring (N, 2), as polygons within [-180, 180] degrees."""
    lon = np.unwrap(lonlat[:, 0], period=360.0)
    ring = np.column_stack([lon, lonlat[:, 1]])
    if abs(lon[-1] - lon[0]) > 180:
        pole = np.copysign(90.0, lonlat[:, 1].mean())
        ring = np.vstack([ring, [lon[-1], pole], [lon[0], pole], ring[:1]])
    area = shapely.make_valid(shapely.Polygon(ring))
    turns = range(int(np.floor((lon.min() + 180) / 360)), int(np.ceil((lon.max() + 180) / 360)))
    return shapely.union_all([_turn_into_world(area, turn) for turn in turns])


def _turn_into_world(area: shapely.Geometry, turn: int) -> shapely.Geometry:
    """Return the part of an area ``turn`` times round the globe, within [-180, 180] degrees."""
    world = shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90)
    parts = shapely.get_parts(shapely.get_parts(shapely.intersection(area, world)))
    polygons = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    return shapely.transform(
        shapely.union_all(polygons), lambda lonlat: lonlat - [360.0 * turn, 0.0]
    )


def _round(polygons: Geometries, decimals: int) -> Geometries:
    """Round to the decimals kept; repair what collapses; turn exteriors counterclockwise."""
    rounded = shapely.transform(polygons, partial(np.round, decimals=decimals))
    broken = ~shapely.is_valid(rounded) & ~shapely.is_missing(rounded)
    on_grid = shapely.set_precision(polygons[broken], 10.0**-decimals)
    rounded[broken] = shapely.transform(on_grid, partial(np.round, decimals=decimals))
    rounded[shapely.is_empty(rounded)] = None
    oriented: Geometries = shapely.orient_polygons(rounded)
    return oriented


@dataclass(slots=True)
class Footprint:
    """The bounding box of many polygons on the globe, gathered batch by batch."""

    west: list[float] = field(default_factory=list)
    east: list[float] = field(default_factory=list)
    lats: list[float] = field(default_factory=list)

    def add(self, polygons: Geometries) -> None:
        """Take the coordinates of polygons within [-180, 180] degrees into account."""
        west, south, east, north = shapely.bounds(shapely.get_parts(polygons)).T
        self.west = _extremes(self.west, west[west < 0], np.minimum(east, 0)[west < 0])
        self.east = _extremes(self.east, east[east > 0], np.maximum(west, 0)[east > 0])
        self.lats = _extremes(self.lats, south, north)

    @property
    def bbox(self) -> list[float] | None:
        """``[west, south, east, north]``; west > east across the antimeridian (RFC 7946, 5.2)."""
        if not self.lats:
            return None
        lons = _extremes(self.west, self.east)
        if self.west and self.east and self.west[1] + 360 - self.east[0] < lons[1] - lons[0]:
            lons = [self.east[0], self.west[1]]
        return [lons[0], self.lats[0], lons[1], self.lats[1]]


def _extremes(*values: ArrayLike) -> list[float]:
    """Return [least, greatest] of all values; empty when there are none."""
    joined = np.concatenate(values)
    return [float(joined.min()), float(joined.max())] if joined.size else []
