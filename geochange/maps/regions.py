"""Rules that change whole connected components of a tiled mask, whatever tiles they cross.

A first pass labels every tile, decides on the components that touch none of its edges and reports
the labels along its edges; these are joined across the seams, and a second pass visits only the
tiles in which a joined component has to change. What is held per component that touches an edge is
a label, an area and a mark.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray
from geochange.io.score import MASK_NODATA
from geochange.io.tilestore import TileStore
from geochange.maps.runs import IntArray, Links, Runs, find_runs, group, label_runs
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
        From mask pixels to bool (H, W): pixels that mark their component.
    border_marks : bool
        Pixels at the border of the raster mark their component too.
    holds : callable
        From areas in pixels (N,) and marks (N,) to bool (N,): the components that change.
    value : int
        The value that they take; it must lie outside ``inside``.
    connectivity : {4, 8}
    """

    inside: Callable[[MaskArray], BoolArray]
    marks: Callable[[MaskArray], BoolArray] | None
    border_marks: bool
    holds: Callable[[IntArray, BoolArray], BoolArray]
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
    inside : bool (H, W)
    runs : Runs
    of_run : int64 (N,)
        Component of each run; those that touch an edge of the tile come first.
    open : int
        Number of components that touch an edge.
    count : int
    """

    inside: BoolArray
    runs: Runs
    of_run: IntArray
    open: int
    count: int

    def paint(self, pixels: MaskArray, chosen: BoolArray, value: int) -> None:
        """Set the pixels of the chosen components, bool (count,), in place."""
        values = pixels[self.inside]
        values[np.repeat(chosen[self.of_run], self.runs.lengths)] = value
        pixels[self.inside] = values

    def edges(self) -> list[IntArray]:
        """Return the component of each pixel of top, bottom, left and right edge; -1 if none."""
        inside, width = self.inside, self.inside.shape[1]
        rows, cols = np.arange(inside.shape[0]), np.arange(width)
        places = [(0 * cols, cols), (0 * cols + rows[-1], cols), (rows, 0 * rows)]
        return [self._at(row, col) for row, col in [*places, (rows, 0 * rows + width - 1)]]

    def _at(self, row: IntArray, col: IntArray) -> IntArray:
        label = np.full(row.size, -1)
        hit = self.inside[row, col]
        place = row[hit] * self.runs.stride + col[hit]
        label[hit] = self.of_run[np.searchsorted(self.runs.starts, place, "right") - 1]
        return label


def label_tile(inside: BoolArray, connectivity: int) -> Labels:
    """Label the components of one tile, bool (H, W)."""
    runs = find_runs(inside)
    count, label = label_runs(runs, connectivity)
    height, width = inside.shape
    row, col = np.divmod(runs.starts, runs.stride)
    at_edge = (row == 0) | (row == height - 1) | (col == 0) | (col + runs.lengths == width)
    touches = np.zeros(count, np.bool_)
    touches[label[at_edge]] = True
    order = np.argsort(~touches, kind="stable")
    name = np.empty(count, np.int64)
    name[order] = np.arange(count)
    return Labels(inside, runs, name[label], int(touches.sum()), count)


@dataclass(frozen=True, slots=True)
class TileReport:
    """What the tiles around need to know of one tile: its components that touch an edge.

    Attributes
    ----------
    tile : Tile
    edges : list of int64 arrays
        Components along the top, bottom, left and right edge, -1 where none.
    area, marked : int64 (N,), bool (N,)
    """

    tile: Tile
    edges: list[IntArray]
    area: IntArray
    marked: BoolArray


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
        return TileReport(tile, labels.edges(), area[: labels.open], marked[: labels.open])

    seams = Seams(rule.connectivity, shape[1])
    for report in run(scan, store.plan):
        seams.add(report)
    chosen_in = seams.decide(rule)

    def change(tile: Tile) -> None:
        pixels = store.read(tile.core)
        labels = label_tile(rule.inside(pixels), rule.connectivity)
        chosen = np.zeros(labels.count, np.bool_)
        chosen[: labels.open] = chosen_in[tile.index]
        labels.paint(pixels, chosen, rule.value)
        store.write(tile, pixels)

    exhaust(run(change, [store.plan[index] for index in chosen_in]))


def exhaust(results: Iterable[object]) -> None:
    """Run a lazy loop to its end."""
    deque(results, maxlen=0)


def _measure(
    rule: Rule, labels: Labels, pixels: MaskArray, tile: Tile, shape: tuple[int, int]
) -> tuple[IntArray, BoolArray]:
    """Return the area and the mark of each component of a tile."""
    length = labels.runs.lengths
    area = np.bincount(labels.of_run, length, labels.count).astype(np.int64)
    marked = np.zeros(labels.count, np.bool_)
    if rule.marks is not None and labels.count:
        marks = rule.marks(pixels)
        if rule.border_marks:
            _mark_border(marks, tile, shape)
        hit = np.logical_or.reduceat(marks[labels.inside], np.cumsum(length) - length)
        marked[labels.of_run[hit]] = True
    return area, marked


def _mark_border(marks: BoolArray, tile: Tile, shape: tuple[int, int]) -> None:
    core = tile.core
    marks[0] |= core.row == 0
    marks[-1] |= core.stop_row == shape[0]
    marks[:, 0] |= core.col == 0
    marks[:, -1] |= core.stop_col == shape[1]


@dataclass(slots=True)
class Seams:
    """The components that touch tile edges, and which of them are one across a seam.

    Attributes
    ----------
    connectivity : {4, 8}
    width : int
        Width of the raster in pixels.
    """

    connectivity: int
    width: int
    nodes: int = 0
    links: list[Links] = field(default_factory=list)
    reports: list[tuple[int, IntArray, BoolArray]] = field(default_factory=list)
    above: IntArray = field(init=False)
    current: IntArray = field(init=False)
    left: IntArray = field(init=False)

    def __post_init__(self) -> None:
        """Start above the raster: lines have a pixel more at both ends."""
        self.above = np.full(self.width + 2, -1)
        self.current = self.above.copy()
        self.left = self.above[:0]

    def add(self, report: TileReport) -> None:
        """Join a tile, in row-major order, to those above and to the left."""
        core = report.tile.core
        top, bottom, left, right = (
            np.where(edge < 0, -1, edge + self.nodes) for edge in report.edges
        )
        if core.col == 0:
            self.above, self.current = self.current, np.full(self.width + 2, -1)
            self.left = np.full(core.height, -1)
        self._link(self.above[core.col : core.stop_col + 2], np.pad(top, 1, constant_values=-1))
        self._link(self.left, left)
        self.current[core.col + 1 : core.stop_col + 1] = bottom
        self.left = right
        self.nodes += report.area.size
        self.reports.append((report.tile.index, report.area, report.marked))

    def _link(self, one: IntArray, other: IntArray) -> None:
        pairs = [(one, other)]
        if self.connectivity == 8:
            pairs += [(one[:-1], other[1:]), (one[1:], other[:-1])]
        for a, b in pairs:
            both = (a >= 0) & (b >= 0)
            if both.any():
                self.links.append(_drop_repeats(a[both], b[both]))

    def decide(self, rule: Rule) -> dict[int, BoolArray]:
        """Return, for every tile that has to change, which of its components do."""
        links = self.links or [(np.empty(0, np.int64), np.empty(0, np.int64))]
        joined = tuple(np.concatenate(side) for side in zip(*links, strict=True))
        count, label = group(self.nodes, (joined[0], joined[1]))
        area = np.concatenate([area for _, area, _ in self.reports])
        marked = np.concatenate([marked for _, _, marked in self.reports])
        chosen = rule.holds(
            np.bincount(label, area, count).astype(np.int64),
            np.bincount(label, marked, count) > 0,
        )[label]
        bounds = np.cumsum([area.size for _, area, _ in self.reports])[:-1]
        parts = zip(self.reports, np.split(chosen, bounds), strict=True)
        return {report[0]: part for report, part in parts if part.any()}


def _drop_repeats(a: IntArray, b: IntArray) -> Links:
    """Keep one of equal pairs that follow one another."""
    new = np.ones(a.size, np.bool_)
    new[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    return a[new], b[new]
