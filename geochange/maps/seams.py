"""Which components of neighbouring tiles are one across their seams, and which of them change.

Tiles come in row-major order. Once a row of tiles is complete, all components that do not reach its
last row of pixels are decided and let go of, so memory holds one row of tiles and what was chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray
from geochange.maps.runs import IntArray, Links, group
from geochange.tiles import Tile

EdgeArray = NDArray[np.int32]
Holds = Callable[[IntArray, BoolArray], BoolArray]
"""From areas in pixels (N,) and marks (N,) to bool (N,): the components that change. A component
that does not hold must not hold either once it has grown or is marked."""


@dataclass(frozen=True, slots=True)
class TileReport:
    """What the tiles around need to know of one tile: its components that touch an edge.

    Attributes
    ----------
    tile : Tile
    edges : list of int32 arrays
        Components along the top, bottom, left and right edge, -1 where none.
    start : int64 (N,)
        Place in the tile of the first pixel of each, which names it.
    area, marked : int64 (N,), bool (N,)
    """

    tile: Tile
    edges: list[EdgeArray]
    start: IntArray
    area: IntArray
    marked: BoolArray


@dataclass(frozen=True, slots=True)
class Members:
    """Components of tiles, each a part of one component of the raster.

    Attributes
    ----------
    tile, start : int64 (N,)
        Index of the tile, place of the first pixel there.
    whole : int64 (N,)
        Component of the raster.
    """

    tile: IntArray
    start: IntArray
    whole: IntArray

    def take(self, which: BoolArray | IntArray) -> Members:
        """Return the selected members."""
        return Members(self.tile[which], self.start[which], self.whole[which])


def _join(*several: Members) -> Members:
    names = Members.__slots__
    return Members(*(np.concatenate([getattr(one, name) for one in several]) for name in names))


def _no_members() -> Members:
    none = np.empty(0, np.int64)
    return Members(none, none, none)


@dataclass(slots=True)
class Seams:
    """The components that touch tile edges, joined row of tiles by row of tiles.

    Attributes
    ----------
    holds : callable
        See :data:`Holds`.
    connectivity : {4, 8}
    width : int
        Width of the raster in pixels.
    area, marked : lists of int64 and bool arrays
        Of the components that reach the last row of pixels, then those of the current row of tiles.
    waiting : Members
        Of components that reach the last row of pixels and hold so far.
    """

    holds: Holds
    connectivity: int
    width: int
    area: list[IntArray] = field(default_factory=lambda: [np.empty(0, np.int64)])
    marked: list[BoolArray] = field(default_factory=lambda: [np.empty(0, np.bool_)])
    links: list[Links] = field(default_factory=list)
    waiting: Members = field(default_factory=_no_members)
    fresh: list[Members] = field(default_factory=list)
    chosen: list[Members] = field(default_factory=list)
    nodes: int = 0
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
            np.where(edge < 0, np.int64(-1), edge + self.nodes) for edge in report.edges
        )
        if core.col == 0:
            self.left = np.full(core.height, -1)
        self._link(self.above[core.col : core.stop_col + 2], np.pad(top, 1, constant_values=-1))
        self._link(self.left, left)
        self.current[core.col + 1 : core.stop_col + 1] = bottom
        self.left = right
        nodes = np.arange(self.nodes, self.nodes + report.area.size)
        tile = np.full_like(nodes, report.tile.index)
        self.fresh.append(Members(tile, report.start, nodes))
        self.area.append(report.area)
        self.marked.append(report.marked)
        self.nodes += nodes.size
        if core.stop_col == self.width:
            self._close_row()

    def _link(self, one: IntArray, other: IntArray) -> None:
        pairs = [(one, other)]
        if self.connectivity == 8:
            pairs += [(one[:-1], other[1:]), (one[1:], other[:-1])]
        for a, b in pairs:
            both = (a >= 0) & (b >= 0)
            if both.any():
                self.links.append(_drop_repeats(a[both], b[both]))

    def _close_row(self) -> None:
        """Decide on the components that end in this row of tiles, and number the others anew."""
        count, label = group(self.nodes, _concatenate(self.links))
        area = np.bincount(label, np.concatenate(self.area), count).astype(np.int64)
        marked = np.bincount(label, np.concatenate(self.marked), count) > 0
        reached = self.current >= 0
        is_open = np.zeros(count, np.bool_)
        is_open[label[self.current[reached]]] = True
        members = _join(self.waiting, *self.fresh)
        whole = label[members.whole]
        members = Members(members.tile, members.start, whole).take(self.holds(area, marked)[whole])
        still = is_open[members.whole]
        if not still.all():
            self.chosen.append(members.take(~still))
        name = np.cumsum(is_open) - 1
        waiting = members.take(still)
        self.waiting = Members(waiting.tile, waiting.start, name[waiting.whole])
        self.above = np.full(self.width + 2, -1)
        self.above[reached] = name[label[self.current[reached]]]
        self.current = np.full(self.width + 2, -1)
        self.area, self.marked = [area[is_open]], [marked[is_open]]
        self.links, self.fresh, self.nodes = [], [], int(is_open.sum())

    def decide(self) -> dict[int, IntArray]:
        """Return the ``start`` of all chosen components of every tile that has to change."""
        members = _join(*self.chosen, self.waiting)
        members = members.take(np.argsort(members.tile, kind="stable"))
        tiles, first = np.unique(members.tile, return_index=True)
        parts = np.split(members.start, first)[1:]
        return dict(zip(tiles.tolist(), parts, strict=True))


def _concatenate(links: list[Links]) -> Links:
    none = np.empty(0, np.int64)
    first, second = zip((none, none), *links, strict=True)
    return np.concatenate(first), np.concatenate(second)


def _drop_repeats(a: IntArray, b: IntArray) -> Links:
    """Keep one of equal pairs that follow one another."""
    new = np.ones(a.size, np.bool_)
    new[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    return a[new], b[new]
