"""The pixels of a change along time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from geochange.engine.stages import Stages
from geochange.errors import InputError
from geochange.series.frames import picture_indices
from geochange.series.stack import Series
from geochange.tiles import Tile, Window
from geochange.viz import pictures

MIN_SIDE_PX, MAX_SIDE_PX = 40, 160
"""Ground that is looked at: twice the change, within these limits."""
THUMBNAIL_PX = 160


@dataclass(frozen=True, slots=True)
class Profile:
    """Means over the pixels of a change, and what it looked like.

    Attributes
    ----------
    values : float64 (T, C)
        NaN where no pixel of it is valid.
    before, after : bytes
        WebP of the last date before and the first date after; empty where nothing is known.
    """

    values: NDArray[np.float64]
    before: bytes
    after: bytes


def profile_changes(
    series: Series,
    changes_px: Sequence[Any],
    intervals: Sequence[tuple[str | None, str]],
    shown: tuple[int, ...],
    limits: pictures.Limits,
    stages: Stages,
) -> Iterator[Profile | None]:
    """Yield the profile of each change; None where the images cannot be read.

    Parameters
    ----------
    series : Series
    changes_px : sequence of Polygon or MultiPolygon
        In pixels of the grid.
    intervals : sequence of (ISO date or None, ISO date)
        Dates between which each lies.
    shown : tuple of int
        Bands of the pictures.
    limits : sequence of (low, high)
        Their stretch.
    stages : Stages
    """
    windows = [_frame(change) for change in changes_px]

    def profile(tile: Tile) -> Profile | None:
        place = Affine.translation(tile.read.col, tile.read.row)
        change = changes_px[tile.index]
        inside = rasterize([change], tile.read.shape, transform=place, dtype="uint8") == 1
        wanted = picture_indices(series.days, intervals[tile.index])
        values = np.full((len(series), len(series.bands)), np.nan)
        chips = {}
        try:
            for position, (image, valid) in enumerate(series.walk(tile.read)):
                known = valid & inside
                if known.any():
                    total = (image * known).sum(axis=(1, 2), dtype=np.float64)
                    values[position] = total / np.count_nonzero(known)
                if position in wanted:
                    chips[position] = pictures.render_rgb(image[list(shown)], valid, limits)
        except InputError:
            return None
        before, after = (chips[position].copy() for position in wanted)
        after[pictures.outline(inside.astype(np.uint8))] = (*pictures.CHANGE_COLOUR, 255)
        return Profile(values, *(_encode(chip) for chip in (before, after)))

    tiles = [Tile(number, window, window) for number, window in enumerate(windows)]
    yield from stages.run_here(profile, tiles, in_flight=2)


def _encode(chip: NDArray[np.uint8]) -> bytes:
    return pictures.encode_webp(pictures.enlarge(chip, THUMBNAIL_PX), THUMBNAIL_PX)


def _frame(change_px: Any) -> Window:
    left, top, right, bottom = change_px.bounds
    side = int(np.clip(2 * max(right - left, bottom - top), MIN_SIDE_PX, MAX_SIDE_PX))
    inner = change_px.representative_point()
    large = max(right - left, bottom - top) > MAX_SIDE_PX
    row = inner.y if large else (top + bottom) / 2
    col = inner.x if large else (left + right) / 2
    return Window(int(row - side / 2), int(col - side / 2), side, side)
