"""Corners of rectilinear regions, and the rings and polygons that they make.

A vertex exists only where a 2 x 2 neighbourhood is neither uniform nor straight, so the corners of
a region are the same however it is cut into tiles: there is nothing to join at a seam, and no
tolerance. Along every grid line corners alternate between the ends of boundary segments, so sorting
them pairs each with its neighbours (O'Rourke 1988, Uniqueness of orthogonal connect-the-dots).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, depth_first_order

from geochange.blocks import BoolArray
from geochange.maps.runs import IntArray, Links, Runs

GeometryArray = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Corners:
    """Corners of the boundary of 4-connected regions, each with its two segments.

    Attributes
    ----------
    at : int64 (N,)
        Vertex as ``row * stride + column``; a vertex where two pixels of the foreground meet
        diagonally is there twice.
    right, down : bool (N,)
        The horizontal segment leads right (else left), the vertical one down (else up).
    out : bool (N,)
        Walking with the region on the right (rows downwards), the horizontal segment leads away.
    part : int64 (N,)
        Region that the corner belongs to.
    """

    at: IntArray
    right: BoolArray
    down: BoolArray
    out: BoolArray
    part: IntArray

    def take(self, which: NDArray[np.bool_] | IntArray) -> Corners:
        """Return the selected corners."""
        return Corners(
            self.at[which], self.right[which], self.down[which], self.out[which], self.part[which]
        )

    def renamed(self, part: IntArray) -> Corners:
        """Return the same corners with region ``part[p]`` in place of ``p``."""
        return Corners(self.at, self.right, self.down, self.out, part[self.part])


def join_corners(*several: Corners) -> Corners:
    """Return all corners in one value."""
    names = Corners.__slots__
    return Corners(*(np.concatenate([getattr(one, name) for one in several]) for name in names))


def find_corners(runs: Runs, first_new: int, stop_row: int) -> tuple[Corners, Links]:
    """Return the corners at the upper ends of new and the lower ends of surrounded runs.

    Parameters
    ----------
    runs : Runs
        Runs may abut within a row; the edge between two that do is none.
    first_new : int
        Runs before it are of the row above the new ones; their upper corners were found before.
    stop_row : int
        End of the rows that ``runs`` covers; lower corners of the last row are left for later.

    Returns
    -------
    corners : Corners
        ``part`` is the index of the run.
    diagonals : two int64 (M,)
        Pairs of runs that meet diagonally at a vertex.
    """
    edges, owner = _vertical_edges(runs)
    new = np.arange(int(np.searchsorted(owner, first_new)), edges.size)
    shown = np.arange(int(np.searchsorted(edges, (stop_row - 1) * runs.stride)))
    upper, facing, crossing = _chain_ends(edges, new, -runs.stride)
    lower, _, _ = _chain_ends(edges, shown, runs.stride)
    start_up, start_low = upper.index % 2 == 0, lower.index % 2 == 0
    corners = Corners(
        np.concatenate([edges[upper.index], edges[lower.index] + runs.stride]),
        np.concatenate([start_up ^ upper.concave, start_low ^ lower.concave]),
        np.repeat([True, False], [upper.index.size, lower.index.size]),
        np.concatenate([start_up, ~start_low]),
        np.concatenate([owner[upper.index], owner[lower.index]]),
    )
    return corners, (owner[facing], owner[crossing])


def _vertical_edges(runs: Runs) -> tuple[IntArray, IntArray]:
    """Return all true vertical edges, left and right in turn, and the run of each."""
    edges = np.stack([runs.starts, runs.stops], axis=1).ravel()
    true = np.ones(edges.size, np.bool_)
    same = edges[1:] == edges[:-1]
    true[1:] &= ~same
    true[:-1] &= ~same
    return edges[true], np.flatnonzero(true) // 2


@dataclass(frozen=True, slots=True)
class _ChainEnds:
    index: IntArray
    concave: BoolArray


def _chain_ends(
    edges: IntArray, index: IntArray, step: int
) -> tuple[_ChainEnds, IntArray, IntArray]:
    """Return which edges do not go straight on in the next row, and the diagonal pairs."""
    beyond = edges[index] + step
    position = np.searchsorted(edges, beyond)
    met = edges[np.minimum(position, edges.size - 1)] == beyond if edges.size else beyond > 0
    differs = ((position ^ index) & 1).astype(np.bool_)
    diagonal = met & differs
    ends = ~met | diagonal
    concave = ~met & (position & 1).astype(np.bool_)
    return _ChainEnds(index[ends], concave[ends]), index[diagonal], position[diagonal]


def assemble_polygons(
    corners: Corners, component: IntArray, count: int, stride: int
) -> GeometryArray:
    """Build one geometry per component from all of its corners.

    Parameters
    ----------
    corners : Corners
        Complete: all corners of every region named.
    component : int64 (parts,)
        Component of each 4-connected region.
    count : int
        Number of components.
    stride : int
        Vertices in a row.

    Returns
    -------
    object (count,)
        Polygon of a component of one 4-connected region, else MultiPolygon, in pixel coordinates
        (x = column, y = row, corners of pixels at integers); shells start at their top-left vertex.
    """
    corners, down = _order(corners)
    order, first = _trace(_follow(corners, down, stride))
    start = order[first]
    part = corners.part[start]
    by_part = np.full(component.size, corners.at.size)
    np.minimum.at(by_part, part, start)
    ring = np.lexsort((start, by_part[part], component[part]))
    coordinates, offsets = _close(corners.at[order], first, ring, stride)
    new_part = np.flatnonzero(np.diff(part[ring], prepend=-1))
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, coordinates, (offsets, np.append(new_part, ring.size))
    )
    return _collect(polygons, component[part[ring][new_part]], count)


def _order(corners: Corners) -> tuple[Corners, BoolArray]:
    """Sort along rows, and part the two corners of a region that meets itself at a vertex.

    There the shell and a hole, or two holes, must touch instead of one ring crossing itself: the
    two corners exchange their vertical segments.
    """
    corners = corners.take(np.argsort(corners.at * 2 + corners.right))
    same = (corners.at[1:] == corners.at[:-1]) & (corners.part[1:] == corners.part[:-1])
    down = corners.down.copy()
    down[1:] ^= same
    down[:-1] ^= same
    return corners, down


def _follow(corners: Corners, down: BoolArray, stride: int) -> NDArray[np.int32]:
    """Return the next corner of each along its ring; corners are sorted along rows."""
    row, col = np.divmod(corners.at, stride)
    height = int(row[-1]) + 1 if row.size else 1
    column = np.argsort((col * height + row) * 2 + down).astype(np.int32)
    vertical = np.empty_like(column)
    vertical[column[0::2]] = column[1::2]
    vertical[column[1::2]] = column[0::2]
    horizontal = np.arange(column.size, dtype=np.int32) ^ 1
    return np.where(corners.out, horizontal, vertical)


def _trace(following: NDArray[np.int32]) -> tuple[IntArray, IntArray]:
    """Return the nodes ring after ring, each from its lowest node on, and where each ring begins.

    The rings are cut at their lowest nodes and chained, so one walk in compiled code visits all.
    """
    size = following.size
    if size == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    nodes = np.arange(size)
    count, ring = connected_components(_graph(following), connection="strong")
    lowest = np.empty(count, np.int64)
    lowest[ring[::-1]] = nodes[::-1]
    lowest.sort()
    last = np.empty(size, np.int64)
    last[following] = nodes
    chained = following.copy()
    chained[last[lowest]] = np.roll(lowest, -1)
    order = depth_first_order(_graph(chained), int(lowest[0]), return_predecessors=False)
    return order.astype(np.int64), np.flatnonzero(np.diff(ring[order], prepend=-1))


def _graph(following: NDArray[np.int32]) -> csr_array:
    size = following.size
    pointers = np.arange(size + 1, dtype=np.int32)
    return csr_array((np.ones(size), following, pointers), shape=(size, size))


def _close(
    vertices: IntArray, first: IntArray, ring: IntArray, stride: int
) -> tuple[NDArray[np.float64], IntArray]:
    """Return coordinates (N, 2) of closed rings in the order ``ring``, and their offsets."""
    length = np.diff(first, append=vertices.size)[ring]
    offsets = np.concatenate([[0], np.cumsum(length + 1)])
    step = np.arange(offsets[-1]) - np.repeat(offsets[:-1], length + 1)
    step[offsets[1:] - 1] = 0
    row, col = np.divmod(vertices[np.repeat(first[ring], length + 1) + step], stride)
    return np.stack([col, row], axis=1).astype(np.float64), offsets


def _collect(polygons: GeometryArray, component: IntArray, count: int) -> GeometryArray:
    """Return one geometry per component; ``component`` is sorted."""
    parts = np.bincount(component, minlength=count)
    geometry = np.empty(count, np.object_)
    geometry[component] = polygons
    several = parts[component] > 1
    if several.any():
        names, index = np.unique(component[several], return_inverse=True)
        geometry[names] = shapely.multipolygons(polygons[several], indices=index)
    return geometry
