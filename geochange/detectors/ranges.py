"""What a small shift explains: local ranges of values, and how far a pixel leaves them."""

from __future__ import annotations

import numpy as np

from geochange.blocks import BoolArray, FloatArray

Range = tuple[FloatArray, FloatArray]


def local_range(band: FloatArray, valid: BoolArray, radius: int) -> Range:
    """Return the least and the greatest valid value within ``radius`` px of each pixel.

    Parameters
    ----------
    band : float32 (H, W)
    valid : bool (H, W)
    radius : int
        In pixels, along rows and columns.

    Returns
    -------
    low, high : float32 (H, W)
        Both are the value itself where it is invalid.

    Examples
    --------
    >>> band = np.array([[1, 2, 9, 4]], np.float32)
    >>> local_range(band, np.array([[True, True, False, True]]), 1)[1]
    array([[2., 2., 9., 4.]], dtype=float32)
    """
    if valid.all():
        return _spread(np.minimum, band, radius), _spread(np.maximum, band, radius)
    infinite = np.float32(np.inf)
    low = _spread(np.minimum, np.where(valid, band, infinite), radius)
    high = _spread(np.maximum, np.where(valid, band, -infinite), radius)
    np.copyto(low, band, where=~valid)
    np.copyto(high, band, where=~valid)
    return low, high


def _spread(extreme: np.ufunc, band: FloatArray, radius: int) -> FloatArray:
    """Give each pixel the minimum or the maximum over the square of ``2 radius + 1`` px."""
    rows = band.copy()
    for step in range(1, radius + 1):
        extreme(rows[step:], band[:-step], out=rows[step:])
        extreme(rows[:-step], band[step:], out=rows[:-step])
    square = rows.copy()
    for step in range(1, radius + 1):
        extreme(square[:, step:], rows[:, :-step], out=square[:, step:])
        extreme(square[:, :-step], rows[:, step:], out=square[:, :-step])
    return square


def leave_ranges(
    x: FloatArray, y: FloatArray, of_x: Range, of_y: Range, slack: float
) -> FloatArray:
    """Return how far ``x`` lies outside the range of ``y``, or ``y`` outside that of ``x``.

    Parameters
    ----------
    x, y : float32 (H, W)
    of_x, of_y : pair of float32 (H, W)
        Results of :func:`local_range`.
    slack : float
        How far a range is widened at both ends, as a share of its width.

    Returns
    -------
    float32 (H, W)
        The greater of the two distances; not above 0 where both lie inside.
    """
    outside = _leave(x, of_y, slack)
    return np.maximum(outside, _leave(y, of_x, slack), out=outside)


def _leave(band: FloatArray, limits: Range, slack: float) -> FloatArray:
    low, high = limits
    below, above = low - band, band - high
    width = below + above
    np.maximum(below, above, out=below)
    width *= np.float32(slack)
    below += width
    return below
