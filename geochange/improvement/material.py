"""Labelled tiles of a pair as small scenes that training reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

from geochange.alignment.pair import Pair
from geochange.blocks import FloatArray
from geochange.tiles import Window

UNLABELLED = 255
ReadLabel = Callable[[Window], NDArray[np.uint8]]
"""Return labels of a window, uint8 (H, W): 0 no change, 1 change, 255 where nobody looked."""


def write_scene(pair: Pair, read_label: ReadLabel, window: Window, folder: Path) -> None:
    """Write one window of a registered pair and its label as ``before``, ``after``, ``label``.

    Parameters
    ----------
    pair : Pair
    read_label : callable
    window : Window
    folder : Path
        To create.
    """
    block = pair.read_window(window)
    folder.mkdir(parents=True)
    for name, date, pixels in (
        ("before", pair.before, block.before),
        ("after", pair.after, block.after),
    ):
        known = np.where(block.valid, pixels, np.float32(np.nan))
        _write(folder / f"{name}.tif", known, pair, window, _names(date.bands, date.roles), np.nan)
    _write(folder / "label.tif", read_label(window)[None], pair, window, ("label",), None)


def write_scenes(
    pair: Pair, read_label: ReadLabel, windows: Iterable[Window], folder: Path
) -> dict[str, Any]:
    """Write windows as scenes of one folder and return it as a source of training data."""
    for window in windows:
        write_scene(pair, read_label, window, folder / f"{window.row}_{window.col}")
    return {
        "path": str(folder.absolute()),
        "layout": "scenes",
        "changed": [1],
        "ignore": [UNLABELLED],
    }


def _names(bands: tuple[str, ...], roles: tuple[str | None, ...]) -> tuple[str, ...]:
    """Return a role for each band that has one, else its name: both are understood again."""
    known = roles if len(roles) == len(bands) else (None,) * len(bands)
    return tuple(role or band for band, role in zip(bands, known, strict=True))


def _write(
    path: Path,
    pixels: FloatArray | NDArray[np.uint8],
    pair: Pair,
    window: Window,
    names: tuple[str, ...],
    nodata: float | None,
) -> None:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=window.height,
        width=window.width,
        count=len(pixels),
        dtype=pixels.dtype,
        nodata=nodata,
        crs=None if pair.geobox.crs is None else pair.geobox.crs.to_wkt(),
        transform=pair.geobox.affine @ Affine.translation(window.col, window.row),
    ) as dataset:
        dataset.write(pixels)
        dataset.descriptions = names
