"""Moving-window means that invalid pixels cannot enter."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from geochange.blocks import BoolArray, FloatArray
from geochange.errors import UsageError

TRUNCATE = 3.0
"""Radius of a Gaussian in standard deviations."""


def require_odd(name: str, size: int) -> int:
    """Return ``size`` when it is a positive odd number of pixels.

    Raises
    ------
    UsageError
        ``size`` is even or below 1.
    """
    if size < 1 or size % 2 == 0:
        msg = f"{name} must be a positive odd number of pixels, got {size}"
        raise UsageError(msg)
    return size


def box_mean(
    image: FloatArray, valid: BoolArray, size: int, count: FloatArray | None = None
) -> FloatArray:
    """Mean of the valid pixels in a ``size`` x ``size`` px window around each pixel.

    Parameters
    ----------
    image : float32 (..., H, W)
        Values of invalid pixels do not matter, NaN and infinity included.
    valid : bool, broadcastable to ``image``
    size : int
        Odd edge of the window in pixels.
    count : float32 (..., H, W), optional
        Result of :func:`box_count`, for callers who smooth several bands.

    Returns
    -------
    float32 (..., H, W)
        0 where no pixel of the window is valid. Pixels beyond the array count as invalid.

    Examples
    --------
    >>> image = np.array([[1.0, np.nan, 5.0]], np.float32)
    >>> box_mean(image, np.isfinite(image), 3).round(3)
    array([[1., 3., 5.]], dtype=float32)
    """
    filled = image if valid.all() else np.where(valid, image, np.float32(0))
    total = _window_sum(filled, size)
    total /= box_count(valid, size) if count is None else count
    return total


def box_count(valid: BoolArray, size: int) -> FloatArray:
    """Return how many pixels :func:`box_mean` averages, float32 (..., H, W), at least 1.

    Examples
    --------
    >>> box_count(np.array([[True, True, False, False, False]]), 3)
    array([[2., 2., 1., 1., 1.]], dtype=float32)
    """
    if valid.all():
        return np.multiply.outer(*(_window_count(edge, size) for edge in valid.shape[-2:]))
    return np.maximum(_window_sum(valid.astype(np.float32), size), 1)


def gaussian_mean(image: FloatArray, valid: BoolArray, sigma: float) -> FloatArray:
    """Mean of the valid pixels around each pixel under Gaussian weights.

    Parameters
    ----------
    image : float32 (H, W)
        Values of invalid pixels do not matter as long as they are finite.
    valid : bool (H, W)
    sigma : float
        Standard deviation in pixels; weights end at 3 of them.

    Returns
    -------
    float32 (H, W)
        Pixels beyond the array count as invalid.

    Examples
    --------
    >>> image = np.array([[1, 1, 9]], np.float32)
    >>> gaussian_mean(image, image < 9, 1.0)[0, :2]
    array([1., 1.], dtype=float32)
    """
    if valid.all():
        weights = [_blur(np.ones(edge, np.float32), sigma) for edge in image.shape]
        mean = _blur(image, sigma)
        mean /= np.multiply.outer(*weights)
        return mean
    mean = _blur(np.where(valid, image, np.float32(0)), sigma)
    mean /= np.maximum(_blur(valid.astype(np.float32), sigma), np.float32(1e-6))
    return mean


def _blur(image: FloatArray, sigma: float) -> FloatArray:
    blurred: FloatArray = ndimage.gaussian_filter(image, sigma, mode="constant", truncate=TRUNCATE)
    return blurred


def _window_sum(image: FloatArray, size: int) -> FloatArray:
    """Sum over windows; zeros lie beyond the array.

    Shifted copies are added in one fixed order, so the sum at a pixel depends on its window alone,
    to the last bit, and not on where the array starts as with running sums.
    """
    for axis in (-1, -2):
        source = np.moveaxis(image, axis, 0)
        total = source.copy(order="K")
        for shift in range(1, size // 2 + 1):
            total[shift:] += source[:-shift]
            total[:-shift] += source[shift:]
        image = np.moveaxis(total, 0, axis)
    return image


def _window_count(edge: int, size: int) -> FloatArray:
    """Pixels of a window that lie inside an array of ``edge`` px, along one axis."""
    position = np.arange(edge)
    half = size // 2
    count = np.minimum(position + half + 1, edge) - np.maximum(position - half, 0)
    return count.astype(np.float32)
