"""A first whole-pixel shift for dates that lie far apart, from large windows seen coarsely."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray
from geochange.io.grids.displacement import Displacement
from geochange.registration.correlation import find_peak
from geochange.registration.structure import HALO_PX, show_structure
from geochange.registration.ties import MIN_CORRELATION, MIN_RATIO, NO_MATCH, USED, Date, Tie
from geochange.tiles import Tile, Window

MAX_SHIFT_PX = 100
LARGE_WINDOW_PX = 512
WINDOWS_A_SIDE = 3
LONE_RATIO = 1.5
"""What the one window of a small grid must show."""


def plan_search(shape: tuple[int, int]) -> tuple[list[Tile], int]:
    """Return large windows spread over a grid, and the pixels that are seen as one.

    Examples
    --------
    >>> tiles, factor = plan_search((256, 300))
    >>> len(tiles), tiles[0].core, factor
    (1, Window(row=0, col=0, height=256, width=300), 2)
    """
    height, width = (min(length, LARGE_WINDOW_PX) for length in shape)
    rows, cols = _spread(shape[0], height), _spread(shape[1], width)
    windows = [Window(row, col, height, width) for row in rows for col in cols]
    least = min(height, width)
    factor = 4 if least >= 384 else 2 if least >= 128 else 1
    return [Tile(index, window, window) for index, window in enumerate(windows)], factor


def _spread(length: int, size: int) -> list[int]:
    starts = np.linspace(0, length - size, WINDOWS_A_SIDE).astype(int)
    return [int(start) for start in np.unique(starts)]


def search_margin(factor: int) -> int:
    """Return the margin around a large window that must be read, in px."""
    return (math.ceil(MAX_SHIFT_PX / factor) + HALO_PX) * factor


def measure_coarsely(core: Window, factor: int, before: Date, after: Date, matching: str) -> Tie:
    """Find a large window of the before date on the after date.

    Parameters
    ----------
    core : Window
    factor : int
        Pixels along a side that are averaged.
    before, after : float32 (C, H, W), bool (H, W)
        Of ``core`` padded by :func:`search_margin`.
    matching : str

    Returns
    -------
    Tie
    """
    tie = Tie(core.col + core.width / 2, core.row + core.height / 2, NO_MATCH)
    halo, margin = HALO_PX, math.ceil(MAX_SHIFT_PX / factor)
    one, known = show_structure(*average_blocks(*before, factor), matching)
    two, known2 = show_structure(*average_blocks(*after, factor), matching)
    wide, inner = (slice(halo, -halo),) * 2, (slice(margin, -margin),) * 2
    peak = find_peak(one[wide][inner], known[wide][inner], two[wide], known2[wide])
    if peak is None or peak.ratio < MIN_RATIO or peak.height < MIN_CORRELATION:
        return tie
    moved = peak.dx * factor, peak.dy * factor
    return Tie(tie.x, tie.y, USED, *moved, peak.ratio, peak.height, float(factor))


def agree_on_shift(ties: Sequence[Tie], factor: int) -> Displacement | None:
    """Return the whole-pixel shift of most large windows; None where there is none.

    Examples
    --------
    >>> ties = [Tie(0, 0, "used", 40.2, -9.0), Tie(0, 9, "used", 41.0, -9.5), Tie(9, 0, "flat")]
    >>> agree_on_shift(ties, 4).matrix[2::3]
    (41.0, -9.0)
    """
    found = [tie for tie in ties if tie.is_used]
    if not found or (len(found) == 1 and (len(ties) > 1 or found[0].quality < LONE_RATIO)):
        return None
    moved = np.array([(tie.dx, tie.dy) for tie in found])
    near = np.hypot(*(moved[:, None] - moved[None]).transpose(2, 0, 1)) <= 2 * factor
    crowd = near[near.sum(axis=1).argmax()]
    if crowd.sum() < min(2, len(ties)) or 2 * crowd.sum() < len(found):
        return None
    dx, dy = np.rint(moved[crowd].mean(axis=0) + 0.0)
    return Displacement.shift(float(dx), float(dy))


def average_blocks(
    pixels: FloatArray, valid: BoolArray, factor: int
) -> tuple[FloatArray, BoolArray]:
    """Average blocks of pixels; those of which less than half has data have none.

    Parameters
    ----------
    pixels, valid : float32 (C, H, W), bool (H, W)
        Rows and columns that fill no block are left out.
    factor : int

    Returns
    -------
    float32 (C, H // factor, W // factor), bool

    Examples
    --------
    >>> average_blocks(np.float32([[[1, 3], [5, 7]]]), np.ones((2, 2), bool), 2)[0].tolist()
    [[[4.0]]]
    """
    rows, cols = (n // factor for n in valid.shape)
    cut = np.s_[: rows * factor, : cols * factor]

    def pool(values: NDArray[np.float32]) -> NDArray[np.float32]:
        blocks = values.reshape(*values.shape[:-2], rows, factor, cols, factor)
        total: NDArray[np.float32] = blocks.sum(axis=(-3, -1), dtype=np.float32)
        return total

    count = pool(valid[cut].astype(np.float32))
    summed = pool(np.where(valid, pixels, np.float32(0))[:, *cut])
    mean = (summed / np.maximum(count, 1)).astype(np.float32)
    return mean, 2 * count >= factor * factor
