"""Polygons given anywhere on Earth, brought to the pixels of one grid."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from geochange.errors import GridError, InputError
from geochange.io.grids.pixelgrid import mesh, transform_points
from geochange.io.vector import read_vector

MARGIN = 1 / 16
"""Polygons are kept this far beyond the grid, in its extents, before they are projected."""
SEGMENTS = 64
"""Edges are split into pieces of this part of the grid's extent, so that they bend as they must."""


def read_polygons(path: str | os.PathLike[str], geobox: GeoBox) -> list[Any]:
    """Read the polygons of a vector file that reach a grid, in the CRS of the grid.

    Raises
    ------
    InputError
        Not a vector file, or no polygon in it.
    GridError
        One of file and grid has a CRS and the other has none.
    """
    frame = read_vector(os.fspath(path))
    return place_polygons(frame.geometry, frame.crs, geobox, os.fspath(path))


def place_polygons(
    geometries: Iterable[Any], crs: Any, geobox: GeoBox, name: str, *, bend: float = 0.0
) -> list[Any]:
    """Bring polygons from their CRS to that of a grid; what lies far outside is cut off first.

    So a polygon may be as large as the Earth, also beyond where the grid's CRS is defined, and may
    be given in any turn of longitude.

    Parameters
    ----------
    geometries : iterable of shapely geometry
        Others than polygons are left out.
    crs : anything that pyproj takes, or None
    geobox : GeoBox
    name : str
        What to call them in an error.
    bend : float
        Polygons whose edges the grid's CRS bends by less than this, in its units, keep the vertices
        that they have; others get as many as they need.

    Raises
    ------
    InputError, GridError
    """
    polygons = [g for g in geometries if g is not None and g.geom_type.endswith("Polygon")]
    if not polygons:
        msg = f"{name} holds no polygon; give a layer of polygons"
        raise InputError(msg)
    if (crs is None) != (geobox.crs is None):
        state = "no CRS but the images have one" if crs is None else "a CRS but the images none"
        msg = f"{name} has {state}; give both a CRS, or neither"
        raise GridError(msg)
    if geobox.crs is None:
        return polygons
    there = CRS(crs.to_wkt() if hasattr(crs, "to_wkt") else crs)
    return _reproject(polygons, there, geobox.crs, geobox, bend)


def _reproject(polygons: list[Any], crs: CRS, own: CRS, geobox: GeoBox, bend: float) -> list[Any]:
    if crs == own and not crs.geographic:
        return polygons
    extent = _find_extent(geobox, own, crs)
    if extent is None:
        return []
    west, south, east, north = extent.bounds
    move = crs.transformer_to_crs(own) if crs != own else lambda x, y: (x, y)
    turns = (-360.0, 0.0, 360.0) if crs.geographic else (0.0,)
    found = []
    for polygon in polygons:
        whole = polygon if polygon.is_valid else shapely.make_valid(polygon)
        for turn in turns:
            part = shapely.intersection(_shift(whole, turn), extent)
            longest = max(east - west, north - south) / SEGMENTS
            found += [_bend(p, longest, move, bend) for p in _areas(part)]
    return [p for p in found if np.isfinite(shapely.get_coordinates(p)).all()]


def _bend(polygon: Any, longest: float, move: Any, bend: float) -> Any:
    """Move a polygon with edges of at most ``longest``, or as it is when that is as good."""
    fine = shapely.segmentize(polygon, longest)
    curved = shapely.transform(fine, lambda xy: _move(xy, move))
    if not bend:
        return curved
    straight = shapely.transform(polygon, lambda xy: _move(xy, move))
    apart = shapely.hausdorff_distance(straight.boundary, curved.boundary)
    return straight if apart <= bend else curved


def _find_extent(geobox: GeoBox, own: CRS, crs: CRS) -> Any:
    """Box in ``crs`` around a grid and its margin; whole latitudes when a pole may be in it."""
    pixels = mesh(geobox)
    x, y = transform_points(geobox.affine, pixels[:, 0], pixels[:, 1])
    if crs != own:
        x, y = (np.asarray(v) for v in own.transformer_to_crs(crs)(x, y))
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.any():
        return None
    x, y = x[finite], y[finite]
    middle = np.round(x[len(x) // 2])
    if crs.geographic and crs != own:
        x = middle + (x - middle + 180.0) % 360.0 - 180.0
    margin = MARGIN * max(np.ptp(x), np.ptp(y))
    low, high = [x.min() - margin, y.min() - margin], [x.max() + margin, y.max() + margin]
    if crs.geographic and high[0] - low[0] > 180.0:
        low[0], high[0] = middle - 180.0, middle + 180.0
        low[1], high[1] = (low[1], 90.0) if y.mean() > 0 else (-90.0, high[1])
    if crs.geographic:
        low[1], high[1] = max(low[1], -90.0), min(high[1], 90.0)
    return shapely.box(*low, *high)


def _shift(polygon: Any, degrees: float) -> Any:
    return shapely.transform(polygon, lambda xy: xy + np.array([degrees, 0.0]))


def _areas(geometry: Any) -> list[Any]:
    return [p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon" and not p.is_empty]


def _move(xy: NDArray[Any], move: Any) -> NDArray[Any]:
    return np.column_stack(move(xy[:, 0], xy[:, 1]))
