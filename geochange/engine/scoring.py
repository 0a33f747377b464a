"""Score every tile of a pair: one fused task reads a tile with its halo, scores and writes it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from geochange.alignment.pair import Pair
from geochange.alignment.salvage import read_pieces
from geochange.blocks import PairBlock
from geochange.detectors.base import Detector, plan_tiles
from geochange.engine.journal import Journal, ScoredTile
from geochange.engine.stages import Stages
from geochange.errors import DataWarning, GeochangeError, InputError, InputLostError, OutputError
from geochange.io.stores.score import SCORE_LEVELS, SCORE_NODATA, encode_score
from geochange.maps.kept import Kept
from geochange.maps.preview import Preview, PreviewGrid, PreviewPart
from geochange.tiles import Tile, TilePlan

ScoreOf = Callable[[PairBlock], NDArray[np.uint16]]
"""Returns the stored score of a block's core, nodata where the block is invalid; pickles."""
FIT_TILE_PX = 256
"""Detectors learn from tiles of this one size, so what they learn does not depend on the tiling."""
FIT_MAX_PIXELS = 4_000_000
"""Larger scenes are learned from an even, seeded choice of tiles with this many pixels in all."""
RETRIES = 1
MAX_LOST_SHARE = 0.5
"""A run that lost more of the grid than this has failed."""


@dataclass
class Scored:
    """What is known of a scene once all its tiles are scored.

    Attributes
    ----------
    histogram : int64 (65535,)
        Number of pixels per stored level; its sum is the number of valid pixels.
    preview : Preview
    quarantine : list of dict
        Tiles with pixels that could not be read or scored, which are nodata: ``tile``, ``row``,
        ``col``, ``lost_px``, ``reason``.
    """

    preview: Preview
    histogram: NDArray[np.int64] = field(default_factory=lambda: np.zeros(SCORE_LEVELS, np.int64))
    quarantine: list[dict[str, object]] = field(default_factory=list)
    lost_px: int = 0

    def add(self, tile: Tile, scored: ScoredTile) -> None:
        """Count a tile in.

        Raises
        ------
        InputLostError
            Most of the scene is lost.
        """
        self.histogram[scored.levels] += scored.counts
        self.preview.add(scored.preview)
        if not scored.reason:
            return
        self.lost_px += scored.lost_px
        place = {"tile": tile.index, "row": tile.core.row, "col": tile.core.col}
        self.quarantine.append({**place, "lost_px": scored.lost_px, "reason": scored.reason})
        height, width = self.preview.grid.shape
        if self.lost_px > MAX_LOST_SHARE * height * width:
            msg = f"more than half of the scene is lost; {scored.reason}"
            raise InputLostError(msg)


def see_needed(detector: Detector, pair: Pair, shown: Sequence[int]) -> Pair:
    """Return the pair as a detector has to see it: without the bands that it does not look at.

    Where it looks at more than half of them, all are read, so that what is kept of changed pixels
    need not be read again.

    Parameters
    ----------
    detector : Detector
    pair : Pair
    shown : sequence of int
        Positions of further bands that have to be read.
    """
    count = len(pair.before.bands)
    if not hasattr(detector, "bands_needed") or count != len(pair.after.bands):
        return pair
    needed = sorted({*detector.bands_needed(count), *shown})
    return pair.see(needed) if 2 * len(needed) <= count else pair


def fit_detector(detector: Detector, pair: Pair, stages: Stages) -> list[str]:
    """Fit a detector on the whole scene or, when it is large, on an even choice of its tiles.

    Returns
    -------
    list of str
        Why parts of a damaged input were left out.

    Raises
    ------
    InputError
        Nothing can be read, or what can be is not enough to learn from.
    """
    failures: list[str] = []

    def read(tile: Tile) -> PairBlock | None:
        try:
            block, _, reason = read_or_salvage(pair, tile)
        except InputError as error:
            block, reason = None, str(error)
        failures.extend([reason] if reason else [])
        return block

    halo = getattr(detector, "fit_halo", detector.halo)
    plan = replace(plan_tiles(detector, pair.shape, min(FIT_TILE_PX, max(pair.shape))), halo=halo)
    most = int(getattr(detector, "fit_max_pixels", FIT_MAX_PIXELS))
    blocks = stages.run_here(read, plan.sample(most), in_flight=2)
    try:
        detector.fit(block for block in blocks if block is not None)
    except InputError as error:
        raise InputError(failures[0]) if failures else error from None
    return failures


def read_or_salvage(pair: Pair, tile: Tile) -> tuple[PairBlock, int, str]:
    """Read a tile; of a damaged one what can be read, pixels of the core lost, and the reason."""
    try:
        return pair.read(tile), 0, ""
    except InputError:
        block, lost = read_pieces(pair.read_window, tile)
    parts = [window.intersect(tile.core) for window, _ in lost]
    return block, sum(part.size for part in parts if part), lost[0][1] if lost else ""


def score_tiles(
    detector: Detector, pair: Pair, kept: Kept, grid: PreviewGrid, stages: Stages
) -> Scored:
    """Write the score of every tile by a detector; see :func:`fill_tiles`."""
    plan = plan_tiles(detector, kept.store.plan.shape, kept.store.tile_size)
    gpu = str(getattr(detector, "device", "cpu")).startswith("cuda")
    return fill_tiles(partial(score_block, detector), plan, pair, kept, grid, stages, gpu=gpu)


def fill_tiles(
    score: ScoreOf,
    plan: TilePlan,
    pair: Pair,
    kept: Kept,
    grid: PreviewGrid,
    stages: Stages,
    *,
    gpu: bool = False,
) -> Scored:
    """Write the score of every tile into ``kept.store``; what it holds already is not redone.

    A task that fails is run again, then its tile is given up: it stays nodata and is listed. So
    are the pixels of a damaged input, to within 64 px.

    Parameters
    ----------
    score : callable
        See :data:`ScoreOf`.
    plan : TilePlan
        Tiles as ``score`` wants to see them; their cores are those of the store.
    pair, kept, grid, stages
        What is read, where it goes, what is shown of it, who does it.
    gpu : bool
        The tasks take a GPU.

    Raises
    ------
    InputError
        Most of the scene cannot be read.
    OutputError, ResourceError
        A tile cannot be written.
    """
    store = kept.store
    journal = Journal(store)

    def score_tile(tile: Tile) -> ScoredTile:
        known = journal.recall(tile)
        if known is not None:
            return known
        block, lost_px, reason = read_or_salvage(pair, tile)
        stored = score(block)
        kept.keep(tile, stored, block)
        return journal.record(tile, stored, grid.part(block), lost_px, reason)

    def give_up(tile: Tile, error: Exception) -> ScoredTile:
        if isinstance(error, OutputError):  # the tile is fine, the disk is not
            raise error
        nodata = np.full(tile.core.shape, SCORE_NODATA, np.uint16)
        return journal.record(tile, nodata, nothing, tile.core.size, explain(error))

    unseen = np.zeros((2, len(grid.bands), 0, 0))
    nothing = PreviewPart(0, 0, unseen, np.zeros((0, 0), np.int64))
    scored = Scored(Preview(grid))
    results = stages.run(score_tile, plan, retries=RETRIES, rescue=give_up, gpu=gpu)
    for tile, result in zip(plan, results, strict=True):
        scored.add(tile, result)
    return scored


def explain(error: Exception) -> str:
    """Say in one line why a tile failed."""
    if isinstance(error, GeochangeError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def say_lost(left_out: Sequence[str], scored: Scored) -> list[str]:
    """Warn of what failed and is left out or without data, and return the words."""
    if left_out:
        note = f"{len(left_out)} tiles to learn from could not be read whole; {left_out[0]}"
        warnings.warn(note, DataWarning, stacklevel=2)
        return [note, *say_lost([], scored)]
    if not scored.quarantine:
        return []
    first, count = scored.quarantine[0], len(scored.quarantine)
    note = (
        f"{scored.lost_px} px in {count} tile{'s' if count > 1 else ''} could not be read or "
        f"scored and are without data; the first: {first['reason']}"
    )
    warnings.warn(note, DataWarning, stacklevel=2)
    return [note]


def score_block(detector: Detector, block: PairBlock) -> NDArray[np.uint16]:
    """Return the stored score of a block's core, uint16 (height, width)."""
    inner = block.tile.core_in_read
    valid = block.valid[inner]
    if not valid.any():
        return np.full(block.tile.core.shape, SCORE_NODATA, np.uint16)
    score = detector.score(block.before[None], block.after[None], block.valid[None])[0][inner]
    stored = encode_score(score)
    if not valid.all():
        stored[~valid] = SCORE_NODATA
    return stored


def require_valid(valid: int, pair: Pair) -> None:
    """Raise :class:`geochange.errors.InputError` when no pixel of a pair is valid."""
    if not valid:
        height, width = pair.shape
        msg = (
            f"no pixel of the {height} x {width} px grid is valid at both dates; check nodata "
            "values, masks and the area of interest"
        )
        raise InputError(msg)
