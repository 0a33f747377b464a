"""A sweep over a mask, tile row by tile row, that lets go of every component it has passed.

Memory holds the runs of one tile row and what is known of the components that reach its last row;
it depends neither on the height of the raster nor on how many components were found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.blocks import BoolArray
from geochange.maps.rings import Corners, find_corners, join_corners
from geochange.maps.runs import IntArray, Links, Runs, find_runs, group, link_runs
from geochange.tiles import Tile, TilePlan, Window

T = TypeVar("T")
FloatTable = NDArray[np.float64]

MAX_RUNS = 2_000_000
"""Runs that one step of a sweep takes; only noise has more in a row of tiles."""


class Runner(Protocol):
    """How a loop over tiles runs: like the builtin ``map``, results in the order of the tiles."""

    def __call__(self, task: Callable[[Tile], T], tiles: Iterable[Tile], /) -> Iterator[T]:
        """Yield ``task(tile)`` for every tile; tasks may run in parallel threads."""
        ...


class RasterSource(Protocol):
    """One band that can be read by windows: a ``TileStore`` or any other raster.

    Attributes
    ----------
    geobox : GeoBox
    tile_size : int
        Edge in pixels of the windows that it likes to be read by.
    """

    @property
    def geobox(self) -> GeoBox:
        """Grid of the raster."""
        ...

    @property
    def tile_size(self) -> int:
        """Edge of a window in pixels."""
        ...

    def read(self, window: Window) -> NDArray[Any]:
        """Read a window, (height, width)."""
        ...


def plan_tiles(source: RasterSource, halo: int = 0) -> TilePlan:
    """Return the tiling that suits a source."""
    height, width = source.geobox.shape
    return TilePlan((int(height), int(width)), source.tile_size, halo)


@dataclass(frozen=True, slots=True)
class Totals:
    """What is added up over pixels, per run or per component.

    Attributes
    ----------
    sums : float64 (N, A)
        Pixels, sum of rows, sum of columns (pixel centres), then what the caller adds.
    peaks : float64 (N, B)
        Greatest values.
    last : int64 (N,)
        Position after the last pixel in row-major order.
    """

    sums: FloatTable
    peaks: FloatTable
    last: IntArray

    def take(self, which: BoolArray | IntArray) -> Totals:
        """Return the selected rows."""
        return Totals(self.sums[which], self.peaks[which], self.last[which])


def join_totals(*several: Totals) -> Totals:
    """Return all rows in one value."""
    names = Totals.__slots__
    return Totals(*(np.concatenate([getattr(one, name) for one in several]) for name in names))


def reduce_totals(totals: Totals, label: IntArray, count: int) -> Totals:
    """Add up the rows of each of ``count`` labels; every label must occur."""
    order = np.argsort(label, kind="stable")
    bounds = np.searchsorted(label[order], np.arange(count))
    if count == 0:
        return totals.take(order)
    return Totals(
        np.add.reduceat(totals.sums[order], bounds),
        np.maximum.reduceat(totals.peaks[order], bounds),
        np.maximum.reduceat(totals.last[order], bounds),
    )


Sums = tuple[FloatTable, FloatTable]
"""Sums (N, A) and peaks (N, B) of N runs."""
Describe = Callable[[Tile, BoolArray, Runs], Sums]
"""From a tile, its changed pixels (H, W) and their runs to what is added up beside pixels."""


@dataclass(frozen=True, slots=True)
class RunTable:
    """Runs of change in the positions of the whole raster, with totals of each."""

    runs: Runs
    totals: Totals


@dataclass(frozen=True, slots=True)
class Components:
    """Components that a sweep has completed, ordered by their last pixel in row-major order.

    Attributes
    ----------
    totals : Totals
        One row per component.
    corners : Corners
        All corners of these components, by 4-connected part.
    component : int64 (parts,)
        Component of each part; -1 for parts of components that are still open.
    stride : int
        Vertices in a row of the raster.
    """

    totals: Totals
    corners: Corners
    component: IntArray
    stride: int

    def __len__(self) -> int:
        return int(self.totals.last.size)


def sweep(
    mask: RasterSource, connectivity: int, describe: Describe | None = None, *, run: Runner = map
) -> Iterator[Components]:
    """Yield the connected components of the pixels that are 1, each once the sweep has passed it.

    The sequence of components, over all batches, is ordered by last pixel and the same for any
    tile size. Tiles without change cost one read.
    """
    plan = plan_tiles(mask)
    stride = plan.shape[1] + 1

    def scan(tile: Tile) -> RunTable | None:
        changed = mask.read(tile.core) == 1
        return _tabulate(tile, changed, stride, describe) if changed.any() else None

    front = Front(stride, connectivity)
    tables = iter(run(scan, plan))
    for row in range(plan.grid[0]):
        found = [table for table in islice(tables, plan.grid[1]) if table is not None]
        stop_row = min((row + 1) * plan.size, plan.shape[0])
        for table, stop in _slice_rows(_merge(found), stop_row):
            yield from front.advance(table, stop)
    yield from front.advance(None, plan.shape[0] + 1)


def _tabulate(tile: Tile, changed: BoolArray, stride: int, describe: Describe | None) -> RunTable:
    local = find_runs(changed)
    runs = local.moved(tile.core, stride)
    length = runs.lengths
    row, col = np.divmod(runs.starts, stride)
    place = np.stack([length, (row + 0.5) * length, (col + 0.5 * length) * length], axis=1)
    empty = np.empty((len(runs), 0))
    sums, peaks = describe(tile, changed, local) if describe is not None else (empty, empty)
    return RunTable(runs, Totals(np.concatenate([place, sums], axis=1), peaks, runs.stops))


def _merge(tables: list[RunTable]) -> RunTable | None:
    """Return the runs of neighbouring tiles in row-major order."""
    if len(tables) < 2:
        return tables[0] if tables else None
    starts = np.concatenate([table.runs.starts for table in tables])
    stops = np.concatenate([table.runs.stops for table in tables])
    order = np.argsort(starts)
    totals = join_totals(*(table.totals for table in tables))
    runs = Runs(starts[order], stops[order], tables[0].runs.stride)
    return RunTable(runs, totals.take(order))


def _slice_rows(table: RunTable | None, stop_row: int) -> Iterator[tuple[RunTable | None, int]]:
    """Cut a table between rows into pieces of about ``MAX_RUNS``, each with its last row."""
    if table is None or len(table.runs) <= MAX_RUNS:
        yield table, stop_row
        return
    runs, first = table.runs, 0
    while first < len(runs):
        enough = first + MAX_RUNS
        row = stop_row if enough >= len(runs) else int(runs.starts[enough]) // runs.stride
        row = max(row, int(runs.starts[first]) // runs.stride + 1)
        last = int(np.searchsorted(runs.starts, row * runs.stride))
        piece = slice(first, last)
        part = Runs(runs.starts[piece], runs.stops[piece], runs.stride)
        totals = table.totals
        yield RunTable(part, totals.take(np.arange(first, last))), row
        first = last


class Front:
    """The last row passed and the components that reach it."""

    def __init__(self, stride: int, connectivity: int) -> None:
        none = np.empty(0, np.int64)
        no = np.empty(0, np.bool_)
        self.connectivity = connectivity
        self.row = Runs(none, none, stride)
        self.row_part = none
        self.part_component = none
        self.corners = Corners(none, no, no, no, none)
        self.totals: Totals | None = None

    def advance(self, table: RunTable | None, stop_row: int) -> Iterator[Components]:
        """Take in the rows up to ``stop_row`` and yield the components that end before its last."""
        if table is None and not len(self.row):
            return
        runs = self.row if table is None else _stack(self.row, table.runs)
        known = len(self.row)
        parts, part = self._label_parts(runs)
        corners, diagonals = find_corners(runs, known, stop_row)
        of_open, of_run = part[: self.part_component.size], part[self.part_component.size :]
        count, component, earlier = self._label_components(
            parts, of_open, (of_run[diagonals[0]], of_run[diagonals[1]])
        )
        totals = self._add_up(table, component[of_run[known:]], earlier, count)
        corners = join_corners(self.corners.renamed(of_open), corners.renamed(of_run))
        at_end = runs.starts >= (stop_row - 1) * runs.stride
        is_open = np.zeros(count, np.bool_)
        is_open[component[of_run[at_end]]] = True
        yield from _close(corners, component, totals, is_open, runs.stride)
        self._keep(runs, at_end, of_run, corners, component, totals, is_open)

    def _label_parts(self, runs: Runs) -> tuple[int, IntArray]:
        """Return the 4-connected part of every open part, then of every run."""
        opened = self.part_component.size
        upper, lower = link_runs(runs, 4)
        seen = np.arange(len(self.row)) + opened
        links = (
            np.concatenate([upper + opened, seen]),
            np.concatenate([lower + opened, self.row_part]),
        )
        return group(opened + len(runs), links)

    def _label_components(
        self, parts: int, of_open: IntArray, diagonals: Links
    ) -> tuple[int, IntArray, IntArray]:
        """Return how many components there are, that of every part, and of every open component."""
        opened = 0 if self.totals is None else self.totals.last.size
        links = of_open, self.part_component + parts
        if self.connectivity == 8:
            links = (
                np.concatenate([links[0], diagonals[0]]),
                np.concatenate([links[1], diagonals[1]]),
            )
        count, label = group(parts + opened, links)
        return count, label[:parts], label[parts:]

    def _add_up(
        self, table: RunTable | None, of_run: IntArray, earlier: IntArray, count: int
    ) -> Totals:
        known = [] if self.totals is None else [self.totals]
        new = [] if table is None else [table.totals]
        labels = np.concatenate([earlier, of_run])
        return reduce_totals(join_totals(*known, *new), labels, count)

    def _keep(
        self,
        runs: Runs,
        at_end: BoolArray,
        of_run: IntArray,
        corners: Corners,
        component: IntArray,
        totals: Totals,
        is_open: BoolArray,
    ) -> None:
        """Remember the last row and what is open, numbered anew."""
        part_open = is_open[component]
        part_name, component_name = np.cumsum(part_open) - 1, np.cumsum(is_open) - 1
        self.row = Runs(runs.starts[at_end], runs.stops[at_end], runs.stride)
        self.row_part = part_name[of_run[at_end]]
        self.part_component = component_name[component[part_open]]
        self.corners = corners.take(part_open[corners.part]).renamed(part_name)
        self.totals = totals.take(is_open)


def _stack(above: Runs, below: Runs) -> Runs:
    return Runs(
        np.concatenate([above.starts, below.starts]),
        np.concatenate([above.stops, below.stops]),
        below.stride,
    )


def _close(
    corners: Corners, component: IntArray, totals: Totals, is_open: BoolArray, stride: int
) -> Iterator[Components]:
    closed = np.flatnonzero(~is_open)
    if not closed.size:
        return
    closed = closed[np.argsort(totals.last[closed])]
    name = np.full(is_open.size, -1)
    name[closed] = np.arange(closed.size)
    done = ~is_open[component][corners.part]
    yield Components(totals.take(closed), corners.take(done), name[component], stride)
