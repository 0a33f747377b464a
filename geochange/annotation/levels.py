"""Coarse copies of both dates in the project's cache, so that a whole scene shows at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.windows import Window as RasterioWindow

from geochange.alignment.pair import DATES, Pair
from geochange.blocks import BoolArray, FloatArray
from geochange.errors import ResourceError
from geochange.io.files.atomic import replace_atomically
from geochange.io.rasters.handles import borrow
from geochange.io.rasters.rasterfile import open_dataset
from geochange.io.rasters.scene import DateReader
from geochange.tiles import TilePlan, Window

FIRST_LEVEL = 2
"""Levels from here on are cached: 2**2 source pixels to a pixel and coarser."""
SMALL_PX = 2048
"""Pairs no larger than this are read directly at every level."""
BLOCK_PX = 256
STOPPED = "stopped"


def count_levels(shape: tuple[int, int], tile_px: int) -> int:
    """Return how many halvings bring a grid into one tile, plus one.

    Examples
    --------
    >>> count_levels((768, 768), 256), count_levels((100, 100), 256)
    (3, 1)
    """
    level = 0
    while max(shape) > tile_px << level:
        level += 1
    return level + 1


def needs_cache(shape: tuple[int, int]) -> bool:
    """Tell whether a pair is too large to be read whole for one picture."""
    return max(shape) > SMALL_PX


@dataclass(frozen=True)
class LevelCache:
    """The cached levels of a pair.

    Parameters
    ----------
    folder : Path
    key : str
        What pair this is; a cache of another key counts as missing.
    """

    folder: Path
    key: str

    @property
    def ready(self) -> bool:
        """Whether all files are there, of this pair."""
        note = self.folder / "levels.json"
        if not note.exists():
            return False
        try:
            content = json.loads(note.read_text(encoding="utf-8"))
        except ValueError:
            return False
        files = (self.folder / f"{date}.tif" for date in DATES)
        return bool(content.get("key") == self.key) and all(file.exists() for file in files)

    def read(
        self, date: str, level: int, window: Window, bands: tuple[int, ...]
    ) -> tuple[FloatArray, BoolArray]:
        """Read a window of a level, given in pixels of that level; it may leave the grid.

        Returns
        -------
        pixels : float32 (C, H, W)
        valid : bool (H, W)
        """
        path = str(self.folder / f"{date}.tif")
        scale = 1 << (level - FIRST_LEVEL)
        place = window.row, window.col
        opened = borrow((path, self.key), lambda: (open_dataset(path),), place, in_turn=False)
        with opened as (dataset,):
            grid = Window(0, 0, -(-dataset.height // scale), -(-dataset.width // scale))
            part = window.intersect(grid)
            pixels = np.full((len(bands), *window.shape), np.nan, np.float32)
            if part is not None:
                pixels[:, *part.slices_in(window)] = dataset.read(
                    [band + 1 for band in bands],
                    window=RasterioWindow(
                        part.col * scale,
                        part.row * scale,
                        min(part.width * scale, dataset.width - part.col * scale),
                        min(part.height * scale, dataset.height - part.row * scale),
                    ),
                    out_shape=(len(bands), *part.shape),
                    resampling=Resampling.average,
                )
        valid = np.asarray(np.isfinite(pixels).all(axis=0))
        return np.where(valid, pixels, np.float32(0)), valid

    def build(self, pair: Pair, on_progress: Callable[[int, int], None]) -> None:
        """Write all levels of both dates.

        Parameters
        ----------
        pair : Pair
        on_progress : callable
            Called with blocks done, blocks in all; what it raises ends the work, and nothing half
            done is left.

        Raises
        ------
        ResourceError, OutputError, InputError
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        _check_space(pair, self.folder)
        (self.folder / "levels.json").unlink(missing_ok=True)
        readers = dict(zip(DATES, (pair.before, pair.after), strict=True))
        plans = {date: _plan(reader) for date, reader in readers.items()}
        total, done = sum(map(len, plans.values())), 0
        for date, reader in readers.items():
            with replace_atomically(self.folder / f"{date}.tif") as path:
                with _create(path, reader) as dataset:
                    for tile in plans[date]:
                        _write_block(dataset, reader, tile.core)
                        done += 1
                        on_progress(done, total)
                _add_overviews(path)
        with replace_atomically(self.folder / "levels.json") as note:
            note.write_text(json.dumps({"key": self.key}), encoding="utf-8")


def shrink(pixels: FloatArray, valid: BoolArray, factor: int) -> tuple[FloatArray, BoolArray]:
    """Average blocks of ``factor`` x ``factor`` pixels over those that are valid.

    Examples
    --------
    >>> image = np.array([[[1, 3], [5, 100]]], np.float32)
    >>> small, valid = shrink(image, np.array([[True, True], [True, False]]), 2)
    >>> small.tolist(), valid.tolist()
    ([[[3.0]]], [[True]])
    """
    if factor == 1:
        return pixels, valid
    bands, height, width = pixels.shape
    blocks = (height // factor, factor, width // factor, factor)
    count = valid.reshape(blocks).sum(axis=(1, 3), dtype=np.float32)
    masked = np.where(valid, pixels, np.float32(0))
    total = masked.reshape(bands, *blocks).sum(axis=(2, 4), dtype=np.float32)
    return total / np.maximum(count, np.float32(1)), count > 0


def _plan(reader: DateReader) -> TilePlan:
    """Tiles of the first cached level, of few enough pixels to be read at a time."""
    scale = 1 << FIRST_LEVEL
    height, width = (-(-int(n) // scale) for n in reader.geobox.shape)
    return TilePlan((height, width), 2 * BLOCK_PX if len(reader.bands) <= 4 else BLOCK_PX)


def _write_block(dataset: Any, reader: DateReader, core: Window) -> None:
    scale = 1 << FIRST_LEVEL
    source = Window(core.row * scale, core.col * scale, core.height * scale, core.width * scale)
    pixels, valid = shrink(*reader.read(source), scale)
    pixels[:, ~valid] = np.nan
    place = RasterioWindow(core.col, core.row, core.width, core.height)
    dataset.write(pixels, window=place)


def _create(path: Path, reader: DateReader) -> rasterio.io.DatasetWriter:
    height, width = _plan(reader).shape
    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=len(reader.bands),
        dtype="float32",
        nodata=np.nan,
        tiled=True,
        blockxsize=BLOCK_PX,
        blockysize=BLOCK_PX,
        compress="zstd",
        zstd_level=1,
        interleave="band",
        bigtiff="IF_SAFER",
    )


def _add_overviews(path: Path) -> None:
    with rasterio.open(path, "r+") as dataset:
        count = count_levels(dataset.shape, BLOCK_PX)
        if count > 1:
            dataset.build_overviews([1 << n for n in range(1, count)], Resampling.average)


def _check_space(pair: Pair, folder: Path) -> None:
    """Raise :class:`ResourceError` when the cache may not fit on its disk."""
    bands = len(pair.before.bands) + len(pair.after.bands)
    needed = pair.shape[0] * pair.shape[1] * bands * 4 // 16 * 4 // 3
    free = shutil.disk_usage(folder).free
    if needed > free:
        msg = (
            f"overviews need up to {needed / 2**30:.1f} GiB in {folder}, {free / 2**30:.1f} GiB "
            "are free; free some space or put the labels elsewhere (-o)"
        )
        raise ResourceError(msg)
