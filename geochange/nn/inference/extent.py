"""Where in a batch of tiles there is anything to see."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor

Extent = tuple[slice, slice]
"""Rows and columns."""


def group_extents(valid: Tensor, step: int) -> list[tuple[list[int], Extent]]:
    """Group tiles by the rows and columns that hold their valid pixels.

    Tiles at the edge of an image see nothing beyond it: what lies there need not be computed, and
    the network then meets the edge as it does that of any image.

    Parameters
    ----------
    valid : bool (N, H, W)
        On the CPU.
    step : int
        Extents begin at multiples of it, as tiles do.

    Returns
    -------
    list of (tiles, extent)
        Indices of the tiles that have it; tiles without a valid pixel are in none.

    Examples
    --------
    >>> valid = torch.zeros(3, 16, 16, dtype=torch.bool)
    >>> valid[0, 10:12, 3:16] = True
    >>> valid[2] = valid[0]
    >>> group_extents(valid, 8)
    [([0, 2], (slice(8, 12, None), slice(0, 16, None)))]
    """
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for tile, mask in enumerate(valid):
        rows, cols = (_find_range(mask.any(dim=axis), step) for axis in (1, 0))
        if rows[1]:
            groups[(*rows, *cols)].append(tile)
    return [(tiles, (slice(a, b), slice(c, d))) for (a, b, c, d), tiles in groups.items()]


def _find_range(line: Tensor, step: int) -> tuple[int, int]:
    places = torch.nonzero(line).flatten()
    if not len(places):
        return 0, 0
    return int(places[0]) // step * step, int(places[-1]) + 1
