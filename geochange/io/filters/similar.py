"""Means over pixels that look alike: non-local means and the bilateral filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geochange.blocks import BoolArray, FloatArray

NOISE = 2.0
"""Mean square difference of two noisy pixels of one surface, in variances of the noise."""
DECAY = 0.8
"""Root mean square difference beyond noise, in sigmas, at which the weight of a patch is 1/e."""
RANGE_SIGMAS = 3.0
"""Standard deviation of the bilateral filter's weights over differences, in sigmas of the noise."""


@dataclass(frozen=True, slots=True)
class SimilarMean:
    """Mean of the pixels around each pixel, weighted by how alike they and their patches are.

    All bands together tell what is alike, in units of their noise, and all get the same weights,
    so that a faint difference which several bands show is kept. With a patch of more than one
    pixel this is non-local means; with one of one pixel, and weights that fall with the distance,
    the bilateral filter. scikit-image has both, but not for pixels without data, and not so that
    a pixel is the same in every tile.

    Attributes
    ----------
    sigmas : tuple of float
        Standard deviation of the noise of each band.
    search, patch : int
        Odd edges in pixels of the window that is searched and of the patches that are compared.
    is_bilateral : bool
        Weigh by distance too, and by a Gaussian of the difference.

    References
    ----------
    Buades, A., Coll, B. and Morel, J.-M. (2011). Non-local means denoising. Image Processing On
    Line 1, 208-212. Tomasi, C. and Manduchi, R. (1998). Bilateral filtering for gray and color
    images. ICCV.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(100, 5, (1, 40, 40)).astype(np.float32)
    >>> smooth = SimilarMean((5.0,)).apply(noise, np.ones((40, 40), bool))
    >>> bool(smooth[0, 9:-9, 9:-9].std() < 1.5)
    True
    """

    sigmas: tuple[float, ...]
    search: int = 11
    patch: int = 5
    is_bilateral: bool = False

    @property
    def halo(self) -> int:
        """Margin in pixels."""
        return self.search // 2 + self.patch // 2

    def apply(self, pixels: FloatArray, valid: BoolArray) -> FloatArray:
        """See :class:`geochange.io.filters.filter.Filter`."""
        scale = np.maximum(np.array(self.sigmas, np.float32), np.float32(1e-12))[:, None, None]
        x = np.where(valid, pixels / scale, np.float32(0))
        total, weights = x.copy(), valid.astype(np.float32)
        for row, col in self._offsets():
            here, there = _overlap(row, x.shape[1]), _overlap(col, x.shape[2])
            p = np.s_[..., here[0], there[0]]
            q = np.s_[..., here[1], there[1]]
            weight = self._weigh(x[p], x[q], valid[p] & valid[q])
            if self.is_bilateral:
                reach = max(self.search / 4, 0.5)
                weight *= np.float32(np.exp(-(row**2 + col**2) / (2 * reach**2)))
            total[p] += weight * x[q]
            weights[p] += weight
            total[q] += weight * x[p]
            weights[q] += weight
        total /= np.maximum(weights, np.float32(1))
        return np.where(valid, total * scale, pixels)

    def take(self, positions: Sequence[int]) -> SimilarMean:
        """See :class:`geochange.io.filters.filter.Filter`."""
        return replace(self, sigmas=tuple(self.sigmas[p] for p in positions))

    def _offsets(self) -> Iterator[tuple[int, int]]:
        """Yield one of every two opposite offsets in the search window."""
        radius = self.search // 2
        for row in range(radius + 1):
            for col in range(-radius, radius + 1):
                if row or col > 0:
                    yield row, col

    def _weigh(self, x: FloatArray, y: FloatArray, both: BoolArray) -> FloatArray:
        """Return the weight of each pair of pixels, 0 where either is unknown."""
        apart = np.square(x - y).mean(axis=0)
        if self.is_bilateral:
            weight = np.exp(apart / np.float32(-2 * RANGE_SIGMAS**2))
        else:
            known = both.astype(np.float32)
            apart = _box(apart * known, self.patch) / np.maximum(_box(known, self.patch), 1)
            weight = np.exp(-np.maximum(apart - NOISE, 0) / np.float32(DECAY**2))
        weight[~both] = 0
        single: FloatArray = weight.astype(np.float32, copy=False)
        return single


def _overlap(offset: int, size: int) -> tuple[slice, slice]:
    """Return where pixels and where those at an offset from them lie, along one axis."""
    if offset >= 0:
        return slice(0, max(size - offset, 0)), slice(min(offset, size), size)
    return slice(min(-offset, size), size), slice(0, max(size + offset, 0))


def _box(image: FloatArray, edge: int) -> FloatArray:
    """Return sums over a window; added in the same order for every pixel, unlike running sums."""
    if edge == 1 or not image.size:
        return image
    ones: NDArray[Any] = np.ones(edge)
    rows = ndimage.correlate1d(image, ones, axis=0, mode="constant")
    summed: FloatArray = ndimage.correlate1d(rows, ones, axis=1, mode="constant")
    return summed
