"""Small pictures of the dates of a series, for animations and reports."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import FloatArray
from geochange.engine.stages import Stages
from geochange.errors import InputError
from geochange.io.stores.tilestore import TileStore, put
from geochange.series.stack import Series
from geochange.tiles import Tile, TilePlan
from geochange.viz.pictures import Limits, choose_display_bands, render_rgb, stretch_limits

MOST_FRAMES = 20
STRETCH_CELLS = 1_000_000
FRAME_PX = 720
TILE_PX = 256


@dataclass(frozen=True)
class Frames:
    """Means of cells of pixels of some dates.

    Attributes
    ----------
    days : tuple of datetime.date
    images : float32 (F, B, h, w)
        NaN where nothing is valid.
    valid_shares : tuple of float
        Of the pixels of each date.
    factor : int
        Pixels a cell, along each axis.
    bands : tuple of int
        Positions of the bands that are shown, one or three.
    """

    days: tuple[date, ...]
    images: FloatArray
    valid_shares: tuple[float, ...]
    factor: int
    bands: tuple[int, ...]

    @cached_property
    def limits(self) -> Limits:
        """One stretch for all dates, from an even choice of their cells."""
        step = max(1, math.isqrt(self.images[:, 0].size // STRETCH_CELLS))
        thin = self.images[..., ::step, ::step]
        return stretch_limits(list(thin), [~np.isnan(image[0]) for image in thin])

    def render(self, position: int) -> NDArray[np.uint8]:
        """Return the picture of one of the dates, uint8 (h, w, 4)."""
        image = self.images[position]
        return render_rgb(np.nan_to_num(image), ~np.isnan(image[0]), self.limits)

    def join(self, later: Frames) -> Frames:
        """Return both, thinned evenly to what an animation shows."""
        days = (*self.days, *later.days)
        kept = choose_evenly(len(days), MOST_FRAMES)
        images = np.concatenate([self.images, later.images])[kept]
        shares = (*self.valid_shares, *later.valid_shares)
        return Frames(
            tuple(days[i] for i in kept),
            images,
            tuple(shares[i] for i in kept),
            self.factor,
            self.bands,
        )

    def save(self, path: Path) -> None:
        """Write plain arrays, atomically."""
        content = io.BytesIO()
        np.savez_compressed(
            content,
            days=np.array([day.toordinal() for day in self.days], np.int32),
            images=self.images.astype(np.float32),
            shares=np.array(self.valid_shares),
            factor=self.factor,
            bands=np.array(self.bands),
        )
        put(path, content.getbuffer())

    @classmethod
    def load(cls, path: Path) -> Frames:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(
                    tuple(date.fromordinal(int(day)) for day in stored["days"]),
                    stored["images"],
                    tuple(float(share) for share in stored["shares"]),
                    int(stored["factor"]),
                    tuple(int(band) for band in stored["bands"]),
                )
        except (OSError, ValueError, KeyError) as error:
            msg = f"{path} is missing or damaged ({error}); start the series anew"
            raise InputError(msg) from error


def choose_evenly(count: int, most: int) -> list[int]:
    """Return at most ``most`` of ``count`` positions, the first and the last among them.

    Examples
    --------
    >>> choose_evenly(5, 3), choose_evenly(2, 3)
    ([0, 2, 4], [0, 1])
    """
    if count <= most:
        return list(range(count))
    return sorted({round(k * (count - 1) / (most - 1)) for k in range(most)})


def draw_series(series: Series, stages: Stages) -> Frames:
    """Average the pixels of an even choice of the dates into cells; reads each of them once."""
    height, width = series.shape
    factor = -(-max(height, width) // FRAME_PX)
    bands = choose_display_bands(series.roles)
    chosen = choose_evenly(len(series), MOST_FRAMES)
    shape = -(-height // factor), -(-width // factor)
    images = np.full((len(chosen), len(bands), *shape), np.nan, np.float32)
    valid = np.zeros(len(chosen), np.int64)
    plan = TilePlan((shape[0] * factor, shape[1] * factor), max(1, TILE_PX // factor) * factor)

    def shrink(tile: Tile) -> tuple[FloatArray, NDArray[np.int64]]:
        rows, cols = tile.core.height // factor, tile.core.width // factor
        cells = np.full((len(chosen), len(bands), rows, cols), np.nan, np.float32)
        counts = np.zeros(len(chosen), np.int64)
        for number, position in enumerate(chosen):
            try:
                pixels, known = series.read_one(position, tile.core)
            except InputError:
                continue
            counts[number] = np.count_nonzero(known)
            blocks = known.reshape(rows, factor, cols, factor).sum(axis=(1, 3))
            for shown, band in enumerate(bands):
                total = np.where(known, pixels[band], 0).reshape(rows, factor, cols, factor)
                mean = total.sum(axis=(1, 3), dtype=np.float64) / np.maximum(blocks, 1)
                cells[number, shown] = np.where(blocks > 0, mean, np.nan)
        return cells, counts

    for tile, (cells, counts) in zip(plan, stages.run_here(shrink, plan, in_flight=2), strict=True):
        row, col = tile.core.row // factor, tile.core.col // factor
        images[:, :, row : row + cells.shape[2], col : col + cells.shape[3]] = cells
        valid += counts
    shares = tuple(float(n) / (height * width) for n in valid)
    return Frames(tuple(series.days[i] for i in chosen), images, shares, factor, bands)


def shrink_days(store: TileStore, zero: int, nodata: int, factor: int) -> NDArray[np.int32]:
    """Return the ordinal of the earliest change in each cell, int32 (h, w); 0 for none."""
    height, width = (int(n) for n in store.geobox.shape)
    shape = -(-height // factor), -(-width // factor)
    days = np.zeros(shape, np.int32)
    size = max(1, TILE_PX // factor) * factor
    for tile in TilePlan((shape[0] * factor, shape[1] * factor), size):
        stored = store.read(tile.core).astype(np.int32)
        rows, cols = tile.core.height // factor, tile.core.width // factor
        least = stored.reshape(rows, factor, cols, factor).min(axis=(1, 3))
        row, col = tile.core.row // factor, tile.core.col // factor
        days[row : row + rows, col : col + cols] = np.where(least == nodata, 0, least + zero)
    return days


def picture_indices(days: Sequence[date], wanted: Sequence[str | None]) -> list[int]:
    """Return the positions of ISO dates among days; the first where one is not known.

    Examples
    --------
    >>> picture_indices([date(2000, 1, 1), date(2010, 1, 1)], ["2010-01-01", None])
    [1, 0]
    """
    listed = [day.isoformat() for day in days]
    return [listed.index(one) if one in listed else 0 for one in wanted]
