"""Few rectangles that cover chosen cells of a lattice, margins counted in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

Place = tuple[slice, slice]
AROUND = np.ones((3, 3), np.bool_)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Rows and columns of cells, half-open."""

    top: int
    left: int
    bottom: int
    right: int

    def join(self, other: Rectangle) -> Rectangle:
        """Return the smallest rectangle that holds both."""
        return Rectangle(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def cost(self, margin: float) -> float:
        """Return the area with a margin, both in cells."""
        return (self.bottom - self.top + 2 * margin) * (self.right - self.left + 2 * margin)


def cover_cells(
    kept: NDArray[np.bool_], cell_px: int, halo: int, step: int, shape: tuple[int, int]
) -> list[tuple[Place, Place]]:
    """Return parts of an image to look at so that all kept cells are seen.

    Parameters
    ----------
    kept : bool (rows, cols)
        Cells.
    cell_px, halo, step : int
        Edge of a cell, margin to see around it, and what a part's corner must be a multiple of,
        in pixels.
    shape : tuple of int
        ``(height, width)`` of the image in pixels; parts end there.

    Returns
    -------
    list of (part, inner)
        Rows and columns with and without the margin; inner parts cover the kept cells. One part
        where several would be larger together than the image.

    Examples
    --------
    >>> cover_cells(np.eye(2, dtype=bool)[:1], 64, 8, 8, (100, 100))
    [((slice(0, 72, None), slice(0, 72, None)), (slice(0, 64, None), slice(0, 64, None)))]
    """
    numbers, _ = label(kept, AROUND)
    found = [
        Rectangle(rows.start, cols.start, rows.stop, cols.stop)
        for rows, cols in find_objects(numbers)
    ]
    chosen = join_near(found, halo / cell_px)
    parts = [_place(one, cell_px, halo, step, shape) for one in chosen]
    if sum(_count(part) for part, _ in parts) < shape[0] * shape[1]:
        return parts
    return [_place(reduce(Rectangle.join, chosen), cell_px, halo, step, shape)]


def join_near(rectangles: list[Rectangle], margin: float) -> list[Rectangle]:
    """Join rectangles where one with its margin costs no more than two with theirs.

    Examples
    --------
    >>> join_near([Rectangle(0, 0, 1, 1), Rectangle(0, 2, 1, 3)], margin=1.0)
    [Rectangle(top=0, left=0, bottom=1, right=3)]
    """
    todo, done = list(rectangles), []
    while todo:
        one = todo.pop()
        for index, other in enumerate(todo):
            both = one.join(other)
            if both.cost(margin) <= one.cost(margin) + other.cost(margin):
                todo[index] = both
                break
        else:
            done.append(one)
    return done[::-1]


def _count(part: Place) -> int:
    rows, cols = part
    return int((rows.stop - rows.start) * (cols.stop - cols.start))


def _place(
    cells: Rectangle, cell_px: int, halo: int, step: int, shape: tuple[int, int]
) -> tuple[Place, Place]:
    part, inner = [], []
    spans = (cells.top, cells.bottom), (cells.left, cells.right)
    for (first, last), edge in zip(spans, shape, strict=True):
        start, stop = first * cell_px, min(last * cell_px, edge)
        part.append(slice(max(0, (start - halo) // step * step), min(edge, stop + halo)))
        inner.append(slice(start, stop))
    return (part[0], part[1]), (inner[0], inner[1])
