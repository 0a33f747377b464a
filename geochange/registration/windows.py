"""Which windows of a grid are measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geochange.tiles import Tile, Window

LEAST_PX, MOST_PX = 64, 128
"""Edge of a window: an eighth of the grid's shorter side, within these."""
STEP_PX = 16
MAX_A_SIDE = 14
FIRST_A_SIDE = 7
"""Windows along a side of a first look, which most pairs need no more than."""


def plan_windows(
    shape: tuple[int, int], most: int = MAX_A_SIDE, *, overlap: bool = False
) -> list[Tile]:
    """Spread square windows evenly over a grid, at most ``most`` along each side.

    A grid smaller than one is one window.

    Parameters
    ----------
    shape : tuple of int
        ``(height, width)`` in pixels.
    most : int
    overlap : bool
        Neighbours may overlap by half.

    Returns
    -------
    list of Tile
        Row by row; ``core`` and ``read`` are both the window.

    Examples
    --------
    >>> tiles = plan_windows((256, 200))
    >>> len(tiles), tiles[0].core, tiles[-1].core
    (12, Window(row=0, col=0, height=64, width=64), Window(row=192, col=136, height=64, width=64))
    """
    eighth = min(shape) // 8 // STEP_PX * STEP_PX
    size = min(max(LEAST_PX, min(eighth, MOST_PX)), *shape)
    apart = size // 2 if overlap else size
    rows, cols = (_spread(length, size, apart, most) for length in shape)
    corners = [(int(row), int(col)) for row in rows for col in cols]
    windows = (Window(row, col, size, size) for row, col in corners)
    return [Tile(index, window, window) for index, window in enumerate(windows)]


def _spread(length: int, edge: int, apart: int, most: int) -> NDArray[np.int64]:
    count = max(1, min(most, (length - edge) // apart + 1))
    if count == 1:
        return np.array([(length - edge) // 2])
    return np.rint(np.linspace(0, length - edge, count)).astype(np.int64)
