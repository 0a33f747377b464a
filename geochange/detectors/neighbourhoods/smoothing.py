"""Moving-window means that invalid pixels cannot enter."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from geochange.blocks import BoolArray, FloatArray
from geochange.detectors.neighbourhoods.pieces import slide, trim
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


class BoxMean:
    """Means of the valid pixels in a ``size`` x ``size`` px window around each pixel.

    Parameters
    ----------
    valid : bool (L,)
        Rows of ``stride`` pixels, end to end: see :mod:`geochange.detectors.neighbourhoods.pieces`.
    size : int
        Odd edge of the window in pixels.
    stride : int

    Examples
    --------
    >>> image = np.array([0, 0, 0, 1, np.nan, 5, 0, 0, 0], np.float32)
    >>> valid = np.array([False] * 3 + [True, False, True] + [False] * 3)
    >>> BoxMean(valid, size=3, stride=3).apply(image)
    array([3.], dtype=float32)
    """

    def __init__(self, valid: BoolArray, size: int, stride: int) -> None:
        self.size = size
        self.stride = stride
        self.unknown = ~valid
        known = valid.astype(np.float32)
        self.share: FloatArray = np.reciprocal(np.maximum(slide(np.add, known, size, stride), 1))
        self.kept_share = self.share * trim(known, size // 2, stride)

    def apply(self, image: FloatArray, times: int = 1) -> FloatArray:
        """Return means, of which those of valid pixels are averaged again ``times - 1`` times.

        Parameters
        ----------
        image : float32 (L,)
            Set to 0 where invalid.
        times : int

        Returns
        -------
        float32 (L',)
            Trimmed by the radius of the window as often; 0 where no pixel of the window is valid.
        """
        np.copyto(image, 0, where=self.unknown)
        for done in range(times):
            share = self.share if done == times - 1 else self.kept_share
            image = slide(np.add, image, self.size, self.stride)
            image *= trim(share, done * (self.size // 2), self.stride)
        return image


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
