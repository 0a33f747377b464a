"""Objects of a map against objects of the reference, matched pixel-exactly across tiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, maximum_bipartite_matching

from geochange.blocks import BoolArray
from geochange.evaluation.counts import divide
from geochange.tiles import Tile

IdArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ObjectCounts:
    """Objects matched one to one; adding two pools them. Undefined scores are nan.

    Attributes
    ----------
    tp : int
        Mapped objects that have a partner in the reference.
    fp, fn : int
        Mapped objects without a partner, reference objects without one.

    Examples
    --------
    >>> ObjectCounts(tp=3, fp=1, fn=2).f1
    0.6666666666666666
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: ObjectCounts) -> ObjectCounts:
        return ObjectCounts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        """Share of mapped objects that are true."""
        return divide(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of true objects that are mapped."""
        return divide(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall of objects."""
        return divide(2 * self.tp, 2 * self.tp + self.fp + self.fn)


@dataclass(frozen=True, slots=True)
class Edges:
    """Object numbers along the border of one tile; 0 is none."""

    top: IdArray
    bottom: IdArray
    left: IdArray
    right: IdArray

    @classmethod
    def of(cls, ids: IdArray) -> Edges:
        """Copy the border of a tile, int64 (H, W), and let the tile go."""
        return cls(ids[0].copy(), ids[-1].copy(), ids[:, 0].copy(), ids[:, -1].copy())

    def shift(self, offset: int) -> Edges:
        """Make numbers of a tile unique in the grid."""
        sides = (self.top, self.bottom, self.left, self.right)
        return Edges(*(np.where(side > 0, side + offset, 0) for side in sides))


@dataclass(frozen=True, slots=True)
class TileObjects:
    """What one tile knows of objects.

    Attributes
    ----------
    tile : Tile
    overlap : int64 (n, 3)
        Mapped object, reference object, pixels that are in both; object 0 is none.
    mapped : Edges
    reference : Edges or None
        None when the reference numbers its objects itself, the same in every tile.
    """

    tile: Tile
    overlap: IdArray
    mapped: Edges
    reference: Edges | None


def find_objects(
    tile: Tile,
    mapped: BoolArray,
    changed: BoolArray,
    ids: NDArray[np.int32] | None,
    connectivity: int,
) -> TileObjects:
    """Find the objects of one tile and measure how they overlap.

    Parameters
    ----------
    tile : Tile
    mapped, changed : bool (H, W)
        Change in map and reference, both False where either is unknown.
    ids : int32 (H, W) or None
        The reference's own objects; None to take connected pixels of ``changed``.
    connectivity : {4, 8}
    """
    ours = label_components(mapped, connectivity)
    if ids is None:
        theirs = label_components(changed, connectivity)
    else:
        theirs = np.where(changed, ids, 0).astype(np.int64)
    return TileObjects(
        tile,
        count_overlap(ours, theirs),
        Edges.of(ours),
        Edges.of(theirs) if ids is None else None,
    )


def label_components(change: BoolArray, connectivity: int) -> IdArray:
    """Give connected pixels one number from 1 on, int64 (H, W)."""
    structure = ndimage.generate_binary_structure(2, 2 if connectivity == 8 else 1)
    return np.asarray(ndimage.label(change, structure, output=np.int64)[0])


def count_overlap(ours: IdArray, theirs: IdArray) -> IdArray:
    """Return rows of (our object, their object, pixels) for all that are not (0, 0)."""
    some = (ours > 0) | (theirs > 0)
    base = int(theirs.max(initial=0)) + 1
    pairs, pixels = np.unique(ours[some] * base + theirs[some], return_counts=True)
    return np.stack([pairs // base, pairs % base, pixels], axis=1)


@dataclass(slots=True)
class SeamLinks:
    """Which numbers on two sides of a tile seam are one object. Tiles come in row-major order.

    Only the last row of tiles is remembered, so memory grows with the width of the grid.
    """

    width: int
    connectivity: int
    count: int = field(default=0, init=False)
    above: IdArray = field(init=False)
    current: IdArray = field(init=False)
    left: IdArray = field(init=False)
    links: list[IdArray] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.above = np.zeros(self.width + 2, np.int64)
        self.current = np.zeros(self.width + 2, np.int64)

    def add(self, tile: Tile, edges: Edges, count: int) -> int:
        """Link a tile of ``count`` objects to its neighbours; return its numbers' offset."""
        offset, self.count = self.count, self.count + count
        edges = edges.shift(offset)
        core = tile.core
        if core.col == 0:
            self.above, self.current = self.current, np.zeros_like(self.current)
        else:
            self._link(edges.left, np.pad(self.left, 1))
        self._link(edges.top, self.above[core.col : core.stop_col + 2])
        self.current[core.col + 1 : core.stop_col + 1] = edges.bottom
        self.left = edges.right
        return offset

    def _link(self, here: IdArray, there: IdArray) -> None:
        """Link a border (n,) to the padded border (n + 2,) that it touches."""
        for step in (0, 1, 2) if self.connectivity == 8 else (1,):
            other = there[step : step + here.size]
            both = (here > 0) & (other > 0)
            self.links.append(np.unique(np.stack([here[both], other[both]], axis=1), axis=0))

    def resolve(self) -> IdArray:
        """Return the final number of every number handed out, (count + 1,); 0 stays 0."""
        size = self.count + 1
        links = np.concatenate([np.zeros((0, 2), np.int64), *self.links])
        graph = coo_array((np.ones(len(links), np.bool_), (links[:, 0], links[:, 1])), (size, size))
        return np.asarray(connected_components(graph, directed=False)[1], np.int64)


@dataclass(slots=True)
class ObjectMatcher:
    """Gathers tiles in row-major order, then matches objects; memory grows with their number.

    Parameters
    ----------
    width : int
        Columns of the grid.
    connectivity : {4, 8}
        Neighbours that make pixels one object.

    Examples
    --------
    >>> from geochange.tiles import TilePlan
    >>> tile = TilePlan((2, 5), size=8)[0]
    >>> mapped = np.array([[1, 1, 0, 0, 1], [1, 1, 0, 0, 0]], bool)
    >>> changed = np.array([[1, 1, 0, 0, 0], [1, 0, 0, 0, 0]], bool)
    >>> matcher = ObjectMatcher(width=5).add(find_objects(tile, mapped, changed, None, 8))
    >>> matcher.match(iou=0.5)
    ObjectCounts(tp=1, fp=1, fn=0)
    """

    width: int
    connectivity: int = 8
    mapped: SeamLinks = field(init=False)
    reference: SeamLinks = field(init=False)
    own_ids: bool = field(default=False, init=False)
    overlaps: list[IdArray] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.mapped = SeamLinks(self.width, self.connectivity)
        self.reference = SeamLinks(self.width, self.connectivity)

    def add(self, found: TileObjects) -> Self:
        """Take the objects of the next tile."""
        overlap = found.overlap.copy()
        last = overlap.max(axis=0, initial=0)
        offset = self.mapped.add(found.tile, found.mapped, int(last[0]))
        overlap[overlap[:, 0] > 0, 0] += offset
        if found.reference is None:
            self.own_ids = True
        else:
            offset = self.reference.add(found.tile, found.reference, int(last[1]))
            overlap[overlap[:, 1] > 0, 1] += offset
        self.overlaps.append(overlap)
        return self

    def match(self, iou: float = 0.5) -> ObjectCounts:
        """Match as many objects as possible one to one where their IoU is at least ``iou``.

        From 0.5 on an object has one candidate, or equal ones; below, the largest matching counts
        (Hopcroft and Karp 1973, doi:10.1137/0202019).
        """
        overlap = np.concatenate([np.zeros((0, 3), np.int64), *self.overlaps])
        ours = self.mapped.resolve()[overlap[:, 0]]
        theirs = overlap[:, 1] if self.own_ids else self.reference.resolve()[overlap[:, 1]]
        return match_overlaps(ours, theirs, overlap[:, 2], iou)


def match_overlaps(ours: IdArray, theirs: IdArray, pixels: IdArray, iou: float) -> ObjectCounts:
    """Match objects given (n,) pairs of numbers, 0 for none, and the pixels of each pair."""
    shape = int(ours.max(initial=0)) + 1, int(theirs.max(initial=0)) + 1
    table = coo_array((pixels, (ours, theirs)), shape)
    our_size, their_size = table.sum(axis=1), table.sum(axis=0)
    table.sum_duplicates()
    inside = (table.row > 0) & (table.col > 0)
    row, col, common = table.row[inside], table.col[inside], table.data[inside]
    near = common >= iou * (our_size[row] + their_size[col] - common)
    graph = coo_array((np.ones(near.sum(), np.bool_), (row[near], col[near])), shape).tocsr()
    matched = int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())
    total_ours = np.count_nonzero(our_size[1:])
    total_theirs = np.count_nonzero(their_size[1:])
    return ObjectCounts(matched, int(total_ours) - matched, int(total_theirs) - matched)
