"""The bands of one raster file on any grid, lazily: read directly or warped once."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from geochange.blocks import BoolArray, FloatArray
from geochange.errors import InputError, UsageError, suggest
from geochange.io.pixelgrid import pixel_ratio
from geochange.io.rasterfile import RasterFile, one_line, open_dataset
from geochange.tiles import Window

MAX_OPEN_FILES = 64
"""Handles that one thread keeps open."""
ALIGNED_TOLERANCE_PX = 1e-3
WARP_TOLERANCE_PX = 1e-3
NO_CRS = "EPSG:3857"
"""Stands in for the one unknown CRS of a pair without CRS: never shown, only affines count."""
RESAMPLINGS = ("nearest", "bilinear", "cubic", "lanczos", "average")


class _Handles(threading.local):
    """Open datasets of one thread: GDAL handles must not be shared between threads."""

    def __init__(self) -> None:
        self.open: OrderedDict[object, tuple[rasterio.DatasetReader, ...]] = OrderedDict()

    def get(self, reader: GridReader) -> rasterio.DatasetReader:
        file = reader.file
        key = (file.path, file.stamp, file.indexes, reader.geobox, reader.resampling)
        if key not in self.open:
            while len(self.open) >= MAX_OPEN_FILES:
                self.close(next(iter(self.open)))
            self.open[key] = reader.open()
        self.open.move_to_end(key)
        return self.open[key][-1]

    def close(self, key: object) -> None:
        for dataset in reversed(self.open.pop(key)):
            dataset.close()


_HANDLES = _Handles()


@dataclass(frozen=True)
class GridReader:
    """The bands of one file on any grid: read directly where grids agree, else warped once.

    Parameters
    ----------
    file : RasterFile
    geobox : GeoBox
        Grid to read on.
    resampling : str
        One of ``nearest bilinear cubic lanczos average``. Kernels widen when the grid is coarser
        than the file, so detail does not alias.

    Notes
    -----
    Warping is GDAL's WarpedVRT with the kernel's scale fixed for the whole grid, so a window's
    pixels do not depend on the tiling.
    """

    file: RasterFile
    geobox: GeoBox
    resampling: str = "cubic"

    def __post_init__(self) -> None:
        if self.resampling not in RESAMPLINGS:
            msg = f"unknown resampling '{self.resampling}'{suggest(self.resampling, RESAMPLINGS)}"
            raise UsageError(msg)

    @property
    def bands(self) -> tuple[str, ...]:
        """Band names."""
        return self.file.bands

    @cached_property
    def shift(self) -> tuple[int, int] | None:
        """Rows and columns from this grid to the file's when both are aligned, else None."""
        if self.file.geobox.crs != self.geobox.crs:
            return None
        relative = ~self.file.geobox.affine @ self.geobox.affine
        height, width = (int(n) for n in self.geobox.shape)
        tolerance = ALIGNED_TOLERANCE_PX
        for col, row in ((0, 0), (width, 0), (0, height), (width, height)):
            x, y = relative @ (col, row)
            dx, dy = x - col, y - row
            if abs(dx - round(relative.c)) > tolerance or abs(dy - round(relative.f)) > tolerance:
                return None
        return round(relative.f), round(relative.c)

    def open(self) -> tuple[rasterio.DatasetReader, ...]:
        """Open the file, and the warped view of it where one is needed; the last one is read."""
        dataset = open_dataset(self.file.path)
        if self.shift is not None:
            return (dataset,)
        return dataset, self._warp(dataset)

    def _warp(self, dataset: rasterio.DatasetReader) -> WarpedVRT:
        crs = self.geobox.crs.to_wkt() if self.geobox.crs is not None else NO_CRS
        across, down = pixel_ratio(self.file.geobox, self.geobox)
        height, width = (int(n) for n in self.geobox.shape)
        nodata = self.file.nodata[0]
        return WarpedVRT(
            dataset,
            src_crs=self.file.geobox.crs.to_wkt() if self.file.geobox.crs is not None else NO_CRS,
            crs=crs,
            transform=self.geobox.affine,
            height=height,
            width=width,
            resampling=Resampling[self.resampling],
            src_nodata=nodata,
            src_alpha=self.file.alpha or 0,
            nodata=np.nan,
            dtype="float64" if self.file.dtype in ("float64", "int32", "uint32") else "float32",
            tolerance=WARP_TOLERANCE_PX,
            XSCALE=f"{across:.9f}",
            YSCALE=f"{down:.9f}",
        )

    def read(self, window: Window) -> tuple[FloatArray, BoolArray]:
        """Read a window; see :class:`geochange.io.reader.Reader`.

        Raises
        ------
        InputError
            The file is truncated or a block of it cannot be decoded.
        """
        try:
            if self.shift is not None:
                return self._read_aligned(window, self.shift)
            return self._read_warped(window)
        except RasterioError as error:
            msg = f"cannot read {self.file.path}: truncated or damaged? ({one_line(error)})"
            raise InputError(msg) from error

    def _read_aligned(self, window: Window, shift: tuple[int, int]) -> tuple[FloatArray, BoolArray]:
        pixels = np.zeros((len(self.bands), *window.shape), np.float32)
        valid = np.zeros(window.shape, bool)
        height, width = (int(n) for n in self.file.geobox.shape)
        grid = Window(0, 0, *(int(n) for n in self.geobox.shape))
        own = Window(-shift[0], -shift[1], height, width).intersect(grid)
        part = window.intersect(own) if own else None
        if part is None:
            return pixels, valid
        dataset = _HANDLES.get(self)
        source = RasterioWindow(part.col + shift[1], part.row + shift[0], part.width, part.height)
        raw = dataset.read(list(self.file.indexes), window=source)
        inside = part.slices_in(window)
        part_valid = self._validity(raw)
        if self.file.alpha is not None:
            part_valid &= dataset.read(self.file.alpha, window=source) > 0
        elif self.file.masked:
            part_valid &= dataset.read_masks(self.file.indexes[0], window=source) > 0
        pixels[(slice(None), *inside)] = self._scale(raw, part_valid)
        valid[inside] = part_valid
        return pixels, valid

    def _read_warped(self, window: Window) -> tuple[FloatArray, BoolArray]:
        pixels = np.zeros((len(self.bands), *window.shape), np.float32)
        valid = np.zeros(window.shape, bool)
        part = window.intersect(Window(0, 0, *(int(n) for n in self.geobox.shape)))
        if part is None:
            return pixels, valid
        source = RasterioWindow(part.col, part.row, part.width, part.height)
        raw = _HANDLES.get(self).read(list(self.file.indexes), window=source)
        part_valid = np.isfinite(raw).all(axis=0)
        inside = part.slices_in(window)
        pixels[(slice(None), *inside)] = self._scale(raw, part_valid)
        valid[inside] = part_valid
        return pixels, valid

    def _validity(self, raw: NDArray[Any]) -> BoolArray:
        valid = np.ones(raw.shape[1:], bool)
        for band, nodata in zip(raw, self.file.nodata, strict=True):
            if band.dtype.kind == "f":
                valid &= np.isfinite(band)
            if nodata is not None and not math.isnan(nodata):
                valid &= band != band.dtype.type(nodata) if _fits(nodata, band.dtype) else True
        return valid

    def _scale(self, raw: NDArray[Any], valid: BoolArray) -> FloatArray:
        pixels: FloatArray
        scales, offsets = self.file.scales, self.file.offsets
        if any(s != 1.0 for s in scales) or any(o != 0.0 for o in offsets):
            scale = np.asarray(scales, np.float64)[:, None, None]
            pixels = (raw * scale + np.asarray(offsets)[:, None, None]).astype(np.float32)
        else:
            pixels = raw.astype(np.float32)
        if not valid.all():
            pixels[:, ~valid] = 0.0
        return pixels


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= value <= limits.max
