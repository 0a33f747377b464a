"""The median filter: of valid pixels alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from geochange.blocks import BoolArray, FloatArray

MEDIAN_VALUES = 2**21
"""Values of windows near pixels without data that are sorted at a time."""


@dataclass(frozen=True, slots=True)
class MedianFilter:
    """Median of the valid pixels of a window around each pixel, band by band.

    Attributes
    ----------
    window : int
        Odd edge in pixels.

    Examples
    --------
    >>> pixels = np.array([[[1, 9, 1], [1, 9, 1], [0, 9, 1]]], np.float32)
    >>> valid = pixels[0] > 0
    >>> MedianFilter(3).apply(pixels, valid)[0, 1, 1]
    np.float32(1.0)
    """

    window: int = 3

    @property
    def halo(self) -> int:
        """Margin in pixels."""
        return self.window // 2

    def apply(self, pixels: FloatArray, valid: BoolArray) -> FloatArray:
        """See :class:`Filter`."""
        out = np.stack([ndimage.median_filter(band, self.window) for band in pixels])
        reach = np.ones((self.window, self.window), bool)
        rows, cols = np.nonzero(valid & ndimage.binary_dilation(~valid, reach, border_value=1))
        for band, smooth in zip(pixels, out, strict=True):
            known = np.pad(np.where(valid, band, np.nan), self.halo, constant_values=np.nan)
            views = sliding_window_view(known, reach.shape)
            for part in _cut(len(rows), self.window**2):
                around = views[rows[part], cols[part]]
                smooth[rows[part], cols[part]] = _median_of_known(around.reshape(len(around), -1))
        return np.where(valid, out, pixels)

    def take(self, positions: Sequence[int]) -> MedianFilter:
        """See :class:`Filter`."""
        return self


def _cut(count: int, size: int) -> Iterator[slice]:
    """Yield parts of ``count`` windows of ``size`` values that fit into little memory."""
    step = max(1, MEDIAN_VALUES // size)
    return (slice(start, start + step) for start in range(0, count, step))


def _median_of_known(values: FloatArray) -> FloatArray:
    """Return the median of each row without its NaN, of which not all are."""
    ordered = np.sort(values, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    at = np.arange(len(values))
    middle: FloatArray = (ordered[at, (count - 1) // 2] + ordered[at, count // 2]) / 2
    return middle
