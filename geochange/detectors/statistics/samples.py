"""What detectors learn from a pixel sample: noise and gains that changes cannot move."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import MAD_TO_SIGMA, FloatArray, PairBlock, PixelSample
from geochange.errors import BandError, InputError

Vector = NDArray[np.float64]

MEAN_DEVIATION_TO_SIGMA = 1.2533141373155003
FLOAT32_NOISE = 4 * float(np.finfo(np.float32).eps)
"""Relative difference of two float32 pixel values that rounding alone explains."""
GAIN_PIXELS = 50_000
"""Pixels that a gain is fitted on."""
TUKEY_CUTOFF = 4.685
"""Biweight cut-off in standard deviations: 95 % efficiency for Gaussian noise."""


def sample_pixels(
    blocks: Iterable[PairBlock], max_pixels: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return ``(before, after)``, float32 (pixels, bands), of a seeded sample of owned pixels.

    Raises
    ------
    InputError
        No pixel is valid at both dates.
    """
    before, after = PixelSample(max_pixels, seed).gather(blocks)
    require_pixels(len(before))
    return before, after


def require_pixels(count: int) -> None:
    """Raise InputError when ``count``, the number of valid pixels, is 0."""
    if count == 0:
        msg = (
            "no pixel is valid at both dates, at least one is needed; check the nodata values, "
            "the masks and the overlap of the two images"
        )
        raise InputError(msg)


def require_equal_bands(before: int, after: int, method: str) -> None:
    """Raise BandError when the dates have different band counts.

    Examples
    --------
    >>> require_equal_bands(3, 4, "cva")
    Traceback (most recent call last):
    ...
    geochange.errors.BandError: method 'cva' compares bands one by one, but the dates have 3 and 4 \
bands; choose the same bands of both, or use 'irmad' or 'mad'
    """
    if before != after:
        msg = (
            f"method '{method}' compares bands one by one, but the dates have {before} and "
            f"{after} bands; choose the same bands of both, or use 'irmad' or 'mad'"
        )
        raise BandError(msg)


def estimate_noise(difference: NDArray[np.floating], level: NDArray[np.floating]) -> Vector:
    """Estimate the standard deviation of the unchanged pixels of a difference, per band.

    The median absolute deviation; where it is 0, as in noise-free data, the mean absolute
    deviation; at least what float32 rounding leaves, and 1 where the difference is constant.

    Parameters
    ----------
    difference : (pixels, bands)
        After minus before, median removed.
    level : (pixels, bands)
        The pixel values themselves, which set the rounding floor.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(0, 2, (10_000, 1))
    >>> estimate_noise(values, values).round(1)
    array([2.])
    """
    deviation = np.abs(difference)
    sigma = MAD_TO_SIGMA * np.median(deviation, axis=0).astype(np.float64)
    floor = FLOAT32_NOISE * np.abs(level).max(axis=0).astype(np.float64)
    mean = MEAN_DEVIATION_TO_SIGMA * deviation.mean(axis=0, dtype=np.float64)
    sigma = np.where(sigma > floor, sigma, np.maximum(mean, floor))
    return np.where(sigma > 0, sigma, 1.0)


def rounding_step(values: NDArray[np.floating]) -> Vector:
    """Return the smallest difference between two values of each band; 0 for a constant band.

    Examples
    --------
    >>> rounding_step(np.array([[1.0, 2.0], [4.0, 2.0], [2.0, 2.0]]))
    array([1., 0.])
    """
    gaps = [np.diff(np.unique(band)) for band in values.T]
    return np.array([gap.min() if gap.size else 0.0 for gap in gaps])


def fit_gain(before: FloatArray, after: FloatArray, iterations: int = 20) -> Vector:
    """Gain of a robust straight line from ``before`` to ``after``, per band.

    Least absolute deviation of the differences between random pixels, refined by iteratively
    reweighted least squares with Tukey's biweight, so that changed pixels do not count.

    Parameters
    ----------
    before, after : float32 (pixels, bands)
        In random order.

    Returns
    -------
    float64 (bands,)
        1 for a band that is constant.

    Examples
    --------
    >>> before = np.random.default_rng(0).uniform(0, 100, (1001, 1)).astype(np.float32)
    >>> after = 3 * before + 7
    >>> after[:200] += 500
    >>> fit_gain(before, after).round(3)
    array([3.])
    """
    dates = (date[:GAIN_PIXELS].T.astype(np.float64) for date in (before, after))
    pairs = zip(*dates, strict=True)
    return np.array([_fit_band_gain(x, y, iterations) for x, y in pairs])


def _fit_band_gain(x: Vector, y: Vector, iterations: int) -> float:
    gain = _median_slope(x, y)
    for _ in range(iterations):
        residual = y - gain * x
        residual -= np.median(residual)
        cutoff = TUKEY_CUTOFF * MAD_TO_SIGMA * np.median(np.abs(residual))
        if cutoff <= FLOAT32_NOISE * np.abs(y).max():
            break
        weights = np.clip(1 - (residual / cutoff) ** 2, 0, None) ** 2
        x0, y0 = np.average(x, weights=weights), np.average(y, weights=weights)
        spread = float(weights @ (x - x0) ** 2)
        if spread <= 0:
            break
        gain = float(weights @ ((x - x0) * (y - y0))) / spread
    return gain


def _median_slope(x: Vector, y: Vector) -> float:
    """Slope between pixels half a sample apart: their median, weighted by the distance in x."""
    half = len(x) // 2
    run, rise = x[:half] - x[half : 2 * half], y[:half] - y[half : 2 * half]
    run, rise = run[run != 0], rise[run != 0]
    if run.size == 0:
        return 1.0
    slope, weight = rise / run, np.abs(run)
    order = np.argsort(slope)
    share = np.cumsum(weight[order])
    return float(slope[order][np.searchsorted(share, share[-1] / 2)])
