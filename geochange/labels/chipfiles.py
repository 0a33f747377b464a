"""The files of chips: both dates and the label, as GeoTIFF or PNG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image

from geochange.alignment.pair import Pair
from geochange.blocks import BoolArray, FloatArray
from geochange.errors import UsageError, suggest
from geochange.evaluation.counts import UNKNOWN
from geochange.io.rasters.scene import DateReader
from geochange.tiles import Window
from geochange.training.scenes.scene import Sample
from geochange.viz.pictures import choose_display_bands

FORMATS = ("tif", "png")
FOLDERS = ("A", "B", "label")
BLOCK_PX = 256


@dataclass(frozen=True)
class ChipWriter:
    """Writes chips of a pair below a folder, in the layout of LEVIR-CD.

    Attributes
    ----------
    folder : Path
        With the folders ``A``, ``B`` and ``label`` in it.
    pair : Pair
    suffix : {'tif', 'png'}
    """

    folder: Path
    pair: Pair
    suffix: str = "tif"

    def write(self, name: str, sample: Sample, window: Window | None) -> list[str]:
        """Write one chip; without a window it has no place. Returns names from the folder on."""
        files = [f"{part}/{name}.{self.suffix}" for part in FOLDERS]
        dates = (self.pair.before, sample.before), (self.pair.after, sample.after)
        for number, (file, (date, pixels)) in enumerate(zip(files, dates, strict=False)):
            if self.suffix == "png":
                shown = list(choose_display_bands(date.roles)) if len(pixels) > 1 else [0]
                self._draw(file, store_pixels(pixels[shown], sample.valid, np.dtype("uint8"), 0))
            else:
                dtype, nodata = stored_as(date)
                if nodata is None and not sample.valid.all():
                    nodata = 0
                stored = store_pixels(pixels, sample.valid, dtype, nodata)
                taken = self.pair.dates[number]
                self._write(file, stored, nodata, date.bands, window, taken)
        if self.suffix == "png":
            Image.fromarray(sample.label).save(self.folder / files[2], transparency=UNKNOWN)
        else:
            self._write(files[2], sample.label[None], UNKNOWN, ("class",), window, None)
        return files

    def _draw(self, file: str, pixels: NDArray[Any]) -> None:
        shown = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)
        Image.fromarray(np.ascontiguousarray(shown)).save(self.folder / file)

    def _write(
        self, file: str, pixels: NDArray[Any], nodata: float | None, bands: tuple[str, ...],
        window: Window | None, date: str | None,
    ) -> None:  # fmt: skip
        count, height, width = pixels.shape
        grid = self.pair.geobox
        large = min(height, width) > BLOCK_PX
        place: dict[str, Any] = {}
        if window is not None:
            place["transform"] = grid.affine @ grid.affine.translation(window.col, window.row)
            place["crs"] = None if grid.crs is None else grid.crs.to_wkt()
        if large:
            place |= {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX}
        with rasterio.open(
            self.folder / file, "w", driver="GTiff", height=height, width=width, count=count,
            dtype=pixels.dtype, nodata=nodata, compress="deflate", **place,
        ) as dataset:  # fmt: skip
            dataset.write(pixels)
            dataset.descriptions = bands
            if date:
                dataset.update_tags(ACQUISITION_DATE=date)


def check_format(pair: Pair, suffix: str) -> None:
    """Refuse a format of chips that cannot hold the pair.

    Raises
    ------
    UsageError
    """
    if suffix not in FORMATS:
        msg = f"unknown format of chips '{suffix}'{suggest(suffix, FORMATS)}"
        raise UsageError(msg)
    kinds = {str(stored_as(date)[0]) for date in (pair.before, pair.after)}
    if suffix == "png" and kinds != {"uint8"}:
        msg = f"PNG chips hold 8 bit, the images {min(kinds - {'uint8'})}; write GeoTIFF chips"
        raise UsageError(msg)


def stored_as(date: DateReader) -> tuple[np.dtype[Any], float | None]:
    """Return type and nodata value of a date's chips: those of its files, else float32 and NaN."""
    files = [reader.file for reader in date.readers]
    kinds = {np.dtype(file.dtype) for file in files}
    plain = all(set(f.scales) == {1.0} and set(f.offsets) == {0.0} for f in files)
    kind = kinds.pop()
    if kinds or not plain or kind.kind not in "iu" or kind.itemsize > 2 or date.radiometry:
        return np.dtype("float32"), float("nan")
    return kind, files[0].nodata[0]


def store_pixels(
    pixels: FloatArray, valid: BoolArray, dtype: np.dtype[Any], nodata: float | None
) -> NDArray[Any]:
    """Return pixels (C, H, W) as they are stored: 0 or nodata where nothing is valid.

    A valid pixel never becomes nodata by rounding.

    Examples
    --------
    >>> pixels, valid = np.array([[[0.2, 9.6]]], np.float32), np.array([[True, False]])
    >>> store_pixels(pixels, valid, np.dtype("uint8"), 0)
    array([[[1, 0]]], dtype=uint8)
    """
    empty = 0 if nodata is None else nodata
    if dtype.kind == "f":
        return np.where(valid, pixels, np.float32(empty)).astype(dtype)
    limits = np.iinfo(dtype)
    rounded = np.clip(np.rint(pixels), limits.min, limits.max)
    if nodata is not None:
        step = 1 if nodata < limits.max else -1
        rounded[rounded == nodata] += step
    return np.where(valid, rounded, empty).astype(dtype)
