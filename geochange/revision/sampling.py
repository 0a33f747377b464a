"""Labelled pixels of several maps, gathered tile by tile; the same choice for any tiling."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from geochange.engine.stages import Stages
from geochange.fusion.stacking import BLOCK_PX, LabelledPixels
from geochange.revision.labels import GroundTruth
from geochange.revision.members import Member
from geochange.tiles import Tile, TilePlan

MOST_PIXELS = 100_000
"""Of either class that are learned from: more make no better coefficients."""
TILE_PX = 1024
Array64 = NDArray[np.float64]
Picked = tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint16]]
"""Places on the grid, their lots, and stored levels (M, N)."""


def sample_pixels(
    members: Sequence[Member], tables: Array64, truth: GroundTruth, stages: Stages
) -> LabelledPixels:
    """Return the labelled pixels at which any map has data, an even choice where there are many.

    Each pixel draws a lot from its place alone, and those with the lowest lots stay, so memory does
    not grow with the map.
    """
    height, width = (int(n) for n in members[0].geobox.shape)
    task = partial(_pick_tile, tuple(members), truth, width)
    kept: list[Picked] = [_nothing(len(members)), _nothing(len(members))]
    seen = [0, 0]
    for found in stages.run(task, TilePlan((height, width), TILE_PX)):
        for kind, (count, picked) in enumerate(found):
            seen[kind] += count
            kept[kind] = _lowest(*_join(kept[kind], picked))
    places = np.concatenate([places for places, _, _ in kept])
    levels = np.concatenate([levels for _, _, levels in kept], axis=1)
    sizes = [part[0].size for part in kept]
    scores = np.stack([table[own] for table, own in zip(tables, levels, strict=True)], axis=1)
    rows, cols = np.divmod(places, width)
    across = -(-width // BLOCK_PX)
    weights = np.repeat([n / max(size, 1) for n, size in zip(seen, sizes, strict=True)], sizes)
    changed = np.repeat([False, True], sizes)
    blocks = rows // BLOCK_PX * across + cols // BLOCK_PX
    weights = weights / weights.mean() if weights.size else weights
    return LabelledPixels(scores, changed, blocks, weights)


def _nothing(members: int) -> Picked:
    return np.empty(0, np.int64), np.empty(0, np.uint64), np.empty((members, 0), np.uint16)


def _join(first: Picked, second: Picked) -> Picked:
    places, lots = np.append(first[0], second[0]), np.append(first[1], second[1])
    return places, lots, np.concatenate([first[2], second[2]], axis=1)


def _pick_tile(
    members: tuple[Member, ...], truth: GroundTruth, width: int, tile: Tile
) -> list[tuple[int, Picked]]:
    codes = truth.read(tile.core)
    if (codes > 1).all():
        return [(0, _nothing(len(members)))] * 2
    maps = np.stack([member.read(tile.core) for member in members])
    known = (maps != np.iinfo(np.uint16).max).any(axis=0)
    found = []
    for changed in (0, 1):
        rows, cols = np.nonzero(known & (codes == changed))
        places = (rows + tile.core.row) * np.int64(width) + cols + tile.core.col
        picked = _lowest(places, draw_lots(places), maps[:, rows, cols])
        found.append((places.size, picked))
    return found


def _lowest(
    places: NDArray[np.int64], lots: NDArray[np.uint64], levels: NDArray[np.uint16]
) -> Picked:
    """Keep the pixels with the lowest lots, in the order of the grid."""
    if places.size > MOST_PIXELS:
        chosen = np.sort(np.argpartition(lots, MOST_PIXELS)[:MOST_PIXELS])
        places, lots, levels = places[chosen], lots[chosen], levels[:, chosen]
    order = np.argsort(places)
    return places[order], lots[order], levels[:, order]


def draw_lots(places: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a number for each place that looks random and is the same wherever it is drawn.

    References
    ----------
    Steele, G., Lea, D. and Flood, C. (2014). Fast splittable pseudorandom number generators: the
    mixing of SplitMix64, which maps no two places to one number.

    Examples
    --------
    >>> draw_lots(np.array([0, 1])) > 2**32
    array([ True,  True])
    """
    lots = (places.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        lots = (lots ^ (lots >> np.uint64(shift))) * np.uint64(factor)
    return lots ^ (lots >> np.uint64(31))
