"""User masks: where a date must not be trusted (clouds, shadows ...), on any grid, lazily."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from geochange.blocks import BoolArray
from geochange.errors import GridError, InputError
from geochange.io.geotiff import GridReader
from geochange.io.rasterfile import RasterFile, describe_raster
from geochange.io.vector import read_vector
from geochange.tiles import Window

SCL_MASKED = (0, 1, 3, 8, 9, 10, 11)
"""Sentinel-2 scene classes that hide the ground: no data, saturated, cloud shadow, clouds, cirrus,
snow (Sen2Cor)."""


VECTOR_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".fgb", ".kml", ".gml", ".parquet")


class Mask(Protocol):
    """Anything that tells which pixels of a window are masked."""

    def read(self, window: Window) -> BoolArray:
        """Return bool (H, W), True where masked."""
        ...


@dataclass(frozen=True)
class RasterMask:
    """A raster of codes; pixels with one of ``codes`` are masked, outside the raster nothing is.

    Attributes
    ----------
    reader : GridReader
        Nearest-neighbour view of the mask on the pair's grid.
    codes : tuple of int or None
        Codes that mask; None: every non-zero value.
    """

    reader: GridReader
    codes: tuple[int, ...] | None

    def read(self, window: Window) -> BoolArray:
        """Return bool (H, W), True where masked."""
        pixels, valid = self.reader.read(window)
        hit = pixels[0] != 0 if self.codes is None else np.isin(pixels[0], self.codes)
        masked: BoolArray = hit & valid
        return masked


@dataclass(frozen=True)
class VectorMask:
    """Polygons in the grid's CRS; pixels whose centre lies inside are masked."""

    polygons: tuple[Any, ...]
    geobox: GeoBox

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Spatial index of the polygons."""
        return shapely.STRtree(list(self.polygons))

    def read(self, window: Window) -> BoolArray:
        """Return bool (H, W), True where masked."""
        affine = self.geobox.affine @ self.geobox.affine.translation(window.col, window.row)
        corners = [(0, 0), (window.width, 0), (window.width, window.height), (0, window.height)]
        hits = self.tree.query(shapely.Polygon([affine @ c for c in corners]))
        if not len(hits):
            return np.zeros(window.shape, bool)
        shapes = [(self.polygons[i], 1) for i in hits]
        inside = rasterize(shapes, window.shape, transform=affine, dtype="uint8")
        return np.asarray(inside, bool)


def is_vector(path: object) -> bool:
    """Tell by its suffix whether a path names a vector file."""
    return str(path).lower().endswith(VECTOR_SUFFIXES)


def read_polygons(path: str | os.PathLike[str], geobox: GeoBox) -> tuple[Any, ...]:
    """Read the polygons of a vector file in the CRS of a grid.

    Raises
    ------
    InputError
        Not a vector file, or no polygon in it.
    """
    geometry = read_vector(Path(path), geobox=geobox).geometry
    polygons = tuple(geometry[geometry.geom_type.isin(["Polygon", "MultiPolygon"])])
    if not polygons:
        msg = f"{path} holds no polygon; give a layer of polygons"
        raise InputError(msg)
    return polygons


def open_mask(
    path: str | os.PathLike[str],
    geobox: GeoBox,
    own: GeoBox,
    codes: Sequence[int] | None = None,
) -> tuple[Mask, str]:
    """Open a mask on a grid; returns it and a note of what masks.

    Parameters
    ----------
    path : path
        A raster of codes or a vector file with polygons.
    geobox : GeoBox
        The pair's grid.
    own : GeoBox
        The grid of the date that the mask belongs to: where a mask without georeferencing lies
        when its size is equal.
    codes : sequence of int, optional
        Codes that mask. Default: for a file with ``SCL`` in its name Sentinel-2's cloud, shadow,
        snow and no-data classes; otherwise every non-zero value.

    Raises
    ------
    GridError
        A raster without georeferencing whose size is not the date's.
    """
    name = Path(path).name
    if is_vector(path):
        polygons = read_polygons(path, geobox)
        return VectorMask(polygons, geobox), f"mask {name}: {len(polygons)} polygons"
    file = describe_raster(path)
    file = replace(file.take([0]), nodata=(None,), masked=False, alpha=None)
    file = _place(file, own)
    chosen = tuple(codes) if codes else (SCL_MASKED if "SCL" in name.upper() else None)
    what = "non-zero values" if chosen is None else f"codes {', '.join(map(str, chosen))}"
    return RasterMask(GridReader(file, geobox, "nearest"), chosen), f"mask {name}: {what}"


def _place(file: RasterFile, own: GeoBox) -> RasterFile:
    """Give a mask without georeferencing the date's place when sizes agree, else refuse."""
    if file.geobox.crs is not None and own.crs is not None:
        return file
    if tuple(file.geobox.shape) == tuple(own.shape):
        return replace(file, geobox=own)
    if file.geobox.crs is None and own.crs is None and file.georeferenced:
        return file
    rows, cols = file.geobox.shape
    height, width = own.shape
    msg = (
        f"mask {file.path} is {rows} x {cols} px without georeferencing, its date is "
        f"{height} x {width} px; give a georeferenced mask or one of equal size"
    )
    raise GridError(msg)
