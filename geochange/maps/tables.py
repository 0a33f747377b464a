"""Runs of change with totals: what a sweep takes in, from one tile or from a row of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from geochange.maps.runs import IntArray, Runs, label_runs
from geochange.maps.totals import Sums, Totals, join_totals, reduce_totals
from geochange.tiles import Tile

MAX_RUNS = 30_000
"""Runs that one step of a sweep takes, rounded up to whole rows of pixels; bounds its memory."""

Describe = Callable[[Tile, Runs], Sums]
"""From a tile and its runs of change, places counted in its core, to what is added up beside
pixels."""


@dataclass(frozen=True, slots=True)
class RunTable:
    """Runs of change in the positions of the whole raster, with totals.

    Attributes
    ----------
    runs : Runs
    at : int64 (M,)
        Start of the first of the runs that each row of ``totals`` adds up: they are connected.
    totals : Totals
        M rows.
    """

    runs: Runs
    at: IntArray
    totals: Totals

    def between(self, row: int, stop: int) -> RunTable:
        """Return the runs of some rows of pixels; totals go with the first of their runs."""
        limits = row * self.runs.stride, stop * self.runs.stride
        first, last = np.searchsorted(self.runs.starts, limits)
        which = (self.at >= limits[0]) & (self.at < limits[1])
        runs = self.runs.take(slice(int(first), int(last)))
        return RunTable(runs, self.at[which], self.totals.take(which))


def tabulate(
    tile: Tile, local: Runs, stride: int, connectivity: int, describe: Describe | None
) -> RunTable:
    """Return the runs of a tile, places counted in its core, on a raster of ``stride``."""
    runs = local.moved(tile.core, stride)
    length = runs.lengths
    row, col = np.divmod(runs.starts, stride)
    place = np.stack([length, (row + 0.5) * length, (col + 0.5 * length) * length], axis=1)
    empty = np.empty((len(runs), 0))
    sums, peaks = describe(tile, local) if describe is not None else (empty, empty)
    count, label = label_runs(local, connectivity)
    totals = Totals(np.concatenate([place, sums], axis=1), peaks, runs.stops)
    _, first = np.unique(label, return_index=True)
    return RunTable(runs, runs.starts[first], reduce_totals(totals, label, count))


def cut_rows(tables: list[RunTable], top: int, stop: int) -> Iterator[tuple[RunTable | None, int]]:
    """Merge the tables of a row of tiles, cut between rows of pixels into about ``MAX_RUNS``.

    Yields
    ------
    table : RunTable or None
    stop_row : int
        End of the rows of pixels that it covers.
    """
    if sum(len(table.runs) for table in tables) <= MAX_RUNS:
        yield _merge(tables), stop
        return
    counts = sum(np.bincount(table.runs.rows - top, minlength=stop - top) for table in tables)
    passed = np.cumsum(counts)
    cuts = np.flatnonzero(np.diff(np.maximum(passed - 1, 0) // MAX_RUNS)) + 1
    for row, end in pairwise([top, *(top + cuts).tolist(), stop]):
        yield _merge([table.between(row, end) for table in tables]), end


def _merge(tables: list[RunTable]) -> RunTable | None:
    """Return the runs of neighbouring tiles in row-major order."""
    if len(tables) < 2:
        return tables[0] if tables else None
    starts = np.concatenate([table.runs.starts for table in tables])
    stops = np.concatenate([table.runs.stops for table in tables])
    order = np.argsort(starts)
    runs = Runs(starts[order], stops[order], tables[0].runs.stride)
    at = np.concatenate([table.at for table in tables])
    return RunTable(runs, at, join_totals(*(table.totals for table in tables)))
