"""The last row of pixels that a sweep has passed, and the components that reach it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from geochange.blocks import BoolArray
from geochange.maps.rings import Corners, find_corners, join_corners
from geochange.maps.runs import IntArray, Links, Runs, group, link_runs
from geochange.maps.tables import RunTable
from geochange.maps.totals import Totals, join_totals, reduce_totals


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
        at = of_run[:0] if table is None else of_run[np.searchsorted(table.runs.starts, table.at)]
        labels = np.concatenate([earlier, at])
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
