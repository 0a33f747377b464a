"""How much noise a band has: additive, or the looks of speckle."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage

from geochange.blocks import MAD_TO_SIGMA, BoolArray, FloatArray

Vector = NDArray[np.float64]

LAPLACIAN = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
"""Difference of two Laplacians: 0 on planes and straight edges; noise of 1 gives 6."""
LOOKS_PX = 7
"""Edge of the windows whose evenness is measured."""
MOST_LOOKS = 1e4
MODE_LEAST = 8
"""Values over which the mode is averaged at last."""


def respond_to_noise(band: FloatArray, valid: BoolArray) -> Vector:
    """Return the noise, scaled to its standard deviation, at pixels whose neighbours are valid.

    Parameters
    ----------
    band : float32 (H, W)
    valid : bool (H, W)

    Returns
    -------
    float64 (n,)
        Its robust spread is the standard deviation of white noise (:func:`measure_sigma`).

    References
    ----------
    Immerkaer, J. (1996). Fast noise variance estimation. CVIU 64(2), 300-302.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(50, 4, (200, 200)).astype(np.float32)
    >>> ramp = noise + np.arange(200, dtype=np.float32)
    >>> round(measure_sigma(respond_to_noise(ramp, np.ones((200, 200), bool))), 1)
    4.0
    """
    found = ndimage.correlate(band.astype(np.float64), LAPLACIAN / 6, mode="constant")
    inner = ndimage.binary_erosion(valid, np.ones((3, 3), bool))
    responses: Vector = found[inner]
    return responses


def measure_sigma(responses: Vector) -> float:
    """Return the robust standard deviation of what :func:`respond_to_noise` gave."""
    return float(MAD_TO_SIGMA * np.median(np.abs(responses))) if responses.size else 0.0


def measure_evenness(band: FloatArray, valid: BoolArray) -> Vector:
    """Return the squared coefficient of variation of windows of 7 x 7 valid pixels side by side.

    Parameters
    ----------
    band : float32 (H, W)
    valid : bool (H, W)

    Returns
    -------
    float64 (n,)
        Only windows whose mean is positive.
    """
    height, width = (size // LOOKS_PX * LOOKS_PX for size in band.shape)
    windows = _cut(np.asarray(band[:height, :width], np.float64))
    windows = windows[_cut(valid[:height, :width]).all(axis=1)]
    mean, variance = windows.mean(axis=1), windows.var(axis=1, ddof=1)
    evenness: Vector = variance[mean > 0] / mean[mean > 0] ** 2
    return evenness


def measure_looks(evenness: Vector) -> float:
    """Return the looks of speckle: one over the squared variation that most windows have.

    The mode over windows, since textured ground and edges only add to variation.

    References
    ----------
    Foucher, S., Boucher, J.-M. and Benie, G. B. (2000). Maximum likelihood estimation of the
    number of looks in SAR images. MIKON, 657-660.

    Examples
    --------
    >>> speckle = np.random.default_rng(0).gamma(4, 25, (350, 350)).astype(np.float32)
    >>> round(measure_looks(measure_evenness(speckle, np.ones(speckle.shape, bool))))
    4
    """
    positive = evenness[evenness > 1 / MOST_LOOKS]
    if not positive.size:
        return MOST_LOOKS
    return float(np.exp(-find_mode(np.log(positive))))


def find_mode(values: Vector) -> float:
    """Return where values lie densest: the half that is shortest, again and again.

    References
    ----------
    Bickel, D. R. and Fruehwirth, R. (2006). On a fast, robust estimator of the mode. CSDA 50(12),
    3500-3530.

    Examples
    --------
    >>> find_mode(np.array([0.0, 4.9, 5.0, 5.1, 9.0]))
    5.0
    """
    ordered = np.sort(values)
    while ordered.size > 3:
        half = (ordered.size + 1) // 2
        lengths = ordered[half - 1 :] - ordered[: ordered.size - half + 1]
        start = int(np.argmin(lengths))
        if ordered.size <= 2 * MODE_LEAST:
            return float(np.mean(ordered[start : start + half]))
        ordered = ordered[start : start + half]
    return float(np.median(ordered))


def _cut(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return windows side by side, (n, pixels)."""
    size = LOOKS_PX
    if min(image.shape) < size:
        return np.empty((0, size * size), image.dtype)
    views = sliding_window_view(image, (size, size))[::size, ::size]
    return views.reshape(-1, size * size)
