"""Rules that change whole connected components of a tiled mask, whatever tiles they cross.

A first pass labels every tile, decides on the components that touch none of its edges and reports
the labels along its edges; these are joined across the seams, and a second pass visits only the
tiles in which a joined component has to change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray
from geochange.io.stores.score import MASK_NODATA
from geochange.io.stores.tilestore import TileStore
from geochange.maps.runs import IntArray, Runs, find_runs, label_runs
from geochange.maps.seams import EdgeArray, Holds, Seams, TileReport
from geochange.maps.sweep import Runner
from geochange.tiles import Tile

MaskArray = NDArray[np.uint8]
Read = Callable[[Tile], MaskArray]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which components of which pixels take another value.

    Attributes
    ----------
    inside : callable
        From mask pixels (H, W) to bool (H, W): the pixels whose components are meant.
    marks : callable or None
        From mask pixels to bool (H, W): pixels inside that mark their component.
    border_marks : bool
        Pixels at the border of the raster mark their component too.
    holds : callable
        Which components change; see :data:`~geochange.maps.seams.Holds`.
    value : int
        The value that they take; it must lie outside ``inside``.
    connectivity : {4, 8}
    """

    inside: Callable[[MaskArray], BoolArray]
    marks: Callable[[MaskArray], BoolArray] | None
    border_marks: bool
    holds: Holds
    value: int
    connectivity: int


def drop_small(min_area_px: int, connectivity: int) -> Rule:
    """Remove components of change of less than ``min_area_px`` pixels."""
    return Rule(
        lambda pixels: pixels == 1,
        None,
        False,
        lambda area, _: area < min_area_px,
        0,
        connectivity,
    )


def fill_holes(max_hole_px: int, connectivity: int) -> Rule:
    """Fill holes of at most ``max_hole_px`` in change of the given connectivity.

    Background and nodata are one region here, of the other connectivity: a component of it that
    holds nodata or reaches the border of the raster is no hole.
    """
    return Rule(
        lambda pixels: pixels != 1,
        lambda pixels: pixels == MASK_NODATA,
        True,
        lambda area, marked: (area <= max_hole_px) & ~marked,
        1,
        12 - connectivity,
    )


def link_seeds(connectivity: int) -> Rule:
    """Keep components of the pixels 1 and 2 that hold a 2; see :func:`apply_rule` for the 2."""
    return Rule(
        lambda pixels: (pixels == 1) | (pixels == 2),
        lambda pixels: pixels == 2,
        False,
        lambda _, marked: ~marked,
        0,
        connectivity,
    )


@dataclass(frozen=True, slots=True)
class Labels:
    """The components of one tile.

    Attributes
    ----------
    runs : Runs
    of_run : int64 (N,)
        Component of each run; those that touch an edge of the tile come first.
    start : int64 (N,)
        Place of the first pixel of each component.
    open : int
        Number of components that touch an edge.
    shape : tuple of int
        ``(height, width)`` of the tile.
    """

    runs: Runs
    of_run: IntArray
    start: IntArray
    open: int
    shape: tuple[int, int]

    def __len__(self) -> int:
        return int(self.start.size)

    def paint(self, pixels: MaskArray, chosen: BoolArray, value: int) -> None:
        """Set the pixels of the chosen components, bool (N,), in place."""
        rows, cols = np.divmod(self.runs.take(chosen[self.of_run]).places, self.runs.stride)
        pixels[rows, cols] = value

    def edges(self) -> list[EdgeArray]:
        """Return the component of each pixel of top, bottom, left and right edge; -1 if none."""
        height, width = self.shape
        row, col = np.divmod(self.runs.starts, self.runs.stride)
        stop = col + self.runs.lengths
        return [
            *(self._along(row == edge, width) for edge in (0, height - 1)),
            *(_place(row[at], self.of_run[at], height) for at in (col == 0, stop == width)),
        ]

    def _along(self, which: BoolArray, width: int) -> EdgeArray:
        runs = self.runs.take(which)
        return _place(runs.places % runs.stride, np.repeat(self.of_run[which], runs.lengths), width)


def _place(at: IntArray, labels: IntArray, length: int) -> EdgeArray:
    edge = np.full(length, -1, np.int32)
    edge[at] = labels
    return edge


def label_tile(inside: BoolArray, connectivity: int) -> Labels:
    """Label the components of one tile, bool (H, W)."""
    runs = find_runs(inside)
    count, label = label_runs(runs, connectivity)
    height, width = inside.shape
    touches = np.zeros(count, np.bool_)
    touches[label[_at_edge(runs, (0, 0), (height, width))]] = True
    name = np.empty(count, np.int64)
    name[np.argsort(~touches, kind="stable")] = np.arange(count)
    of_run = name[label]
    start = np.empty(count, np.int64)
    start[of_run[::-1]] = runs.starts[::-1]
    return Labels(runs, of_run, start, int(touches.sum()), (height, width))


def _at_edge(runs: Runs, first: tuple[int, int], stop: tuple[int, int]) -> BoolArray:
    """Tell which runs reach the rows and columns just inside ``first`` and ``stop``."""
    row, col = np.divmod(runs.starts, runs.stride)
    above_below = (row == first[0]) | (row == stop[0] - 1)
    reached: BoolArray = above_below | (col == first[1]) | (col + runs.lengths == stop[1])
    return reached


def apply_rule(rule: Rule, read: Read | None, store: TileStore, *, run: Runner = map) -> None:
    """Apply a rule to whole components and write the mask.

    Parameters
    ----------
    rule : Rule
    read : callable or None
        Gives the mask of a tile's core, uint8 (H, W); None takes what ``store`` holds and rewrites
        only the tiles that change. Pixels that ``read`` gives as 2 are written as 1.
    store : TileStore
    run : callable
        A task that runs twice does no harm.
    """
    shape = store.plan.shape

    def scan(tile: Tile) -> TileReport:
        pixels = store.read(tile.core) if read is None else read(tile)
        labels = label_tile(rule.inside(pixels), rule.connectivity)
        area, marked = _measure(rule, labels, pixels, tile, shape)
        chosen = rule.holds(area, marked)
        chosen[: labels.open] = False
        if read is not None or chosen.any():
            labels.paint(pixels, chosen, rule.value)
            pixels[pixels == 2] = 1
            store.write(tile, pixels)
        part = slice(labels.open)
        return TileReport(tile, labels.edges(), labels.start[part], area[part], marked[part])

    seams = Seams(rule.holds, rule.connectivity, shape[1])
    for report in run(scan, store.plan):
        seams.add(report)
    chosen_in = seams.decide()

    def change(tile: Tile) -> None:
        pixels = store.read(tile.core)
        labels = label_tile(rule.inside(pixels), rule.connectivity)
        labels.paint(pixels, np.isin(labels.start, chosen_in[tile.index]), rule.value)
        store.write(tile, pixels)

    exhaust(run(change, [store.plan[index] for index in chosen_in]))


def exhaust(results: Iterable[object]) -> None:
    """Run a lazy loop to its end."""
    deque(results, maxlen=0)


def _measure(
    rule: Rule, labels: Labels, pixels: MaskArray, tile: Tile, shape: tuple[int, int]
) -> tuple[IntArray, BoolArray]:
    """Return the area and the mark of each component of a tile."""
    runs, core = labels.runs, tile.core
    area = np.bincount(labels.of_run, runs.lengths, len(labels)).astype(np.int64)
    marked = np.zeros(len(labels), np.bool_)
    if rule.marks is not None:
        marks = find_runs(rule.marks(pixels))
        marked[labels.of_run[np.searchsorted(runs.starts, marks.starts, "right") - 1]] = True
    if rule.border_marks:
        first, stop = (-core.row, -core.col), (shape[0] - core.row, shape[1] - core.col)
        marked[labels.of_run[_at_edge(runs, first, stop)]] = True
    return area, marked
