"""Filters of multiplicative noise: Lee, and Lee along edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geochange.blocks import BoolArray, FloatArray

Array64 = NDArray[np.float64]
REFINED_PX = 7
"""Edge of the window that the refined filter is defined for."""


@dataclass(frozen=True, slots=True)
class LeeFilter:
    """Local linear minimum mean square error filter of speckle.

    A pixel is drawn to the mean of its window by as much of the window's variation as speckle
    explains: ``mean + k (pixel - mean)`` with ``k = (1 - c / C) / (1 + c)``, where C is the
    squared coefficient of variation of the window and c that of speckle, one over the looks.

    Attributes
    ----------
    looks : tuple of float
        Of each band: squared mean over variance of even areas in the pixels' own unit. For
        intensity these are the equivalent looks; for amplitude about 3.66 times as many.
    window : int
        Odd edge in pixels.
    is_refined : bool
        Take mean and variance of the half of a 7 x 7 px window that lies on the pixel's side of
        the edge through it.

    References
    ----------
    Lee, J.-S. (1980). Digital image enhancement and noise filtering by use of local statistics.
    IEEE TPAMI 2(2), 165-168. Lee, J.-S. (1981). Refined filtering of image noise using local
    statistics. Computer Graphics and Image Processing 15, 380-389. Lopes, A., Touzi, R. and Nezry,
    E. (1990). Adaptive speckle filters and scene heterogeneity. IEEE TGRS 28(6), 992-1000.

    Examples
    --------
    >>> speckle = np.random.default_rng(0).gamma(4, 25, (1, 50, 50)).astype(np.float32)
    >>> smooth = LeeFilter((4.0,)).apply(speckle, np.ones((50, 50), bool))
    >>> bool(smooth[0, 5:-5, 5:-5].std() < 0.5 * speckle.std())
    True
    """

    looks: tuple[float, ...]
    window: int = REFINED_PX
    is_refined: bool = False

    @property
    def halo(self) -> int:
        """Margin in pixels."""
        return self.window // 2

    def apply(self, pixels: FloatArray, valid: BoolArray) -> FloatArray:
        """See :class:`geochange.io.filters.filter.Filter`."""
        known = valid.astype(np.float64)
        measure = _measure_sides if self.is_refined else self._measure_around
        out = np.empty_like(pixels)
        for band, smooth, looks in zip(pixels, out, self.looks, strict=True):
            x = np.where(valid, band, 0).astype(np.float64)
            mean, variance = measure(x, known)
            square = mean**2
            share = np.divide(square / looks, variance, out=np.ones_like(mean), where=variance > 0)
            kept = np.clip((1 - share) / (1 + 1 / looks), 0, 1)
            smooth[:] = mean + kept * (x - mean)
        return np.where(valid, out, pixels)

    def take(self, positions: Sequence[int]) -> LeeFilter:
        """See :class:`geochange.io.filters.filter.Filter`."""
        return replace(self, looks=tuple(self.looks[p] for p in positions))

    def _measure_around(self, x: Array64, known: Array64) -> tuple[Array64, Array64]:
        return _moments(x, known, np.ones((self.window, self.window)))


def _moments(x: Array64, known: Array64, kernel: Array64) -> tuple[Array64, Array64]:
    """Return mean and variance of the known pixels under a kernel of ones, (H, W) each."""
    count = np.maximum(ndimage.correlate(known, kernel, mode="constant"), 1)
    mean = ndimage.correlate(x, kernel, mode="constant") / count
    square = ndimage.correlate(x * x, kernel, mode="constant") / count
    return mean, np.maximum(square - mean**2, 0)


def _measure_sides(x: Array64, known: Array64) -> tuple[Array64, Array64]:
    """Return mean and variance of the half window on each pixel's side of its edge."""
    side = _choose_sides(x, known)
    mean, variance = np.zeros_like(x), np.zeros_like(x)
    for number, kernel in enumerate(_halves()):
        chosen = side == number
        if chosen.any():
            found = _moments(x, known, kernel)
            mean[chosen], variance[chosen] = found[0][chosen], found[1][chosen]
    return mean, variance


EDGES = (
    (((-1, 0), ((-1, -1), (-1, 0), (-1, 1))), ((1, 0), ((1, -1), (1, 0), (1, 1)))),
    (((0, -1), ((-1, -1), (0, -1), (1, -1))), ((0, 1), ((-1, 1), (0, 1), (1, 1)))),
    (((-1, 1), ((-1, 0), (-1, 1), (0, 1))), ((1, -1), ((0, -1), (1, -1), (1, 0)))),
    (((-1, -1), ((-1, -1), (-1, 0), (0, -1))), ((1, 1), ((0, 1), (1, 0), (1, 1)))),
)
"""The two sides of each edge: where the side lies, and the 3 x 3 px means, 2 px apart, in it."""


def _choose_sides(x: Array64, known: Array64) -> NDArray[np.intp]:
    """Return the number of the half window of each pixel, in the order of :func:`_halves`."""
    box = np.ones((3, 3))
    count = ndimage.correlate(known, box, mode="constant")
    means = ndimage.correlate(x, box, mode="constant") / np.maximum(count, 1)
    at = {
        (row, col): _move(means, count, 2 * row, 2 * col)
        for row in (-1, 0, 1)
        for col in (-1, 0, 1)
    }
    steepest = np.full(x.shape, -1.0)
    chosen = np.zeros(x.shape, np.intp)
    for edge, sides in enumerate(EDGES):
        first, second = (sum(at[place] for place in places) for _, places in sides)
        slope = np.abs(first - second)
        near = [np.abs(at[middle] - at[0, 0]) for middle, _ in sides]
        side = 2 * edge + (near[1] < near[0])
        chosen = np.where(slope > steepest, side, chosen)
        steepest = np.maximum(slope, steepest)
    return chosen


def _move(means: Array64, count: Array64, row: int, col: int) -> Array64:
    """Return the means that lie ``row``, ``col`` px away; that of the pixel where there is none."""
    index = np.zeros((5, 5))
    index[2 + row, 2 + col] = 1
    there = ndimage.correlate(means, index, mode="constant")
    seen = ndimage.correlate(count, index, mode="constant")
    moved: Array64 = np.where(seen > 0, there, means)
    return moved


def _halves() -> Iterator[Array64]:
    """Yield the eight half windows, the pixel's own line included."""
    rows, cols = np.indices((REFINED_PX, REFINED_PX)) - REFINED_PX // 2
    for sides in EDGES:
        for (row, col), _ in sides:
            yield (rows * row + cols * col >= 0).astype(np.float64)
