"""Agreeing on one grid: which pixels the result of a pair has."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Geod

from geochange.errors import GridError, UsageError, suggest
from geochange.io.grids.pixelgrid import outline, pixel_to_pixel, touches, transform_points
from geochange.io.rasters.rasterfile import describe_raster
from geochange.io.rasters.scene import Scene

GRIDS = ("before", "after", "finest")
_OUTSIDE = "the AOI lies outside the area that both dates cover"
_SNAP_PX = 1e-3
"""Footprint corners this near to a pixel border lie on it."""


def gsd_m(geobox: GeoBox) -> float | None:
    """Ground sampling distance in metres at the middle of the grid; None without CRS.

    Examples
    --------
    >>> round(gsd_m(GeoBox((10, 10), Affine(10, 0, 500000, 0, -10, 5000000), "EPSG:32632")), 1)
    10.0
    """
    if geobox.crs is None:
        return None
    height, width = geobox.shape
    cols = np.array([width / 2, width / 2 + 1, width / 2])
    rows = np.array([height / 2, height / 2, height / 2 + 1])
    x, y = transform_points(geobox.affine, cols, rows)
    lon, lat = geobox.crs.transformer_to_crs("EPSG:4326", always_xy=True)(x, y)
    geod = Geod(ellps="WGS84")
    _, _, across = geod.inv(lon[0], lat[0], lon[1], lat[1])
    _, _, down = geod.inv(lon[0], lat[0], lon[2], lat[2])
    size = math.sqrt(abs(across * down))
    return size if math.isfinite(size) and size > 0 else None


def describe_grid(geobox: GeoBox) -> dict[str, Any]:
    """Return what ``run.json`` says of a grid.

    Examples
    --------
    >>> describe_grid(GeoBox((2, 3), Affine.identity(), None))["width"]
    3
    """
    height, width = (int(n) for n in geobox.shape)
    return {
        "crs": None if geobox.crs is None else str(geobox.crs),
        "affine": list(geobox.affine)[:6],
        "height": height,
        "width": width,
        "gsd_m": gsd_m(geobox),
    }


def choose_grid(before: Scene, after: Scene, grid: str | os.PathLike[str]) -> GeoBox:
    """Return the whole reference grid, before it is cut to the overlap.

    Parameters
    ----------
    before, after : Scene
    grid : str or path
        ``before``, ``after``, ``finest`` (the date with the smaller pixels on the ground), or a
        raster file whose grid to take.

    Raises
    ------
    GridError
        One date has a CRS and the other has none, or sizes differ without georeferencing.
    UsageError
        Unknown name.
    """
    _check_georeference(before, after)
    if grid == "finest":
        sizes = [gsd_m(s.geobox) or abs(s.geobox.affine.determinant) for s in (before, after)]
        return before.geobox if sizes[0] <= sizes[1] * (1 + 1e-6) else after.geobox
    if grid in ("before", "after"):
        return before.geobox if grid == "before" else after.geobox
    if not Path(grid).suffix and not Path(grid).exists():
        msg = f"unknown grid '{grid}'{suggest(str(grid), GRIDS)}, or give a raster file"
        raise UsageError(msg)
    chosen = describe_raster(grid).geobox
    if (chosen.crs is None) != (before.geobox.crs is None):
        msg = f"grid file {grid} and the pair must both have a CRS or both have none"
        raise GridError(msg)
    return chosen


def _check_georeference(before: Scene, after: Scene) -> None:
    names = {True: "has a CRS", False: "has none"}
    first, second = (s.geobox.crs is not None for s in (before, after))
    paths = before.files[0].path, after.files[0].path
    if first != second:
        msg = (
            f"{paths[0]} {names[first]} but {paths[1]} {names[second]}; assign the missing CRS "
            "(gdal_edit.py -a_srs) or remove it from both"
        )
        raise GridError(msg)
    if before.plane != after.plane:
        msg = (
            f"{paths[0]} and {paths[1]} lie in different local coordinate systems; assign both "
            "the same CRS (gdal_edit.py -a_srs)"
        )
        raise GridError(msg)
    if before.georeferenced != after.georeferenced:
        bare = paths[1] if before.georeferenced else paths[0]
        msg = (
            f"{bare} has no georeferencing but the other date has an origin and a pixel size; "
            "give it the same (gdal_edit.py -a_ullr) or a CRS to both"
        )
        raise GridError(msg)
    shapes = [tuple(s.geobox.shape) for s in (before, after)]
    if not before.georeferenced and shapes[0] != shapes[1]:
        msg = (
            f"sizes differ ({shapes[0][0]} x {shapes[0][1]} and {shapes[1][0]} x {shapes[1][1]} "
            "px) and without georeferencing nothing tells how they match; give georeferenced files"
        )
        raise GridError(msg)


def turn_to(scene: Scene, grid: GeoBox) -> Scene:
    """Shift a date by a turn of longitude where only that makes it overlap a grid.

    One date may count on beyond 180 degrees where the other starts again at -180.
    """
    if grid.crs is None or not grid.crs.geographic or scene.geobox.crs != grid.crs:
        return scene
    for degrees in (0.0, 360.0, -360.0):
        moved = _turn(scene.geobox, degrees)
        if touches(pixel_to_pixel(moved, grid, outline(moved)), grid):
            files = [replace(f, geobox=_turn(f.geobox, degrees)) for f in scene.files]
            return replace(scene, files=tuple(files)) if degrees else scene
    return scene


def _turn(geobox: GeoBox, degrees: float) -> GeoBox:
    return GeoBox(geobox.shape, Affine.translation(degrees, 0) @ geobox.affine, geobox.crs)


def crop_to_overlap(grid: GeoBox, footprints: Sequence[GeoBox]) -> GeoBox:
    """Cut a grid to the whole pixels that all footprints touch.

    Raises
    ------
    GridError
        No overlap.
    """
    height, width = (int(n) for n in grid.shape)
    low, high = np.zeros(2), np.array([width, height], float)
    for footprint in footprints:
        border = pixel_to_pixel(footprint, grid, outline(footprint))
        border = border[np.isfinite(border).all(axis=1)]
        if not len(border):
            msg = "the dates have no overlap: a footprint cannot be placed in the grid's CRS"
            raise GridError(msg)
        low = np.maximum(low, np.floor(border.min(axis=0) + _SNAP_PX))
        high = np.minimum(high, np.ceil(border.max(axis=0) - _SNAP_PX))
    return _crop(grid, low, high, "the dates have no overlap; check their CRS and extents")


def _crop(grid: GeoBox, low: NDArray[Any], high: NDArray[Any], message: str) -> GeoBox:
    col, row = (int(v) for v in low)
    stop_col, stop_row = (int(v) for v in high)
    if stop_col <= col or stop_row <= row:
        raise GridError(message)
    affine = grid.affine @ Affine.translation(col, row)
    return GeoBox((stop_row - row, stop_col - col), affine, grid.crs)


def crop_to_polygons(grid: GeoBox, polygons: Sequence[Any]) -> GeoBox:
    """Cut a grid to the bounding box of polygons given in its CRS.

    Raises
    ------
    GridError
        They lie outside.
    """
    points = shapely.get_coordinates(polygons)
    if not len(points):
        raise GridError(_explain_outside(grid))
    col, row = transform_points(~grid.affine, points[:, 0], points[:, 1])
    height, width = grid.shape
    low = np.maximum([0, 0], np.floor([col.min() + _SNAP_PX, row.min() + _SNAP_PX]))
    high = np.minimum([width, height], np.ceil([col.max() - _SNAP_PX, row.max() - _SNAP_PX]))
    return _crop(grid, low, high, _explain_outside(grid))


def _explain_outside(grid: GeoBox) -> str:
    """Say where the dates are, so that a swapped or projected box shows."""
    height, width = grid.shape
    if grid.crs is None:
        return f"{_OUTSIDE}: columns 0 to {width}, rows 0 to {height}"
    x, y = transform_points(grid.affine, *outline(grid).T)
    lon, lat = (np.asarray(v) for v in grid.crs.transformer_to_crs("EPSG:4326")(x, y))
    west, south, east, north = (f"{v:.5g}" for v in (lon.min(), lat.min(), lon.max(), lat.max()))
    return (
        f"{_OUTSIDE}: {west},{south},{east},{north} (W,S,E,N in degrees, longitude first; "
        "other coordinates need a vector file)"
    )
