"""The bands of one raster file on any grid, lazily: read directly or warped once."""

from __future__ import annotations

from contextlib import AbstractContextManager
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
from geochange.io.grids.displacement import Displacement
from geochange.io.grids.pixelgrid import pixel_ratio
from geochange.io.grids.resampling import KERNELS, resample
from geochange.io.grids.sourcepixels import locate_pixels, window_around
from geochange.io.grids.splinefield import SplineField
from geochange.io.rasters.handles import Datasets, borrow
from geochange.io.rasters.nodata import clamp_nodata, find_valid, is_huge
from geochange.io.rasters.rasterfile import RasterFile, one_line, open_dataset
from geochange.tiles import Window

TILE_PX = 1024
"""Rasters that are no wider than this have no tiles side by side."""
ALIGNED_TOLERANCE_PX = 1e-3
WARP_TOLERANCE_PX = 1e-9
"""GDAL interpolates coordinates along a window's rows up to this error; a visible one would make
pixels depend on the tiling. GDAL does not take 0."""
NO_CRS = "EPSG:3857"
"""Stands in for the one unknown CRS of a pair without CRS: never shown, only affines count."""
RESAMPLINGS = ("auto", *KERNELS)
ALIKE = 1.2
"""Pixels are of one size up to this ratio."""


@dataclass(frozen=True)
class GridReader:
    """The bands of one file on any grid: read directly where grids agree, else warped once.

    Parameters
    ----------
    file : RasterFile
    geobox : GeoBox
        Grid to read on.
    resampling : str
        One of ``auto nearest bilinear cubic lanczos average``. Kernels widen when the grid is
        coarser than the file, so detail does not alias. ``auto`` is ``lanczos`` where pixels are
        displaced by parts of their size, which blurs them least, else ``cubic``, which leaves no
        ripples beside the edges of larger pixels.
    displacement : Displacement or None
        Where the content of the grid's pixels lies; read there, in the same one resampling.

    Notes
    -----
    Warping is GDAL's WarpedVRT with the kernel's scale fixed for the whole grid and exact
    coordinates, so a window's pixels do not depend on the tiling. An affine displacement is another
    grid for it; GDAL has no smooth field, so with one pixels are taken by
    :func:`geochange.io.grids.resampling.resample`.
    """

    file: RasterFile
    geobox: GeoBox
    resampling: str = "auto"
    displacement: Displacement | None = None

    def __post_init__(self) -> None:
        if self.resampling not in RESAMPLINGS:
            msg = f"unknown resampling '{self.resampling}'{suggest(self.resampling, RESAMPLINGS)}"
            raise UsageError(msg)

    @property
    def bands(self) -> tuple[str, ...]:
        """Band names."""
        return self.file.bands

    @cached_property
    def place(self) -> GeoBox:
        """The grid where its content lies in the file, as far as an affine tells."""
        if self.displacement is None or self.field is not None:
            return self.geobox
        moved = self.geobox.affine @ self.displacement.affine
        return GeoBox(self.geobox.shape, moved, self.geobox.crs)

    @cached_property
    def kernel(self) -> str:
        """What ``resampling`` comes to."""
        if self.resampling != "auto":
            return self.resampling
        if self.displacement is None:
            return "cubic"
        ratios = pixel_ratio(self.file.geobox, self.geobox)
        return "lanczos" if all(1 / ALIKE < ratio < ALIKE for ratio in ratios) else "cubic"

    @property
    def field(self) -> SplineField | None:
        """The part of the displacement that no affine tells."""
        return None if self.displacement is None else self.displacement.field

    @cached_property
    def shift(self) -> tuple[int, int] | None:
        """Rows and columns from this grid to the file's when both are aligned, else None."""
        if self.file.geobox.crs != self.geobox.crs or self.field is not None:
            return None
        relative = ~self.file.geobox.affine @ self.place.affine
        height, width = (int(n) for n in self.geobox.shape)
        tolerance = ALIGNED_TOLERANCE_PX
        for col, row in ((0, 0), (width, 0), (0, height), (width, height)):
            x, y = relative @ (col, row)
            dx, dy = x - col, y - row
            if abs(dx - round(relative.c)) > tolerance or abs(dy - round(relative.f)) > tolerance:
                return None
        return round(relative.f), round(relative.c)

    @property
    def dtype(self) -> str:
        """``float32`` where that holds the file's pixels exactly, else ``float64``."""
        return np.result_type(self.file.dtype, np.float32).name

    @cached_property
    def nodata_groups(self) -> dict[float | None, list[int]]:
        """Positions of the bands that share a nodata value: GDAL warps with one value at a time."""
        groups: dict[float | None, list[int]] = {}
        for position, nodata in enumerate(self.file.nodata):
            groups.setdefault(clamp_nodata(nodata, self.file.dtype), []).append(position)
        return groups

    @property
    def in_strips(self) -> bool:
        """Blocks span the file, so that tiles side by side lie in the same ones."""
        width = int(self.file.geobox.shape[1])
        return self.file.block_shape[1] >= width > TILE_PX

    def borrow(self, window: Window) -> AbstractContextManager[Datasets]:
        """Lend what :meth:`open` returns, see :func:`geochange.io.rasters.handles.borrow`."""
        file = self.file
        source = (file.path, file.stamp, file.geobox, file.alpha, tuple(self.nodata_groups))
        key = (*source, self.place, self.kernel)
        return borrow(key, self.open, (window.row, window.col), in_turn=self.in_strips)

    def open(self) -> Datasets:
        """Open the file, and where one is needed a warped view of it for each nodata value."""
        dataset = open_dataset(self.file.path)
        if self.shift is not None:
            return (dataset,)
        return dataset, *(self._warp(dataset, nodata) for nodata in self.nodata_groups)

    def _warp(self, dataset: rasterio.DatasetReader, nodata: float | None) -> WarpedVRT:
        crs = self.geobox.crs.to_wkt() if self.geobox.crs is not None else NO_CRS
        across, down = pixel_ratio(self.file.geobox, self.place)
        height, width = (int(n) for n in self.geobox.shape)
        floating = np.dtype(self.file.dtype).kind == "f"
        moved = self.file.geobox.affine != dataset.transform
        return WarpedVRT(
            dataset,
            src_crs=self.file.geobox.crs.to_wkt() if self.file.geobox.crs is not None else NO_CRS,
            src_transform=self.file.geobox.affine if moved else None,
            crs=crs,
            transform=self.place.affine,
            height=height,
            width=width,
            resampling=Resampling[self.kernel],
            src_nodata=np.nan if nodata is None and floating else nodata,
            src_alpha=self.file.alpha or 0,
            nodata=np.nan,
            dtype=self.dtype,
            tolerance=WARP_TOLERANCE_PX,
            UNIFIED_SRC_NODATA="PARTIAL" if len(self.nodata_groups) == 1 else "NO",
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
        if self.field is not None:
            return self._read_along_field(window)
        try:
            if self.shift is not None:
                return self._read_aligned(window, self.shift)
            return self._read_warped(window)
        except RasterioError as error:
            reason = one_line(error.__cause__ or error)
            msg = f"cannot read {self.file.path}: truncated or damaged? ({reason})"
            raise InputError(msg) from error

    def _read_aligned(self, window: Window, shift: tuple[int, int]) -> tuple[FloatArray, BoolArray]:
        height, width = (int(n) for n in self.file.geobox.shape)
        grid = Window(0, 0, *(int(n) for n in self.geobox.shape))
        own = Window(-shift[0], -shift[1], height, width).intersect(grid)
        part = window.intersect(own) if own else None
        if part is None:
            return self._see_nothing(window)
        source = RasterioWindow(part.col + shift[1], part.row + shift[0], part.width, part.height)
        with self.borrow(window) as (dataset, *_):
            raw = dataset.read(list(self.file.indexes), window=source, out_dtype=self.dtype)
            valid = find_valid(raw, self.file.nodata, self.file.dtype)
            if self.file.alpha is not None:
                valid &= dataset.read(self.file.alpha, window=source) > 0
            elif self.file.masked:
                valid &= dataset.read_masks(self.file.indexes[0], window=source) > 0
        return _embed(self._scale(raw, valid), valid, part, window)

    def _read_warped(self, window: Window) -> tuple[FloatArray, BoolArray]:
        part = window.intersect(Window(0, 0, *(int(n) for n in self.geobox.shape)))
        if part is None:
            return self._see_nothing(window)
        source = RasterioWindow(part.col, part.row, part.width, part.height)
        raw: list[Any] = [None] * len(self.bands)
        with self.borrow(window) as (_, *views):
            for view, positions in zip(views, self.nodata_groups.values(), strict=True):
                bands = view.read([self.file.indexes[i] for i in positions], window=source)
                for position, band in zip(positions, bands, strict=True):
                    raw[position] = band
        warped = np.stack(raw)
        huge = [n if is_huge(n) else None for n in self.file.nodata]
        valid = find_valid(warped, huge, self.dtype)
        return _embed(self._scale(warped, valid), valid, part, window)

    def _read_along_field(self, window: Window) -> tuple[FloatArray, BoolArray]:
        part = window.intersect(Window(0, 0, *(int(n) for n in self.geobox.shape)))
        if part is None or self.displacement is None:
            return self._see_nothing(window)
        own = GridReader(self.file, self.file.geobox)
        across, down = pixel_ratio(self.file.geobox, self.geobox)
        stretch = 1 / across, 1 / down
        cols, rows = locate_pixels(part, self.geobox, own.geobox, self.displacement)
        source = window_around(cols, rows, own.geobox, self.kernel, stretch)
        if source is None:
            return self._see_nothing(window)
        pixels, valid = own.read(source)
        cols -= source.col
        rows -= source.row
        found, known = resample(pixels, valid, cols, rows, self.kernel, stretch)
        return _embed(found, known, part, window)

    def _see_nothing(self, window: Window) -> tuple[FloatArray, BoolArray]:
        pixels = np.zeros((len(self.bands), *window.shape), np.float32)
        return pixels, np.zeros(window.shape, bool)

    def _scale(self, raw: NDArray[Any], valid: BoolArray) -> FloatArray:
        """Apply scale and offset in place; marks in ``valid`` what float32 cannot hold."""
        scales, offsets = np.array([self.file.scales, self.file.offsets], raw.dtype)[
            ..., None, None
        ]
        scaled = bool((scales != 1).any() or (offsets != 0).any())
        with np.errstate(over="ignore", invalid="ignore"):
            if scaled:
                raw *= scales
                raw += offsets
            pixels: FloatArray = raw.astype(np.float32, copy=False)
        if scaled or raw.dtype != pixels.dtype:
            for band in pixels:
                valid &= np.isfinite(band)
        if not valid.all():
            np.copyto(pixels, 0, where=~valid)
        return pixels


def _embed(
    pixels: FloatArray, valid: BoolArray, part: Window, window: Window
) -> tuple[FloatArray, BoolArray]:
    """Return the pixels of ``part`` inside an array of ``window``; around them all is invalid."""
    if part == window:
        return pixels, valid
    inside = zip(part.slices_in(window), window.shape, strict=True)
    margins = [(index.start, size - index.stop) for index, size in inside]
    return np.pad(pixels, [(0, 0), *margins]), np.pad(valid, margins)
