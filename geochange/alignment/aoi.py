"""Areas of interest, in the forms in which users have them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.errors import UsageError
from geochange.io.grids.pixelgrid import transform_points
from geochange.io.polygons import place_polygons, read_polygons
from geochange.io.rasters.masks import is_vector

LONLAT = "EPSG:4326"
Aoi: TypeAlias = (
    str
    | os.PathLike[str]
    | Sequence[float]
    | NDArray[Any]
    | shapely.Geometry
    | geopandas.GeoDataFrame
    | geopandas.GeoSeries
)
"""What an area of interest may be given as."""


def parse_aoi(aoi: Aoi, grid: GeoBox) -> list[Any]:
    """Return the polygons of an area of interest that reach a grid, in the grid's CRS.

    Parameters
    ----------
    aoi : path, "W,S,E,N", four numbers, shapely polygon, GeoDataFrame or GeoSeries
        A vector file or its features, or a box or polygon in WGS 84 longitude and latitude (in
        pixel columns and rows for a pair without CRS). A box with W > E crosses the antimeridian.
        It may be larger than the images.
    grid : GeoBox

    Raises
    ------
    UsageError, InputError, GridError

    Examples
    --------
    >>> from affine import Affine
    >>> grid = GeoBox((9, 9), Affine(10, 0, 500000, 0, -10, 5000000), "EPSG:32632")
    >>> [polygon.geom_type for polygon in parse_aoi("-180,-90,180,90", grid)]
    ['Polygon']
    """
    if isinstance(aoi, geopandas.GeoDataFrame | geopandas.GeoSeries):
        return place_polygons(aoi.geometry, aoi.crs, grid, "the AOI")
    if isinstance(aoi, str | os.PathLike) and is_vector(os.fspath(aoi)):
        return read_polygons(aoi, grid)
    boxes = [aoi] if isinstance(aoi, shapely.Geometry) else _boxes(aoi, grid)
    if grid.crs is not None:
        return place_polygons(boxes, LONLAT, grid, "the AOI")
    return [shapely.transform(box, lambda xy: _to_world(xy, grid)) for box in boxes]


def _boxes(aoi: Any, grid: GeoBox) -> list[Any]:
    try:
        given = str(aoi).split(",") if isinstance(aoi, str | os.PathLike) else list(aoi)
        west, south, east, north = (float(number) for number in given)
    except (TypeError, ValueError):
        west = south = east = north = float("nan")
    if west > east and grid.crs is not None:
        east += 360.0
    if not (west < east and south < north and np.isfinite([west, south, east, north]).all()):
        msg = f"AOI '{aoi}' is neither a vector file nor W,S,E,N with S < N; give one of them"
        raise UsageError(msg)
    return [shapely.box(west, south, east, north)]


def _to_world(xy: NDArray[Any], grid: GeoBox) -> NDArray[Any]:
    return np.column_stack(transform_points(grid.affine, xy[:, 0], xy[:, 1]))
