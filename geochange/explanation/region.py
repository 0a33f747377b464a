"""The part of a map that is to be explained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj.exceptions import CRSError

from geochange.alignment.aoi import parse_aoi
from geochange.errors import GridError, UsageError
from geochange.io.grids.pixelgrid import transform_points
from geochange.io.polygons import place_polygons
from geochange.tiles import Window

MOST_EDGE_PX = 2048
ROUNDING_PX = 1e-3
"""Coordinates this near to the border of a pixel mean that border."""


def find_window(bbox: str | Sequence[float], grid: GeoBox, crs: str | None = None) -> Window:
    """Return the pixels of a grid that a box reaches.

    Parameters
    ----------
    bbox : "W,S,E,N" or four numbers
        Longitudes and latitudes, or coordinates of ``crs``; columns and rows for a grid without
        CRS.
    grid : GeoBox
    crs : str, optional
        Such as ``"EPSG:32632"``.

    Raises
    ------
    UsageError
        Not a box, an unknown CRS, or more than 2048 px along an edge.
    GridError
        The box lies beside the grid.

    Examples
    --------
    >>> from affine import Affine
    >>> grid = GeoBox((90, 90), Affine(10, 0, 500000, 0, -10, 5000000), "EPSG:32632")
    >>> find_window("500100,4999800,500300,4999900", grid, "EPSG:32632")
    Window(row=10, col=10, height=10, width=20)
    """
    polygons = parse_aoi(bbox, grid) if crs is None else _place(bbox, grid, crs)
    corners = shapely.get_coordinates(polygons)
    window = _enclose(corners, grid) if len(corners) else None
    if window is None:
        height, width = (int(n) for n in grid.shape)
        msg = f"the box {_show(bbox)} lies beside the map of {height} x {width} px; check its order"
        raise GridError(msg + " (west, south, east, north) and its CRS (--crs)")
    if max(window.shape) > MOST_EDGE_PX:
        msg = (
            f"the box is {window.height} x {window.width} px large, at most {MOST_EDGE_PX} px along"
            " an edge are explained at a time; choose a smaller box"
        )
        raise UsageError(msg)
    return window


def _place(bbox: str | Sequence[float], grid: GeoBox, crs: str) -> list[Any]:
    try:
        given = bbox.split(",") if isinstance(bbox, str) else bbox
        west, south, east, north = (float(number) for number in given)
    except (TypeError, ValueError):
        west = south = east = north = np.nan
    if not (west < east and south < north and np.isfinite([west, south, east, north]).all()):
        msg = f"'{_show(bbox)}' is not W,S,E,N with W < E and S < N; give four numbers"
        raise UsageError(msg)
    try:
        known = CRS(crs)
    except CRSError as error:
        msg = f"unknown CRS '{crs}'; give a code such as EPSG:32632"
        raise UsageError(msg) from error
    return place_polygons([shapely.box(west, south, east, north)], known, grid, "the box")


def _enclose(corners: Any, grid: GeoBox) -> Window | None:
    cols, rows = transform_points(~grid.affine, corners[:, 0], corners[:, 1])
    top, left = (int(np.floor(v.min() + ROUNDING_PX)) for v in (rows, cols))
    bottom, right = (int(np.ceil(v.max() - ROUNDING_PX)) for v in (rows, cols))
    height, width = (int(n) for n in grid.shape)
    reached = Window(top, left, max(1, bottom - top), max(1, right - left))
    return reached.intersect(Window(0, 0, height, width))


def _show(bbox: str | Sequence[float]) -> str:
    return bbox if isinstance(bbox, str) else ",".join(f"{number}" for number in bbox)
