"""Resampling of arrays along one axis: taps of a cubic kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import FloatArray

REACH = 2
"""Half width of the cubic kernel in pixels."""


@dataclass(frozen=True, slots=True)
class Taps:
    """Which pixels make each result along one axis, and how much each counts.

    Attributes
    ----------
    index : int64 (K, N)
    weight : float32 (K, N)
    """

    index: NDArray[np.int64]
    weight: FloatArray


def cubic_taps(positions: NDArray[np.floating], size: int, scale: float = 1.0) -> Taps:
    """Return what interpolates ``size`` pixels at positions.

    Cubic convolution (Keys 1981, IEEE TASSP 29, a = -0.5), widened where pixels are shrunk so that
    detail does not alias.

    Parameters
    ----------
    positions : float64 (N,)
        Places in pixels, 0 at the centre of the first; beyond the ends the last pixel counts.
    size : int
    scale : float
        Source pixels per result pixel.

    Examples
    --------
    >>> taps = cubic_taps(np.array([1.5]), 4)
    >>> taps.index[:4, 0].tolist(), taps.weight[:4, 0].tolist()
    ([0, 1, 2, 3], [-0.0625, 0.5625, 0.5625, -0.0625])
    """
    width = max(scale, 1.0)
    first = np.ceil(positions - REACH * width).astype(np.int64)
    index = first + np.arange(int(2 * REACH * width) + 1)[:, None]
    x = np.abs(positions - index) / width
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    weight = np.where(x <= 1, near, np.where(x < REACH, far, 0.0))
    return Taps(np.clip(index, 0, size - 1), (weight / weight.sum(axis=0)).astype(np.float32))


def interpolate(image: FloatArray, rows: Taps, cols: Taps) -> FloatArray:
    """Interpolate (..., H, W) along its last two axes, float32 (..., M, N)."""
    down = sum(
        weight[:, None] * image[..., index, :]
        for index, weight in zip(rows.index, rows.weight, strict=True)
    )
    across: FloatArray = sum(
        weight * down[..., index] for index, weight in zip(cols.index, cols.weight, strict=True)
    )
    return across


def touches_invalid(invalid: NDArray[np.bool_], rows: Taps, cols: Taps) -> NDArray[np.bool_]:
    """Tell which results an invalid pixel has a part in, bool (M, N)."""
    down = np.zeros((rows.index.shape[1], invalid.shape[1]), bool)
    for index, weight in zip(rows.index, rows.weight, strict=True):
        down |= invalid[index] & (weight != 0)[:, None]
    across = np.zeros((len(down), cols.index.shape[1]), bool)
    for index, weight in zip(cols.index, cols.weight, strict=True):
        across |= down[:, index] & (weight != 0)
    return across
