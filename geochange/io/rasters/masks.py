"""User masks: where a date must not be trusted (clouds, shadows ...), on any grid, lazily."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from geochange.blocks import BoolArray
from geochange.errors import DataWarning, GridError
from geochange.io.grids.displacement import Displacement
from geochange.io.grids.pixelgrid import outline, pixel_to_pixel, touches, transform_points
from geochange.io.grids.sourcepixels import locate_pixels
from geochange.io.polygons import read_polygons
from geochange.io.rasters.geotiff import GridReader
from geochange.io.rasters.rasterfile import RasterFile, describe_raster, open_dataset
from geochange.tiles import Window

SCL_MASKED = (0, 1, 3, 8, 9, 10, 11)
"""Sentinel-2 scene classes that hide the ground: no data, saturated, cloud shadow, clouds, cirrus,
snow (Sen2Cor)."""
_SCL = re.compile(r"(?<![A-Za-z0-9])SCL(?![A-Za-z0-9])", re.IGNORECASE)

VECTOR_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".fgb", ".kml", ".gml", ".parquet")


class Mask(Protocol):
    """Anything that tells which pixels of a window are masked."""

    def read(self, window: Window) -> BoolArray:
        """Return bool (H, W), True where masked."""
        ...

    def displace(self, displacement: Displacement) -> Mask:
        """Return the mask of a date whose content lies elsewhere on the grid."""
        ...


@dataclass(frozen=True)
class RasterMask:
    """A raster of codes; pixels with one of ``codes`` or NaN are masked, outside it nothing is.

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
        if not valid.all() and np.dtype(self.reader.file.dtype).kind == "f":
            masked |= self._find_nan(window, ~valid)
        return masked

    def displace(self, displacement: Displacement) -> RasterMask:
        """Return the mask of a date whose content lies elsewhere on the grid."""
        return replace(self, reader=replace(self.reader, displacement=displacement))

    def _find_nan(self, window: Window, unknown: BoolArray) -> BoolArray:
        """Return which pixels without a value lie inside the mask's raster."""
        rows, cols = np.nonzero(unknown)
        centres = np.column_stack([cols + window.col + 0.5, rows + window.row + 0.5])
        own, moved = self.reader.file.geobox, self.reader.displacement
        centres = centres if moved is None else moved.locate(centres)
        there = pixel_to_pixel(self.reader.geobox, own, centres)
        found = np.zeros(window.shape, bool)
        with np.errstate(invalid="ignore"):
            found[rows, cols] = ((there > 0) & (there < own.shape[::-1])).all(axis=1)
        return found


@dataclass(frozen=True)
class VectorMask:
    """Polygons in the grid's CRS; pixels whose centre lies inside are masked.

    Attributes
    ----------
    polygons : tuple of shapely geometry
    geobox : GeoBox
    displacement : Displacement or None
        Where the content of the grid's pixels lies, when not where the pixels are.
    """

    polygons: tuple[Any, ...]
    geobox: GeoBox
    displacement: Displacement | None = None

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Spatial index of the polygons."""
        return shapely.STRtree(list(self.polygons))

    def read(self, window: Window) -> BoolArray:
        """Return bool (H, W), True where masked."""
        if self.displacement is None:
            masked: BoolArray = self.number(window) > 0
            return masked
        cols, rows = locate_pixels(window, self.geobox, self.geobox, self.displacement)
        col, row = (np.floor(v).astype(np.intp) for v in (cols, rows))
        left, top = int(col.min()), int(row.min())
        wider = Window(top, left, int(row.max()) - top + 1, int(col.max()) - left + 1)
        there: BoolArray = self.number(wider)[row - top, col - left] > 0
        return there

    def displace(self, displacement: Displacement) -> VectorMask:
        """Return the mask of a date whose content lies elsewhere on the grid."""
        return replace(self, displacement=displacement)

    def number(self, window: Window) -> NDArray[np.int32]:
        """Return which polygon each pixel lies in, int32 (H, W) from 1; 0 where in none."""
        affine = self.geobox.affine @ self.geobox.affine.translation(window.col, window.row)
        corners = [(0, 0), (window.width, 0), (window.width, window.height), (0, window.height)]
        near = np.sort(self.tree.query(shapely.Polygon([affine @ corner for corner in corners])))
        numbers = np.zeros(window.shape, np.int32)
        if near.size:
            shapes = ((self.polygons[i], int(i) + 1) for i in near)
            rasterize(shapes, out=numbers, transform=affine)
        return numbers


def is_vector(path: object) -> bool:
    """Tell by its suffix whether a path names a vector file."""
    return str(path).lower().endswith(VECTOR_SUFFIXES)


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
        Codes that mask. Default: for a file with ``SCL`` as a word of its name and only that
        layer's values Sentinel-2's cloud, shadow, snow and no-data classes; otherwise every
        non-zero value.

    Raises
    ------
    GridError
        A raster without georeferencing whose size is not the date's.

    Warns
    -----
    DataWarning
        The mask lies outside the grid.
    """
    name = Path(path).name
    if is_vector(path):
        polygons = tuple(read_polygons(path, geobox))
        _check_overlap(name, shapely.get_coordinates(polygons), geobox, geobox)
        return VectorMask(polygons, geobox), f"mask {name}: {len(polygons)} polygons"
    file = describe_raster(path)
    file = replace(file.take([0]), nodata=(None,), masked=False, alpha=None)
    file = _place(file, own)
    corners = transform_points(file.geobox.affine, *outline(file.geobox).T)
    _check_overlap(name, np.column_stack(corners), file.geobox, geobox)
    chosen, what = _choose_codes(file, codes)
    return RasterMask(GridReader(file, geobox, "nearest"), chosen), f"mask {name}: {what}"


def _check_overlap(name: str, points: NDArray[Any], own: GeoBox, geobox: GeoBox) -> None:
    pixels = np.column_stack(transform_points(~own.affine, *points.T))
    if not len(points) or not touches(pixel_to_pixel(own, geobox, pixels), geobox):
        msg = f"mask {name} lies outside the area of the pair: it masks nothing; check its CRS"
        warnings.warn(msg, DataWarning, stacklevel=4)


def _choose_codes(
    file: RasterFile, codes: Sequence[int] | None
) -> tuple[tuple[int, ...] | None, str]:
    """Return the codes that mask and how to say it."""
    if codes:
        return tuple(codes), f"codes {', '.join(map(str, codes))} mask"
    if not _SCL.search(Path(file.path).stem):
        return None, "every non-zero value masks"
    if not _is_scene_classification(file):
        return None, "SCL by its name but not by its values: every non-zero value masks"
    return SCL_MASKED, f"Sentinel-2 scene classes {', '.join(map(str, SCL_MASKED))} mask"


def _is_scene_classification(file: RasterFile) -> bool:
    """Tell by a look at the whole, at most 512 px a side, whether all values are its classes."""
    if np.dtype(file.dtype).kind not in "iu":
        return False
    height, width = (min(int(n), 512) for n in file.geobox.shape)
    with open_dataset(file.path) as dataset:
        values = dataset.read(file.indexes[0], out_shape=(height, width))
    return bool(values.min() >= 0 and values.max() <= max(SCL_MASKED))


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
