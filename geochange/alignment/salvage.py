"""Read what can be read of a damaged input: pieces that fail are invalid, the rest is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from geochange.blocks import PairBlock
from geochange.errors import InputError
from geochange.tiles import Tile, Window

LEAST_PX = 64
"""Pieces are halved down to about this edge; a damaged block costs at most that much around it."""
ReadWindow = Callable[[Window], PairBlock]


def read_pieces(
    read: ReadWindow, tile: Tile, least_px: int = LEAST_PX
) -> tuple[PairBlock, list[tuple[Window, str]]]:
    """Read a tile whose input is damaged somewhere, by ever smaller windows.

    Parameters
    ----------
    read : callable
        From a window to its block; raises InputError where the input cannot be read.
    tile : Tile
        ``tile.read`` is what is read.
    least_px : int
        Windows of at most this edge are not halved any more.

    Returns
    -------
    block : PairBlock
        Of ``tile.read``; pixels that cannot be read are invalid and 0.
    lost : list of (Window, str)
        The windows that could not be read, each with the reason.

    Raises
    ------
    InputError
        Not one pixel of the tile can be read.

    Examples
    --------
    >>> from geochange.tiles import TilePlan
    >>> def read(window):
    ...     if window.row < 8:
    ...         raise InputError("cannot read a.tif")
    ...     ones = np.ones((1, *window.shape), np.float32)
    ...     return PairBlock(ones, ones, np.ones(window.shape, bool), Tile(0, window, window))
    >>> block, lost = read_pieces(read, TilePlan((16, 16), size=16)[0], least_px=8)
    >>> int(block.valid.sum()), lost[0]
    (128, (Window(row=0, col=0, height=8, width=8), 'cannot read a.tif'))
    """
    lost: list[tuple[Window, str]] = []
    found = list(_read_halves(read, tile.read, least_px, lost))
    if not found:
        raise InputError(lost[0][1])
    first = found[0][1]
    shape = tile.read.shape
    before = np.zeros((len(first.before), *shape), np.float32)
    after = np.zeros((len(first.after), *shape), np.float32)
    valid = np.zeros(shape, np.bool_)
    for window, block in found:
        place = window.slices_in(tile.read)
        before[:, *place], after[:, *place] = block.before, block.after
        valid[place] = block.valid
    return replace(first, before=before, after=after, valid=valid, tile=tile), lost


def _read_halves(
    read: ReadWindow, window: Window, least_px: int, lost: list[tuple[Window, str]]
) -> Iterator[tuple[Window, PairBlock]]:
    try:
        block = read(window)
    except InputError as error:
        if max(window.shape) <= least_px:
            lost.append((window, str(error)))
            return
        for part in _halve(window):
            yield from _read_halves(read, part, least_px, lost)
    else:
        yield window, block


def _halve(window: Window) -> tuple[Window, Window]:
    """Cut the longer side in two."""
    row, col, height, width = window.row, window.col, window.height, window.width
    if height >= width:
        top = height // 2
        return Window(row, col, top, width), Window(row + top, col, height - top, width)
    left = width // 2
    return Window(row, col, height, left), Window(row, col + left, height, width - left)
