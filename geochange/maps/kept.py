"""Score and spectra of the pixels that may become change, kept while their tile is scored.

Which pixels change is known only once the whole scene is scored. A few percent of the pixels can at
all; with them on disk, polygons are described without a second read of the inputs.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.io.files.atomic import explain_failure
from geochange.io.stores.score import SCORE_NODATA, SCORE_SCALE
from geochange.io.stores.tilestore import TileStore, put
from geochange.maps.morphology import dilate
from geochange.maps.runs import IntArray, find_runs
from geochange.tiles import Tile

MAX_SHARE = 1 / 32
"""Share of its pixels above which nothing of a tile is kept: it would take more space than it saves
time."""


@dataclass(frozen=True, slots=True)
class Spectra:
    """What is known of N pixels.

    Attributes
    ----------
    level : uint16 (N,)
        Stored score.
    valid : bool (N,)
        Whether both dates hold data.
    before, after : float32 (C, N)
        0 where invalid.
    """

    level: NDArray[np.uint16]
    valid: BoolArray
    before: FloatArray
    after: FloatArray

    @classmethod
    def unknown(cls, count: int, bands: int) -> Spectra:
        """Return arrays to fill in."""
        level = np.full(count, SCORE_NODATA, np.uint16)
        before, after = np.zeros((2, bands, count), np.float32)
        return cls(level, np.zeros(count, np.bool_), before, after)


@dataclass(frozen=True, slots=True)
class Kept:
    """One file beside each tile of a store of scores.

    Attributes
    ----------
    store : TileStore
        Scores, uint16.
    least : float
        Score from which on pixels are kept, each with its four neighbours: so filled holes of up
        to 4 px are there too.
    whole : bool
        Blocks hold all bands; of others nothing is kept.
    """

    store: TileStore
    least: float
    whole: bool = True

    def _path(self, tile: Tile) -> Path:
        return self.store.path(tile.index).with_suffix(".kept")

    def keep(self, tile: Tile, stored: NDArray[np.uint16], block: PairBlock) -> None:
        """Write what may be asked for of a tile, before its score is written.

        Parameters
        ----------
        tile : Tile
        stored : uint16 (H, W)
            Score of the core.
        block : PairBlock
            Both dates; valid where ``stored`` is. Bands are kept where both have as many.

        Raises
        ------
        OutputError, ResourceError
            The file cannot be written, the disk is full.
        """
        known = stored != SCORE_NODATA
        likely = known & (stored >= int(self.least / SCORE_SCALE))
        if not self.whole or not 0 < np.count_nonzero(likely) <= MAX_SHARE * stored.size:
            return
        runs = find_runs(dilate(likely, 1) & known)
        rows, cols = np.divmod(runs.places, runs.stride)
        bands = len(block.before) if len(block.before) == len(block.after) else 0
        spectrum = ("<f4", (bands,))
        kinds = [("place", "<i4"), ("level", "<u2"), ("before", *spectrum), ("after", *spectrum)]
        records = np.empty(rows.size, kinds)
        records["place"], records["level"] = runs.places, stored[rows, cols]
        for name, date in (("before", block.before), ("after", block.after)):
            records[name] = date[:bands, *tile.core_in_read][:, rows, cols].T
        content = io.BytesIO()
        np.save(content, records)
        path = self._path(tile)
        with explain_failure(path):
            put(path, content.getvalue())

    def fill(self, tile: Tile, places: IntArray, into: Spectra) -> BoolArray:
        """Fill in what is known of pixels and return which are missing, bool (N,).

        Parameters
        ----------
        tile : Tile
            Of the plan of the store.
        places : int64 (N,)
            As :attr:`geochange.maps.runs.Runs.places` of the core.
        into : Spectra
        """
        records = self._load(tile)
        if not records.size:
            return np.ones(places.size, np.bool_)
        where = np.minimum(np.searchsorted(records["place"], places), records.size - 1)
        hit: BoolArray = records["place"][where] == places
        found = records[where[hit]]
        into.level[hit], into.valid[hit] = found["level"], True
        into.before[:, hit], into.after[:, hit] = found["before"].T, found["after"].T
        return ~hit

    def _load(self, tile: Tile) -> NDArray[Any]:
        """Return what is kept of a tile; nothing where its file is not there or is damaged."""
        try:
            records: NDArray[Any] = np.load(self._path(tile), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return np.empty(0)
        return records
