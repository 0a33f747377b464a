"""Raster files through GDAL: what a file holds, and its pixels on any grid, lazily."""

from __future__ import annotations

import math
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from geochange.blocks import BoolArray, FloatArray
from geochange.errors import InputError, InputNotFoundError, UsageError, suggest
from geochange.io.bands import band_role, sentinel2_name
from geochange.tiles import Window

MAX_OPEN_FILES = 64
"""Handles that one thread keeps open."""
ALIGNED_TOLERANCE_PX = 1e-3
WARP_TOLERANCE_PX = 1e-3
NO_CRS = "EPSG:3857"
"""Stands in for the one unknown CRS of a pair without CRS: never shown, only affines count."""
RESAMPLINGS = ("nearest", "bilinear", "cubic", "lanczos", "average")


@dataclass(frozen=True, slots=True)
class RasterFile:
    """What one raster file holds, read from its metadata.

    Attributes
    ----------
    path : str
        Anything GDAL opens: a path, ``/vsi...``, a URL or a VRT.
    geobox : GeoBox
        Its own grid; ``crs`` is None when it has none.
    bands : tuple of str
        Names: description, else Sentinel-2 token of the file's name, else colour, else ``band N``.
    indexes : tuple of int
        1-based GDAL band numbers of ``bands``; an alpha band is not among them.
    scales, offsets : tuple of float
    nodata : tuple of float or None
    dtype : str
    alpha : int or None
        GDAL band number of the alpha band.
    masked : bool
        The file has a mask of its own (internal or ``.msk``).
    georeferenced : bool
        False when the affine is the identity that GDAL makes up.
    date : str or None
        ISO date from tags or the file's name.
    """

    path: str
    geobox: GeoBox
    bands: tuple[str, ...]
    indexes: tuple[int, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    nodata: tuple[float | None, ...]
    dtype: str
    alpha: int | None = None
    masked: bool = False
    georeferenced: bool = True
    date: str | None = None

    def take(self, positions: Sequence[int]) -> RasterFile:
        """Keep only the bands at ``positions`` (0-based, in that order)."""
        return replace(
            self,
            bands=tuple(self.bands[i] for i in positions),
            indexes=tuple(self.indexes[i] for i in positions),
            scales=tuple(self.scales[i] for i in positions),
            offsets=tuple(self.offsets[i] for i in positions),
            nodata=tuple(self.nodata[i] for i in positions),
        )


def open_dataset(path: str | os.PathLike[str]) -> rasterio.DatasetReader:
    """Open a raster for reading; GDAL's errors become one line that names the file.

    Raises
    ------
    InputNotFoundError, InputError
    """
    name = os.fspath(path)
    if _is_local(name) and not Path(name).exists():
        msg = f"no such file: {name}; check the path"
        raise InputNotFoundError(msg)
    try:
        return rasterio.open(name, sharing=False)
    except (RasterioError, OSError) as error:
        msg = f"{name} is not a raster that GDAL can read ({_one_line(error)})"
        raise InputError(msg) from error


def _is_local(name: str) -> bool:
    """Tell a plain path from ``/vsi...``, a URL or ``DRIVER:...``."""
    return not (name.startswith("/vsi") or re.match(r"[A-Za-z][A-Za-z0-9_+]+:", name))


def describe_raster(path: str | os.PathLike[str]) -> RasterFile:
    """Read a file's metadata.

    Raises
    ------
    InputNotFoundError, InputError
        Missing, not a raster, complex pixels, or no bands but alpha.
    """
    with open_dataset(path) as dataset:
        if not dataset.count:
            listed = ", ".join(s.split(":")[-1] for s in dataset.subdatasets[:4])
            msg = f"{path} has no bands; give one of its subdatasets ({listed or 'none listed'})"
            raise InputError(msg)
        if any(np.dtype(d).kind == "c" for d in dataset.dtypes if not d.startswith("complex_int")):
            msg = f"{path} has complex pixels; give amplitude or intensity"
            raise InputError(msg)
        alpha = _alpha_band(dataset)
        indexes = tuple(i for i in dataset.indexes if i != alpha)
        flags = dataset.mask_flag_enums[0]
        affine = dataset.transform
        return RasterFile(
            path=os.fspath(path),
            geobox=GeoBox((dataset.height, dataset.width), affine, _short_crs(dataset.crs)),
            bands=_band_names(dataset, indexes),
            indexes=indexes,
            scales=tuple(float(dataset.scales[i - 1]) for i in indexes),
            offsets=tuple(float(dataset.offsets[i - 1]) for i in indexes),
            nodata=tuple(dataset.nodatavals[i - 1] for i in indexes),
            dtype=dataset.dtypes[indexes[0] - 1],
            alpha=alpha,
            masked=MaskFlags.per_dataset in flags and alpha is None,
            georeferenced=dataset.crs is not None or affine != Affine.identity(),
            date=_acquisition_date(dataset),
        )


def _short_crs(crs: rasterio.crs.CRS | None) -> str | None:
    """``EPSG:n`` where the definition has such a code, else WKT."""
    if crs is None:
        return None
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.to_wkt()


def _alpha_band(dataset: rasterio.DatasetReader) -> int | None:
    """Return the band that is alpha: its colour says so and nothing gives it another meaning."""
    for index, colour in zip(dataset.indexes, dataset.colorinterp, strict=True):
        described = dataset.descriptions[index - 1]
        unnamed = not described or described.lower() == "alpha"
        if colour is ColorInterp.alpha and unnamed and dataset.count > 1:
            return int(index)
    return None


def _band_names(dataset: rasterio.DatasetReader, indexes: tuple[int, ...]) -> tuple[str, ...]:
    stem = Path(dataset.name).stem
    names = []
    for index in indexes:
        described = (dataset.descriptions[index - 1] or "").strip()
        token = sentinel2_name(described) or (sentinel2_name(stem) if len(indexes) == 1 else None)
        colour = dataset.colorinterp[index - 1].name
        if described and band_role(described) and not sentinel2_name(described):
            names.append(described)
        elif token:
            names.append(token)
        elif described:
            names.append(described)
        else:
            names.append(colour if colour in ("red", "green", "blue") else f"band {index}")
    return tuple(names)


def _acquisition_date(dataset: rasterio.DatasetReader) -> str | None:
    """ISO date from common tags, else from eight digits in the file's or folder's name."""
    tags = {key.upper(): value for key, value in dataset.tags().items()}
    keys = ("ACQUISITION_DATE", "ACQUISITIONDATE", "ACQUISITIONDATETIME", "DATE_ACQUIRED")
    texts = [tags[k] for k in (*keys, "SENSING_TIME", "TIFFTAG_DATETIME") if k in tags]
    path = Path(dataset.name)
    for text in [*texts, path.stem, path.parent.name]:
        found = re.search(r"(?<!\d)((?:19|20)\d\d)[-:_/]?([01]\d)[-:_/]?([0-3]\d)(?!\d)", text)
        if found and 1 <= int(found[2]) <= 12 and 1 <= int(found[3]) <= 31:
            return f"{found[1]}-{found[2]}-{found[3]}"
    return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class _Handles(threading.local):
    """Open datasets of one thread: GDAL handles must not be shared between threads."""

    def __init__(self) -> None:
        self.open: OrderedDict[object, tuple[rasterio.DatasetReader, ...]] = OrderedDict()

    def get(self, reader: GridReader) -> rasterio.DatasetReader:
        key = (reader.file.path, reader.file.indexes, reader.geobox, reader.resampling)
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
            msg = f"cannot read {self.file.path}: truncated or damaged? ({_one_line(error)})"
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


def pixel_ratio(source: GeoBox, target: GeoBox) -> tuple[float, float]:
    """Target pixels per source pixel, across and down, at the middle of the target grid.

    Below 1 the target is coarser. GDAL widens its kernels by this ratio.
    """
    height, width = target.shape
    middle = np.array([[width / 2, height / 2]])
    steps = middle + np.array([[0, 0], [1, 0], [0, 1]])
    there = pixel_to_pixel(target, source, steps)
    across = float(np.hypot(*(there[1] - there[0])))
    down = float(np.hypot(*(there[2] - there[0])))
    if not (math.isfinite(across) and math.isfinite(down) and across > 0 and down > 0):
        return 1.0, 1.0
    return 1.0 / across, 1.0 / down


def pixel_to_pixel(source: GeoBox, target: GeoBox, points: NDArray[Any]) -> NDArray[np.float64]:
    """Turn (x=col, y=row) pixel coordinates of one grid into those of another, float64 (N, 2)."""
    x, y = transform_points(source.affine, points[:, 0], points[:, 1])
    if source.crs is not None and target.crs is not None and source.crs != target.crs:
        x, y = source.crs.transformer_to_crs(target.crs)(x, y)
    return np.column_stack(transform_points(~target.affine, np.asarray(x), np.asarray(y)))


def transform_points(
    affine: Affine, x: NDArray[Any], y: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Apply an affine to arrays of coordinates."""
    return affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f
