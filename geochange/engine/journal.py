"""What is known of finished tiles, beside their scores on disk, so that a run can go on."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from geochange.io.stores.score import SCORE_LEVELS
from geochange.io.stores.tilestore import TileStore, put
from geochange.maps.preview import PreviewPart
from geochange.tiles import Tile


@dataclass(frozen=True, slots=True)
class ScoredTile:
    """What remains of a tile once its score is on disk.

    Attributes
    ----------
    levels, counts : uint16 (L,), uint32 (L,)
        Histogram of the stored score: levels that occur, and how often.
    preview : PreviewPart
    lost_px : int
        Pixels of the core that could not be read or scored.
    reason : str
        Why; empty when all is well.
    """

    levels: NDArray[np.uint16]
    counts: NDArray[np.uint32]
    preview: PreviewPart
    lost_px: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Journal:
    """One small file beside each tile of a store, written before it: a tile that is there is done.

    Attributes
    ----------
    store : TileStore
        Scores, uint16.
    """

    store: TileStore

    def _path(self, tile: Tile) -> Path:
        return self.store.path(tile.index).with_suffix(".npz")

    def recall(self, tile: Tile) -> ScoredTile | None:
        """Return what was recorded of a finished tile; None where it has to be done (again).

        That is so where it is missing or damaged, and where some of it was lost.
        """
        if not self.store.has(tile.index):
            return None
        try:
            with np.load(self._path(tile), allow_pickle=False) as noted:
                part = PreviewPart(
                    int(noted["row"]), int(noted["col"]), noted["sums"], noted["counts"]
                )
                lost = bool(noted["lost_px"])
            stored = self.store.read(tile.core)
        except (OSError, ValueError, KeyError, BadZipFile):
            return None
        return None if lost else ScoredTile(*count_levels(stored), part)

    def record(
        self,
        tile: Tile,
        stored: NDArray[np.uint16],
        part: PreviewPart,
        lost_px: int = 0,
        reason: str = "",
    ) -> ScoredTile:
        """Write a tile and what :meth:`recall` needs of it.

        Raises
        ------
        OutputError, ResourceError
        """
        noted = io.BytesIO()
        np.savez(
            noted,
            row=part.row,
            col=part.col,
            sums=part.sums,
            counts=part.counts,
            lost_px=lost_px,
        )
        put(self._path(tile), noted.getbuffer())
        self.store.write(tile, stored)
        return ScoredTile(*count_levels(stored), part, lost_px, reason)


def count_levels(stored: NDArray[np.uint16]) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    """Return which levels occur in a stored score, nodata left out, and how often."""
    counts = np.bincount(stored.ravel(), minlength=SCORE_LEVELS + 1)[:SCORE_LEVELS]
    levels = np.flatnonzero(counts)
    return levels.astype(np.uint16), counts[levels].astype(np.uint32)
