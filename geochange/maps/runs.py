"""Binary pixels as horizontal runs: the form in which components are labelled and traced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geochange.blocks import BoolArray
from geochange.tiles import Window

IntArray = NDArray[np.int64]
Links = tuple[IntArray, IntArray]
"""Pairs of nodes that belong together: two int64 arrays of one length."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Maximal horizontal runs of set pixels in row-major order.

    Attributes
    ----------
    starts, stops : int64 (N,)
        Position of the vertical pixel edge at the left and right end of each run,
        ``row * stride + column`` with columns 0 ... width: a raster of ``width`` pixels has
        ``stride = width + 1`` vertical edges in a row, so runs of two rows never abut.
    stride : int
    """

    starts: IntArray
    stops: IntArray
    stride: int

    def __len__(self) -> int:
        return int(self.starts.size)

    @property
    def lengths(self) -> IntArray:
        """Pixels of each run, int64 (N,)."""
        return self.stops - self.starts

    @property
    def rows(self) -> IntArray:
        """Row of each run, int64 (N,)."""
        return self.starts // self.stride

    @property
    def places(self) -> IntArray:
        """Position of every pixel, run after run, int64 (pixels,)."""
        length = self.lengths
        first = np.cumsum(length) - length
        return np.repeat(self.starts - first, length) + np.arange(int(length.sum()))

    def take(self, which: BoolArray | slice) -> Runs:
        """Return the selected runs."""
        return Runs(self.starts[which], self.stops[which], self.stride)

    def moved(self, window: Window, stride: int) -> Runs:
        """Return the runs of a window in the positions of the whole raster."""
        rows = self.rows
        shift = (rows + window.row) * stride + window.col - rows * self.stride
        return Runs(self.starts + shift, self.stops + shift, stride)


def find_runs(pixels: BoolArray) -> Runs:
    """Return the runs of a boolean array (H, W).

    Examples
    --------
    >>> runs = find_runs(np.array([[1, 1, 0, 1], [0, 0, 1, 1]], bool))
    >>> runs.starts, runs.stops
    (array([0, 3, 7]), array([2, 4, 9]))
    """
    height, width = pixels.shape
    padded = np.zeros(height * (width + 1) + 1, np.bool_)
    padded[1:].reshape(height, width + 1)[:, :width] = pixels
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return Runs(edges[0::2], edges[1::2], width + 1)


def link_runs(runs: Runs, connectivity: int) -> Links:
    """Return every pair of runs that touch: above one another, or end to start in a row.

    Parameters
    ----------
    runs : Runs
    connectivity : {4, 8}
        With 8, pixels that share only a corner touch too.
    """
    reach = 0 if connectivity == 4 else 1
    left, right = runs.starts + runs.stride - reach, runs.stops + runs.stride + reach
    first = np.searchsorted(runs.stops, left, "right")
    count = np.searchsorted(runs.starts, right, "left") - first
    upper = np.repeat(np.arange(len(runs)), count)
    lower = np.arange(upper.size) + np.repeat(first - np.cumsum(count) + count, count)
    abutting = np.flatnonzero(runs.stops[:-1] == runs.starts[1:])
    return np.concatenate([upper, abutting]), np.concatenate([lower, abutting + 1])


def group(count: int, links: Links) -> tuple[int, IntArray]:
    """Return the number of connected groups of ``count`` nodes and the group of each, (count,).

    Examples
    --------
    >>> group(4, (np.array([0, 3]), np.array([2, 2])))
    (2, array([0, 1, 0, 0]))
    """
    if count == 0:
        return 0, np.empty(0, np.int64)
    ones = np.ones(links[0].size, np.bool_)
    graph = coo_array((ones, (links[0], links[1])), shape=(count, count))
    groups, labels = connected_components(graph, directed=False)
    return int(groups), labels.astype(np.int64)


def label_runs(runs: Runs, connectivity: int) -> tuple[int, IntArray]:
    """Return the number of connected components and the component of each run, (N,).

    Examples
    --------
    >>> diagonal = find_runs(np.eye(3, dtype=bool))
    >>> label_runs(diagonal, 8)[0], label_runs(diagonal, 4)[0]
    (1, 3)
    """
    return group(len(runs), link_runs(runs, connectivity))
