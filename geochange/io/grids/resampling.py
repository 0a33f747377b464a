"""Resampling at any place of an array: the kernels of GDAL, by name."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray

Kernel = Callable[[NDArray[np.float64], float], NDArray[np.float64]]
"""Weight at a distance in px, for a grid that many times as coarse as the pixels."""
ROWS_AT_ONCE = 64
"""Rows of the result that are worked on together, so that they stay in the processor's cache."""
MIN_WEIGHT = 0.1
"""Least share of a kernel's weight that must fall on pixels with data."""


def _nearest(t: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    inside = (t > -0.5) & (t <= 0.5)
    return inside.astype(np.float64)


def _bilinear(t: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    return np.maximum(1.0 - np.abs(t / factor), 0.0)


def _cubic(t: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Convolution kernel of Keys (1981) with a = -0.5."""
    t = np.abs(t / factor)
    near = (1.5 * t - 2.5) * t * t + 1.0
    far = ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    return np.where(t <= 1.0, near, np.where(t < 2.0, far, 0.0))


def _lanczos(t: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    t = t / factor
    return np.where(np.abs(t) < 3.0, np.sinc(t) * np.sinc(t / 3.0), 0.0)


def _average(t: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Share of a pixel that lies in the pixel of the grid."""
    return np.clip(0.5 * factor + 0.5 - np.abs(t), 0.0, 1.0)


KERNELS: dict[str, tuple[Kernel, float, float]] = {
    "nearest": (_nearest, 0.0, 0.5),
    "bilinear": (_bilinear, 1.0, 0.0),
    "cubic": (_cubic, 2.0, 0.0),
    "lanczos": (_lanczos, 3.0, 0.0),
    "average": (_average, 0.5, 0.5),
}
"""Name to kernel and its radius in px: what grows as the grid gets coarser, what does not."""


def reach_px(resampling: str, factor: float) -> int:
    """Return how many pixels a kernel takes in on each side of a place.

    Examples
    --------
    >>> reach_px("cubic", 1.0), reach_px("cubic", 2.5), reach_px("average", 2.5)
    (2, 5, 2)
    """
    _, growing, fixed = KERNELS[resampling]
    return max(1, math.ceil(growing * max(factor, 1.0) + fixed))


def resample(
    pixels: FloatArray,
    valid: BoolArray,
    cols: NDArray[np.float64],
    rows: NDArray[np.float64],
    resampling: str = "cubic",
    stretch: tuple[float, float] = (1.0, 1.0),
) -> tuple[FloatArray, BoolArray]:
    """Return an image at given places of an array.

    Each place is reckoned by itself, so what is found does not depend on which others are asked. As
    in GDAL a place has data where the pixel around it has, and pixels without data have no weight.

    Parameters
    ----------
    pixels, valid : float32 (C, h, w), bool (h, w)
    cols, rows : float64 (H, W)
        Places, from the upper left corner of the array. Those outside have no data.
    resampling : str
        A name of :data:`KERNELS`.
    stretch : tuple of float
        Columns and rows by which the places lie apart, where that is more than 1: kernels are
        widened by it.

    Returns
    -------
    float32 (C, H, W), bool (H, W)

    Examples
    --------
    >>> ramp = np.arange(36, dtype=np.float32).reshape(1, 6, 6)
    >>> col, row = np.array([[2.75]]), np.array([[3.0]])
    >>> resample(ramp, ramp[0] >= 0, col, row)[0].round(3).tolist()
    [[[17.25]]]
    """
    kernel = KERNELS[resampling][0]
    factors = [max(s, 1.0) for s in stretch]
    reach = [reach_px(resampling, factor) for factor in factors]
    out = np.zeros((len(pixels), *cols.shape), np.float32)
    known = np.zeros(cols.shape, bool)
    whole = bool(valid.all())
    margins = ((reach[1], reach[1]), (reach[0], reach[0]))
    framed = np.pad(np.where(valid, pixels, np.float32(0)), ((0, 0), *margins), mode="edge")
    present = np.pad(valid, margins, mode="edge").astype(np.float32)
    for start in range(0, len(cols), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        place = cols[part], rows[part]
        known[part] = _has_data(valid, *place)
        first, weights = zip(
            *(_weigh(p, kernel, r, f) for p, r, f in zip(place, reach, factors, strict=True)),
            strict=True,
        )
        width = framed.shape[2]
        limits = framed.shape[2] - 2 * reach[0], framed.shape[1] - 2 * reach[1]
        start_col, start_row = (
            np.clip(f, 0, limit) for f, limit in zip(first, limits, strict=True)
        )
        index = start_row * width + start_col
        total = None if whole else np.zeros(place[0].shape, np.float32)
        lacking = np.zeros(place[0].shape, bool)
        for i, row_weight in enumerate(weights[1]):
            for j, col_weight in enumerate(weights[0]):
                weight = row_weight * col_weight
                there = index + (i * width + j)
                for band, target in zip(framed, out, strict=True):
                    target[part] += weight * band.ravel().take(there)
                if total is not None:
                    seen = present.ravel().take(there)
                    total += weight * seen
                    lacking |= seen == 0
        if total is not None:
            enough = total > MIN_WEIGHT
            known[part] &= enough
            # a full sum of weights is 1 but for rounding, by which windows would differ
            out[:, part] /= np.where(enough & lacking, total, np.float32(1))
    np.copyto(out, 0, where=~known)
    return out, known


def _has_data(valid: BoolArray, cols: NDArray[np.float64], rows: NDArray[np.float64]) -> BoolArray:
    height, width = valid.shape
    inside = (cols >= 0) & (rows >= 0) & (cols < width) & (rows < height)
    row, col = (np.where(inside, v, 0).astype(np.intp) for v in (rows, cols))
    found: BoolArray = inside & valid[row, col]
    return found


def _weigh(
    places: NDArray[np.float64], kernel: Kernel, reach: int, factor: float
) -> tuple[NDArray[np.intp], list[FloatArray]]:
    """Return the first tap in the framed array, and the weights of all ``2 reach`` taps."""
    centres = places - 0.5
    base = np.floor(centres)
    t = centres - base
    weights = [kernel(k - t, factor) for k in range(1 - reach, reach + 1)]
    total = weights[0].copy()
    for weight in weights[1:]:
        total += weight
    return base.astype(np.intp) + 1, [(w / total).astype(np.float32) for w in weights]
