"""The map under evaluation: the output of a run, a mask, or a score of any software."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.errors import InputError, InputNotFoundError
from geochange.evaluation.counts import UNKNOWN
from geochange.io.rasters.geotiff import GridReader
from geochange.io.rasters.rasterfile import RasterFile, describe_raster
from geochange.io.stores.score import SCORE_NODATA, SCORE_SCALE, encode_score
from geochange.tiles import Window

MASK_FILE, SCORE_FILE = "mask.tif", "score.tif"
ROUNDING = 1e-6

Codes = NDArray[np.uint8]
Levels = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class MapLayers:
    """The layers of one map; a description that opens nothing when built.

    Attributes
    ----------
    geobox : GeoBox
        Grid of the map.
    mask : RasterFile or None
        Non-zero is change; None to call change where the score is at least ``threshold``.
    score : RasterFile or None
        0 to 1 once scale and offset are applied.
    threshold : float
    """

    geobox: GeoBox
    mask: RasterFile | None
    score: RasterFile | None
    threshold: float

    def read(self, geobox: GeoBox, window: Window) -> tuple[Codes, Levels | None]:
        """Read a window of a grid with the map's pixels, which may reach beyond the map.

        Returns
        -------
        mask : uint8 (H, W)
            0 unchanged, 1 changed, 255 unknown.
        levels : uint16 (H, W) or None
            Stored score levels; None without a score.
        """
        levels = None if self.score is None else read_levels(self.score, geobox, window)
        if self.mask is not None:
            return read_mask(self.mask, geobox, window), levels
        assert levels is not None
        change = levels * SCORE_SCALE >= self.threshold
        return np.where(levels == SCORE_NODATA, UNKNOWN, change).astype(np.uint8), levels


def read_mask(file: RasterFile, geobox: GeoBox, window: Window) -> Codes:
    """Read change: uint8 (H, W), 0 unchanged, 1 changed, 255 unknown."""
    pixels, valid = GridReader(file, geobox, "nearest").read(window)
    return np.where(valid, pixels[0] != 0, UNKNOWN).astype(np.uint8)


def read_levels(
    file: RasterFile, geobox: GeoBox, window: Window, resampling: str = "nearest"
) -> Levels:
    """Read scores as levels of :func:`geochange.io.stores.score.encode_score`, uint16 (H, W)."""
    pixels, valid = GridReader(file, geobox, resampling).read(window)
    known = pixels[0][valid]
    if known.size and not -ROUNDING <= known.min() <= known.max() <= 1 + ROUNDING:
        msg = (
            f"{file.path} holds {known.min():g} to {known.max():g}, a score goes from 0 to 1:"
            " rescale it, or give a mask of 0 and 1"
        )
        raise InputError(msg)
    return encode_score(np.where(valid, pixels[0], np.float32(np.nan)))


def open_layers(result: str | os.PathLike[str], threshold: float = 0.5) -> MapLayers:
    """Open what is to be evaluated.

    Parameters
    ----------
    result : path
        Output directory of a run (``mask.tif``, and ``score.tif`` when there), a mask (integers,
        non-zero is change, nodata unknown) or a score (floating point, or integers with a scale).
    threshold : float
        Score from which on a pixel is change, for a score without a mask.

    Raises
    ------
    InputError
        Nothing there, unreadable, or a directory that holds no map.
    """
    path = Path(result)
    if not path.is_dir():
        return open_file(os.fspath(result), threshold)
    mask, score = path / MASK_FILE, path / SCORE_FILE
    if not mask.exists():
        msg = f"{path} holds no {MASK_FILE}; give the output directory of a run, or a raster"
        raise InputNotFoundError(msg)
    file, scores = describe_raster(mask), describe_raster(score) if score.exists() else None
    return MapLayers(file.geobox, file, scores, threshold)


def open_file(path: str, threshold: float) -> MapLayers:
    """Open one raster as the mask or the score that it is."""
    file = describe_raster(path)
    if holds_score(file):
        return MapLayers(file.geobox, None, file.take([0]), threshold)
    return MapLayers(file.geobox, file.take([0]), None, threshold)


def holds_score(file: RasterFile) -> bool:
    """Tell a score (floating point, or integers with a scale) from a mask."""
    return file.dtype.startswith("float") or file.scales[0] != 1.0
