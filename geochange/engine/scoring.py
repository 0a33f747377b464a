"""Score every tile of a pair: one fused task reads a tile with its halo, scores and writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import PairBlock
from geochange.detectors.base import Detector, plan_tiles
from geochange.engine.stages import Stages
from geochange.errors import UsageError
from geochange.io.score import SCORE_LEVELS, encode_score
from geochange.io.tilestore import TileStore
from geochange.maps.preview import Preview, PreviewPart
from geochange.tiles import Tile

MIN_TILE_PX = 16
FIT_TILE_PX = 256
"""Detectors learn from tiles of this one size, so what they learn does not depend on the tiling."""
FIT_MAX_PIXELS = 4_000_000
"""Larger scenes are learned from an even, seeded choice of tiles with this many pixels in all."""


@dataclass(frozen=True, slots=True)
class ScoredTile:
    """What remains of a tile once its score is on disk.

    Attributes
    ----------
    counts : int64 (65535,)
        Histogram of the stored score.
    preview : PreviewPart
    """

    counts: NDArray[np.int64]
    preview: PreviewPart


def fit_detector(
    detector: Detector, read: Callable[[Tile], PairBlock], shape: tuple[int, int], stages: Stages
) -> Detector:
    """Fit a detector on the whole scene or, when it is large, on an even choice of its tiles."""
    plan = plan_tiles(detector, shape, min(FIT_TILE_PX, max(shape)))
    return detector.fit(stages.stream(read, plan.sample(FIT_MAX_PIXELS)))


def score_tiles(
    detector: Detector,
    read: Callable[[Tile], PairBlock],
    store: TileStore,
    preview: Preview,
    stages: Stages,
) -> NDArray[np.int64]:
    """Write the score of every tile into ``store`` and return the exact histogram of it.

    Returns
    -------
    int64 (65535,)
        Number of pixels per stored level; its sum is the number of valid pixels.
    """

    def score_tile(tile: Tile) -> ScoredTile:
        block = read(tile)
        inner = tile.core_in_read
        if not block.valid[inner].any():
            stored = np.full(tile.core.shape, SCORE_LEVELS, np.uint16)
        else:
            batch = block.before[None], block.after[None], block.valid[None]
            score = detector.score(*batch)[0][inner]
            stored = encode_score(np.where(block.valid[inner], score, np.nan))
        store.write(tile, stored)
        counts = np.bincount(stored.ravel(), minlength=SCORE_LEVELS + 1)[:SCORE_LEVELS]
        return ScoredTile(counts, preview.part(block))

    histogram = np.zeros(SCORE_LEVELS, np.int64)
    plan = plan_tiles(detector, store.plan.shape, store.tile_size)
    for scored in stages.run(score_tile, plan):
        histogram += scored.counts
        preview.add(scored.preview)
    return histogram


def choose_tile_size(shape: tuple[int, int], bands: int, wanted: int | None = None) -> int:
    """Return a tile edge in pixels: at most 1024 (512 for many bands), a multiple of 16, balanced.

    Raises
    ------
    UsageError
        ``wanted``, which goes first, is below 16.

    Examples
    --------
    >>> choose_tile_size((1100, 900), bands=4), choose_tile_size((200, 60), bands=3)
    (560, 208)
    """
    if wanted is not None:
        if wanted < MIN_TILE_PX:
            msg = f"tile size must be at least {MIN_TILE_PX} px, got {wanted}"
            raise UsageError(msg)
        return int(wanted)
    largest = 1024 if bands <= 6 else 512
    longest = max(shape)
    count = -(-longest // largest)
    return -(-longest // count // 16) * 16 if longest % (count * 16) else longest // count
