"""Square pictures of both dates and of scores, for the page's map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.windows import Window as RasterioWindow

from geochange.alignment.pair import DATES, Pair
from geochange.annotation.levels import (
    FIRST_LEVEL,
    LevelCache,
    count_levels,
    needs_cache,
    shrink,
)
from geochange.annotation.refusals import NOT_FOUND, NOT_YET, RefusedError
from geochange.blocks import BoolArray, FloatArray
from geochange.io.rasters.handles import borrow
from geochange.io.rasters.rasterfile import open_dataset
from geochange.io.stores.score import decode_score
from geochange.maps.changemap import ChangeMap
from geochange.tiles import Window
from geochange.viz.pictures import encode_png

TILE_PX = 256
MOST_DIRECT = 3
"""Coarsest level that is read from the files themselves while there is no cache."""


@dataclass(frozen=True)
class Pictures:
    """Pictures of both dates at levels 0 (one pixel to a pixel), 1 (2 x 2), 2 (4 x 4), ...

    Attributes
    ----------
    pair : Pair
    cache : LevelCache
    """

    pair: Pair
    cache: LevelCache

    @property
    def levels(self) -> int:
        """Number of levels; the last one shows all in one tile."""
        return count_levels(self.pair.shape, TILE_PX)

    @property
    def cached(self) -> bool:
        """Whether every level can be shown."""
        return not needs_cache(self.pair.shape) or self.cache.ready

    def render(
        self,
        date: str,
        place: tuple[int, int, int],
        bands: Sequence[int],
        limits: Sequence[tuple[float, float]],
        gamma: float,
        match: Sequence[tuple[Sequence[float], Sequence[float]]] = (),
    ) -> bytes:
        """Return a tile as PNG, transparent where the date has no data.

        Parameters
        ----------
        date : {'before', 'after'}
        place : (level, column, row)
            Of the tile, counted in tiles.
        bands : sequence of int
            One band (grey) or three (red, green, blue), counted from 0.
        limits : sequence of (low, high)
            Values shown as black and white, for each of the bands.
        gamma : float
        match : sequence of (values, values), optional
            For each of the bands, values of this date and what to show them as.

        Raises
        ------
        RefusedError
            404 outside the grid, 503 while the level is not there yet.
        """
        pixels, valid = self.read(date, place, tuple(bands))
        for band, (own, others) in zip(pixels, match, strict=False):
            band[:] = np.interp(band, own, others)
        low, high = np.asarray(limits, np.float32).T[..., None, None]
        scaled = np.clip((pixels - low) / (high - low), 0, 1)
        if gamma != 1:
            scaled **= np.float32(1 / gamma)
        colour = np.rint(scaled * 255).astype(np.uint8)
        if len(colour) == 1:
            colour = np.repeat(colour, 3, axis=0)
        alpha = np.where(valid, 255, 0).astype(np.uint8)
        return encode_png(np.dstack([*colour, alpha]))

    def read(
        self, date: str, place: tuple[int, int, int], bands: tuple[int, ...]
    ) -> tuple[FloatArray, BoolArray]:
        """Read a tile: float32 (C, 256, 256) and bool (256, 256)."""
        window = tile_window(place, self.pair.shape, self.levels)
        level = place[0]
        if level >= FIRST_LEVEL and needs_cache(self.pair.shape):
            if self.cache.ready:
                at_level = Window(place[2] * TILE_PX, place[1] * TILE_PX, TILE_PX, TILE_PX)
                return self.cache.read(date, level, at_level, bands)
            if level > MOST_DIRECT:
                msg = "overviews of this level are not built yet; try again in a moment"
                raise RefusedError(NOT_YET, msg)
        reader = self.pair.before if date == DATES[0] else self.pair.after
        distinct = tuple(dict.fromkeys(bands))
        pixels, valid = shrink(*reader.take(distinct).read(window), 1 << level)
        return pixels[[distinct.index(band) for band in bands]], valid


def tile_window(place: tuple[int, int, int], shape: tuple[int, int], levels: int) -> Window:
    """Return the pixels of a tile.

    Raises
    ------
    RefusedError
        404: it lies outside the grid.
    """
    level, col, row = place
    inside = 0 <= level < levels
    size = TILE_PX << level if inside else TILE_PX
    if not inside or col < 0 or row < 0 or col * size >= shape[1] or row * size >= shape[0]:
        raise RefusedError(NOT_FOUND, "there is no such tile of the image")
    return Window(row * size, col * size, size, size)


def read_score(result: ChangeMap, window: Window, shape: tuple[int, int]) -> FloatArray:
    """Read a window of a run's score, shrunk to ``shape``: float32 (H, W), NaN where unknown."""
    path = str(result.locate("score.tif", "score"))
    stamp = (result.path / "score.tif").stat().st_mtime_ns
    score = np.full(shape, np.nan, np.float32)
    place = window.row, window.col
    with borrow((path, stamp), lambda: (open_dataset(path),), place, in_turn=False) as (dataset,):
        part = window.intersect(Window(0, 0, dataset.height, dataset.width))
        if part is None:
            return score
        scale = window.height // shape[0]
        out = Window(0, 0, -(-part.height // scale), -(-part.width // scale))
        raw = dataset.read(
            1,
            window=RasterioWindow(part.col, part.row, part.width, part.height),
            out_shape=out.shape,
            resampling=Resampling.average,
        )
        row, col = (part.row - window.row) // scale, (part.col - window.col) // scale
        score[row : row + out.height, col : col + out.width] = decode_score(raw)
    return score


def render_score_tile(result: ChangeMap, place: tuple[int, int, int]) -> bytes:
    """Return a tile of a score as PNG: red is the score in 255 steps, alpha tells what is known.

    The page gives it colours, so that its threshold moves without asking again.
    """
    shape = tuple(int(n) for n in result.geobox.shape)
    window = tile_window(place, (shape[0], shape[1]), count_levels((shape[0], shape[1]), TILE_PX))
    score = read_score(result, window, (TILE_PX, TILE_PX))
    known = np.isfinite(score)
    picture: NDArray[np.uint8] = np.zeros((TILE_PX, TILE_PX, 4), np.uint8)
    picture[..., 0] = np.rint(np.where(known, score, 0) * 255)
    picture[..., 3] = np.where(known, 255, 0)
    return encode_png(picture)
