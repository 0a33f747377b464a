"""What of an image is matched: its details, not its light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geochange.blocks import BoolArray, FloatArray

MATCHINGS = ("intensity", "gradient")
FINE_PX, COARSE_PX = 0.7, 4.0
"""Details between these two Gaussian sigmas are matched: above noise and aliasing, below what sun,
season and haze change. Chosen on 14 scenes of Sentinel-2, Landsat and aerial images."""
GRADIENT_PX = 1.0
HALO_PX = 14
"""Pixels around a window that :func:`show_structure` needs to be the same as in the whole image."""


def show_structure(
    pixels: FloatArray, valid: BoolArray, matching: str
) -> tuple[FloatArray, BoolArray]:
    """Return one image that shows what can be recognised at another date.

    Parameters
    ----------
    pixels, valid : float32 (C, H, W), bool (H, W)
    matching : {'intensity', 'gradient'}
        Bright against dark, for dates of alike bands; or the magnitude of the gradient, in which
        other bands and sensors, and inverted contrast, look alike too.

    Returns
    -------
    float32 (H, W), bool (H, W)
        Pixels near those without data have none either.

    Examples
    --------
    >>> flat = np.full((1, 40, 40), 7, np.float32)
    >>> image, known = show_structure(flat, flat[0] > 0, "intensity")
    >>> float(abs(image).max()), bool(known.all())
    (0.0, True)
    """
    total = np.zeros(valid.shape)
    for band in pixels.astype(np.float64):
        detail = _find_edges(band, valid) if matching == "gradient" else band
        spread = float(detail[valid].std()) if valid.any() else 0.0
        if spread > 1e-9 * max(1.0, float(np.abs(detail).max())):
            total += _pass_band(detail, valid) / spread
    known = _smooth(valid.astype(np.float64), FINE_PX) > 1 - 1e-6 if not valid.all() else valid
    return total.astype(np.float32), known & valid


def _pass_band(band: NDArray[np.float64], valid: BoolArray) -> NDArray[np.float64]:
    return _average(band, valid, FINE_PX) - _average(band, valid, COARSE_PX)


def _average(band: NDArray[np.float64], valid: BoolArray, sigma: float) -> NDArray[np.float64]:
    """Gaussian mean of the pixels that have data."""
    if valid.all():
        return _smooth(band, sigma)
    weight = _smooth(valid.astype(np.float64), sigma)
    mean = _smooth(np.where(valid, band, 0.0), sigma) / np.maximum(weight, 1e-6)
    return np.where(weight > 1e-3, mean, 0.0)


def _find_edges(band: NDArray[np.float64], valid: BoolArray) -> NDArray[np.float64]:
    filled = np.where(valid, band, _average(band, valid, COARSE_PX))
    edges: NDArray[np.float64] = ndimage.gaussian_gradient_magnitude(filled, GRADIENT_PX)
    return edges


def _smooth(band: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    smoothed: NDArray[np.float64] = ndimage.gaussian_filter(band, sigma, mode="nearest", truncate=3)
    return smoothed
