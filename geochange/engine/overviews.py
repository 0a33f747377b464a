"""Both dates of a pair seen coarsely and whole, to find how they are turned."""

from __future__ import annotations

import numpy as np

from geochange.alignment.pair import Pair
from geochange.blocks import BoolArray, FloatArray
from geochange.engine.stages import Stages
from geochange.errors import InputError
from geochange.io.grids.displacement import Displacement
from geochange.registration.search import average_blocks
from geochange.registration.ties import Date
from geochange.tiles import Tile, TilePlan, Window

OVERVIEW_PX = 1024
MAX_OVERVIEW_PIXELS = 400_000_000
"""Larger grids are not read whole to match features."""


def match_overviews(pair: Pair, stages: Stages) -> Displacement | None:
    """Find rotation and scale by features of the whole grid, seen coarsely.

    Where lone features do not match, what a network sees everywhere is compared.

    Returns
    -------
    Displacement or None
        To be refined and checked by windows. None where nothing matches, or the grid is too large
        or too small.
    """
    from geochange.registration.features import match_features

    views = see_coarsely(pair, stages)
    if views is None:
        return None
    found = match_features(*views)
    if found is not None:
        return found
    from geochange.nn.inference.describer import load_describer
    from geochange.registration.dense import match_densely

    describe = load_describer()
    return None if describe is None else match_densely(*views, describe=describe)


def see_coarsely(
    pair: Pair, stages: Stages
) -> tuple[FloatArray, FloatArray, tuple[BoolArray, BoolArray], int] | None:
    """Return both dates and what is valid of them, inside the area of interest, seen coarsely.

    Returns
    -------
    tuple or None
        Mean of the bands, float32 (h, w), of the before and of the after date, two bool (h, w),
        pixels of the grid along a side of one. None for grids that are too large or too small.
    """
    height, width = pair.shape
    if height * width > MAX_OVERVIEW_PIXELS:
        return None
    factor = -(-max(height, width) // OVERVIEW_PX)
    shape = height // factor, width // factor
    if min(shape) < 32:
        return None
    views = np.zeros((2, *shape), np.float32)
    known = np.zeros((2, *shape), bool)

    def shrink(tile: Tile) -> list[Date]:
        read = [_read(date, tile.core) for date in (pair.before, pair.after)]
        if pair.aoi is not None:
            inside = pair.aoi.read(tile.core)
            read = [(pixels, valid & inside) for pixels, valid in read]
        return [average_blocks(*date, factor) for date in read]

    plan = TilePlan((shape[0] * factor, shape[1] * factor), 512 // factor * factor or factor)
    for tile, shrunk in zip(plan, stages.run_here(shrink, plan, in_flight=2), strict=True):
        row, col = tile.core.row // factor, tile.core.col // factor
        for position, (pixels, valid) in enumerate(shrunk):
            place = np.s_[position, row : row + valid.shape[0], col : col + valid.shape[1]]
            views[place], known[place] = pixels.mean(axis=0), valid
    return views[0], views[1], (known[0], known[1]), factor


def _read(date: object, window: Window) -> Date:
    """Read a window of a date; one that cannot be read has no data."""
    try:
        return date.read(window)  # type: ignore[attr-defined,no-any-return]
    except InputError:
        return np.zeros((1, *window.shape), np.float32), np.zeros(window.shape, bool)
