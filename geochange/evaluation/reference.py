"""What really changed: a label raster of any grid, or polygons, read on the grid of the map."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.errors import DataWarning, GridError, InputError
from geochange.evaluation.counts import UNKNOWN
from geochange.io.grids.pixelgrid import outline, pixel_to_pixel
from geochange.io.rasters.geotiff import GridReader
from geochange.io.rasters.masks import VectorMask, is_vector
from geochange.io.rasters.rasterfile import RasterFile, describe_raster, open_dataset
from geochange.io.vector import read_vector
from geochange.tiles import Window

DEFAULT_IGNORE = 255
REACH = 1.0
"""A label is followed beyond the edge of the map by this many map heights and widths: what a crop
left out is counted, a label of a whole country is not walked through."""
SNAP_PX = 1e-3
MAX_LOOK_PX, MAX_CODES = 512, 20
"""How a label is looked at for several codes: its longer side, and what is too many to be codes."""

Codes = NDArray[np.uint8]
ObjectIds = NDArray[np.int32]


class Reference(Protocol):
    """The truth on a grid that has the pixels of the map's and may reach beyond it."""

    @property
    def geobox(self) -> GeoBox:
        """The grid that windows refer to."""
        ...

    def read(self, window: Window) -> tuple[Codes, ObjectIds | None]:
        """Return uint8 (H, W), 0 unchanged, 1 changed, 255 unknown, and the objects.

        Objects are int32 (H, W), 0 where there is none; None when the reference knows none, so
        that connected pixels are one object.
        """
        ...


@dataclass(frozen=True, slots=True)
class LabelRaster:
    """A label raster; a description that opens nothing when built.

    Attributes
    ----------
    reader : GridReader
        The nearest label of each pixel, on the map's grid grown to what it left out of the label.
    changed : tuple of float or None
        Values that mean change; None for every value but 0 and the ignored.
    ignore : tuple of float
        Values that say nothing. NaN never says anything.
    """

    reader: GridReader
    changed: tuple[float, ...] | None
    ignore: tuple[float, ...]

    @property
    def geobox(self) -> GeoBox:
        """See :class:`Reference`."""
        return self.reader.geobox

    def read(self, window: Window) -> tuple[Codes, None]:
        """See :meth:`Reference.read`."""
        pixels, valid = self.reader.read(window)
        change = pixels[0] != 0 if self.changed is None else np.isin(pixels[0], self.changed)
        known = valid & ~np.isin(pixels[0], self.ignore)
        return np.where(known, change, UNKNOWN).astype(np.uint8), None

    def holds_ignored(self, windows: Iterable[Window]) -> bool:
        """Tell whether any pixel has a value that says nothing; stops at the first."""
        for window in windows:
            pixels, valid = self.reader.read(window)
            if np.isin(pixels[0][valid], self.ignore).any():
                return True
        return False


@dataclass(frozen=True)
class ReferencePolygons:
    """Polygons of change: a pixel is changed when its centre lies in one, else unchanged.

    Attributes
    ----------
    polygons : VectorMask
        On the grid of the map; each polygon is one object.
    """

    polygons: VectorMask

    @property
    def geobox(self) -> GeoBox:
        """See :class:`Reference`."""
        return self.polygons.geobox

    def read(self, window: Window) -> tuple[Codes, ObjectIds]:
        """See :meth:`Reference.read`."""
        ids = self.polygons.number(window)
        return (ids > 0).astype(np.uint8), ids


def open_reference(
    path: str,
    geobox: GeoBox,
    changed: Iterable[float] | None = None,
    ignore: Iterable[float] | None = None,
) -> LabelRaster | ReferencePolygons:
    """Open a label raster or polygons (GeoPackage, GeoJSON, Shapefile ...) for a map's grid.

    Parameters
    ----------
    path : str
    geobox : GeoBox
        Grid of the map. A label raster of another grid is read by nearest pixel.
    changed : iterable of float, optional
        Label values that mean change; by default every value but 0 and the ignored.
    ignore : iterable of float, optional
        Label values that say nothing; by default the file's nodata value and 255. What
        ``changed`` names is never ignored.

    Raises
    ------
    InputError
        Missing or unreadable file; a label without CRS whose shape is not the map's; values given
        for polygons.
    GridError
        No overlap, or only one of map and polygons has a CRS.
    """
    if not is_vector(path):
        return open_label(path, geobox, changed, ignore)
    if changed is not None or ignore is not None:
        msg = f"{path} holds polygons: `changed` and `ignore` are values of a label raster"
        raise InputError(msg)
    return ReferencePolygons(VectorMask(polygons_on_map(path, geobox), geobox))


def open_label(
    path: str, geobox: GeoBox, changed: Iterable[float] | None, ignore: Iterable[float] | None
) -> LabelRaster:
    """Open a label raster; see :func:`open_reference`."""
    file = place_label(describe_raster(path).take([0]), geobox)
    named = None if changed is None else tuple(changed)
    nodata = file.nodata[0]
    default = (DEFAULT_IGNORE,) if nodata is None else (DEFAULT_IGNORE, nodata)
    if named is None:
        _warn_of_codes(path, default)
    silent = (value for value in (default if ignore is None else ignore))
    reader = GridReader(replace(file, nodata=(None,)), extend_grid(file, geobox), "nearest")
    return LabelRaster(reader, named, tuple(v for v in silent if v not in (named or ())))


def _warn_of_codes(path: str, silent: tuple[float, ...]) -> None:
    """Warn of a label with several codes, all of which count as change."""
    with open_dataset(path) as dataset:
        factor = max(1.0, max(dataset.shape) / MAX_LOOK_PX)
        shape = tuple(max(1, round(n / factor)) for n in dataset.shape)
        codes = np.setdiff1d(dataset.read(1, out_shape=shape), [0, *silent])
    codes = codes[np.isfinite(codes)]
    if 1 < codes.size <= MAX_CODES:
        listed = ", ".join(f"{code:g}" for code in codes)
        msg = f"{path} holds the values {listed}, which all count as change; name `changed`"
        warnings.warn(msg, DataWarning, stacklevel=5)


def place_label(file: RasterFile, geobox: GeoBox) -> RasterFile:
    """Lay a label without CRS over the map when the shapes agree, else refuse it."""
    if file.geobox.crs is not None and geobox.crs is not None:
        return file
    (rows, cols), (height, width) = file.geobox.shape, geobox.shape
    if (rows, cols) != (height, width):
        msg = (
            f"{file.path} has {rows} x {cols} px, the map {height} x {width} px: without a CRS"
            " on both they must be equal; georeference the label or crop it"
        )
        raise InputError(msg)
    return replace(file, geobox=geobox)


def extend_grid(file: RasterFile, geobox: GeoBox) -> GeoBox:
    """Grow the map's grid by whole pixels to the extent of the label, at most by ``REACH``."""
    height, width = geobox.shape
    left, top, right, bottom = bounds_px(file.geobox, geobox)
    if left >= width or right <= 0 or top >= height or bottom <= 0:
        msg = f"{file.path} does not overlap the map; check that both show the same place"
        raise GridError(msg)
    col, stop_col = extend_axis(left, right, width)
    row, stop_row = extend_axis(top, bottom, height)
    affine = geobox.affine @ Affine.translation(col, row)
    return GeoBox((stop_row - row, stop_col - col), affine, geobox.crs)


def extend_axis(low: float, high: float, size: int) -> tuple[int, int]:
    """Return the first and last+1 pixel of ``[0, size)`` grown to ``[low, high)``."""
    start = np.floor(max(low, -REACH * size) + SNAP_PX)
    stop = np.ceil(min(high, (1 + REACH) * size) - SNAP_PX)
    return min(0, int(start)), max(size, int(stop))


def bounds_px(label: GeoBox, geobox: GeoBox) -> tuple[float, float, float, float]:
    """Bounds of the label in pixels of ``geobox``: left, top, right, bottom.

    They are infinite when a point of the label's border has no place in the CRS of ``geobox``.
    """
    border = pixel_to_pixel(label, geobox, outline(label))
    if not np.isfinite(border).all():
        return -np.inf, -np.inf, np.inf, np.inf
    left, top = border.min(axis=0)
    right, bottom = border.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def polygons_on_map(path: str, geobox: GeoBox) -> tuple[Any, ...]:
    """Read the polygons that meet the map, in its CRS; warns when the file has others only."""
    frame = read_vector(path, geobox=geobox)
    polygons = frame.geometry[frame.geom_type.isin(["Polygon", "MultiPolygon"])]
    met = tuple(polygons[polygons.intersects(geobox.extent.geom)])
    if len(frame) and not met:
        msg = f"no polygon of {path} lies on the map; all of the map counts as unchanged"
        warnings.warn(msg, DataWarning, stacklevel=4)
    return met
