"""Opening and closing by a disc, aware of pixels of which nothing is known.

Unknown pixels are never change. Erosion counts them as change, so they eat nothing of the change
beside them; dilation starts from known pixels only, so they let nothing grow. Hence an opening only
takes away and a closing only adds, next to nodata and to the border of the raster as elsewhere.
"""

from __future__ import annotations

import math

import numpy as np

from geochange.blocks import BoolArray


def dilate(pixels: BoolArray, radius: int) -> BoolArray:
    """Dilate (H, W) by the disc ``dx**2 + dy**2 <= radius**2``; nothing comes from outside.

    Rows are widened step by step and each width is used at the heights where the disc has it, so
    the cost grows with the radius, not with the area of the disc.

    Examples
    --------
    >>> dilate(np.eye(3, dtype=bool) & np.eye(3, dtype=bool)[::-1], 1).astype(int)
    array([[0, 1, 0],
           [1, 1, 1],
           [0, 1, 0]])
    """
    out = np.zeros_like(pixels)
    wide = pixels
    width = 0
    for dy in range(radius, -1, -1):
        while width < math.isqrt(radius**2 - dy**2):
            wide = _widen(wide)
            width += 1
        height = pixels.shape[0] - dy
        if height > 0:
            out[:height] |= wide[dy:]
            out[dy:] |= wide[:height]
    return out


def _widen(pixels: BoolArray) -> BoolArray:
    out = pixels.copy()
    out[:, 1:] |= pixels[:, :-1]
    out[:, :-1] |= pixels[:, 1:]
    return out


def erode(pixels: BoolArray, radius: int) -> BoolArray:
    """Erode (H, W) by the disc; what lies outside takes nothing away."""
    return ~dilate(~pixels, radius)


def open_change(change: BoolArray, known: BoolArray, radius: int) -> BoolArray:
    """Remove change into which no disc of ``radius`` px fits, (H, W)."""
    return dilate(erode(change | ~known, radius) & known, radius) & change


def close_change(change: BoolArray, known: BoolArray, radius: int) -> BoolArray:
    """Fill gaps into which no disc of ``radius`` px fits, (H, W)."""
    return erode(dilate(change, radius) | ~known, radius) & known
