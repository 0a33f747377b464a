"""What a small shift explains: local ranges of values, and how far a pixel leaves them."""

from __future__ import annotations

import numpy as np

from geochange.blocks import FloatArray
from geochange.detectors.neighbourhoods.pieces import slide

Range = tuple[FloatArray, FloatArray]


def local_range(band: FloatArray, radius: int, stride: int) -> Range:
    """Return the least and the greatest value within ``radius`` px of each pixel.

    Parameters
    ----------
    band : float32 (L,)
        Rows of ``stride`` pixels, end to end; NaN has no say.
    radius : int
        In pixels, along rows and columns.
    stride : int

    Returns
    -------
    low, high : float32 (L',)
        Trimmed by ``radius``: see :func:`geochange.detectors.neighbourhoods.pieces.trim`.

    Examples
    --------
    >>> band = np.array([1, 2, 3, 4, np.nan, 6, 7, 8, 9], np.float32)
    >>> local_range(band, 1, stride=3)
    (array([1.], dtype=float32), array([9.], dtype=float32))
    """
    if radius == 0:
        return band.copy(), band.copy()
    size = 2 * radius + 1
    return slide(np.fmin, band, size, stride), slide(np.fmax, band, size, stride)


def leave_ranges(
    x: FloatArray, y: FloatArray, of_x: Range, of_y: Range, slack: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return how far ``x`` lies outside the range of ``y``, or ``y`` outside that of ``x``.

    Parameters
    ----------
    x, y : float32 (L,)
    of_x, of_y : pair of float32 (L,)
        Results of :func:`local_range`; overwritten.
    slack : float
        How far a range is widened at both ends, as a share of its width.

    Returns
    -------
    outside : float32 (L,)
        The greater of the two distances; not above 0 where both lie inside.
    width_x, width_y : float32 (L,)
        Widths of the ranges.
    """
    outside, width_y = _leave(x, of_y, slack)
    other, width_x = _leave(y, of_x, slack)
    return np.maximum(outside, other, out=outside), width_x, width_y


def _leave(band: FloatArray, limits: Range, slack: float) -> tuple[FloatArray, FloatArray]:
    low, high = limits
    width = high - low
    below = np.subtract(low, band, out=low)
    above = np.subtract(band, high, out=high)
    outside = np.maximum(below, above, out=below)
    outside -= np.multiply(width, np.float32(slack), out=above)
    return outside, width
