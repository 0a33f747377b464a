"""Where one small image lies in a larger one, to the nearest pixel and a bit better.

Masked normalised cross-correlation over all whole-pixel offsets, by Fourier transforms; pixels
without data take no part, at either date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from geochange.blocks import BoolArray, FloatArray

MIN_OVERLAP = 0.5
"""Offsets at which less of the smaller image has data at both dates are not considered."""
PEAK_RADIUS_PX = 3
"""The second peak is looked for beyond this distance from the first."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The best place of an image inside another.

    Attributes
    ----------
    dx, dy : float
        Columns and rows from the middle of the larger image to the place, in px.
    height : float
        Correlation there, -1 to 1.
    ratio : float
        Height of the peak over that of the next one: 1 means that nothing was recognised.
    """

    dx: float
    dy: float
    height: float
    ratio: float


def find_peak(
    image: FloatArray, valid: BoolArray, wider: FloatArray, wider_valid: BoolArray
) -> Peak | None:
    """Find an image in one that is wider by the same margin on all sides.

    Parameters
    ----------
    image, valid : float32, bool (h, w)
    wider, wider_valid : float32, bool (h + 2 m, w + 2 m)

    Returns
    -------
    Peak or None
        None where there is too little data, or nothing but one value.

    References
    ----------
    Padfield (2012), Masked object registration in the Fourier domain, IEEE TIP 21(5).

    Examples
    --------
    >>> wide = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)
    >>> full = np.ones((40, 40), bool)
    >>> peak = find_peak(wide[6:30, 9:33], full[:24, :24], wide, full)
    >>> round(peak.dx), round(peak.dy), peak.height > 0.99
    (1, -2, True)
    """
    correlation = correlate(image, valid, wider, wider_valid)
    if not np.isfinite(correlation).any():
        return None
    scores = np.nan_to_num(correlation, nan=-1.0)
    row, col = np.unravel_index(int(scores.argmax()), scores.shape)
    height = float(scores[row, col])
    rows, cols = np.ogrid[: scores.shape[0], : scores.shape[1]]
    away = (rows - row) ** 2 + (cols - col) ** 2 > PEAK_RADIUS_PX**2
    second = float(scores[away].max(initial=-1.0))
    middle = (np.array(scores.shape) - 1) / 2
    return Peak(
        dx=float(col - middle[1] + _vertex(scores[row], int(col))),
        dy=float(row - middle[0] + _vertex(scores[:, col], int(row))),
        height=height,
        ratio=height / max(second, 1e-3) if height > 0 else 0.0,
    )


def correlate(
    image: FloatArray, valid: BoolArray, wider: FloatArray, wider_valid: BoolArray
) -> NDArray[np.float64]:
    """Return the correlation at every offset, float64 (2 m + 1, 2 m + 1); NaN where undefined.

    See :func:`find_peak` for the parameters.
    """
    shape = wider.shape
    offsets = shape[0] - image.shape[0] + 1, shape[1] - image.shape[1] + 1

    def transform(pixels: NDArray[Any]) -> NDArray[np.complex128]:
        found: NDArray[np.complex128] = fft.rfft2(pixels, shape)
        return found

    def slide(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
        """Sum of products at every offset; no offset wraps around."""
        product: NDArray[np.float64] = fft.irfft2(np.conj(first) * second, shape)
        return product[: offsets[0], : offsets[1]]

    one, two = _centre(image, valid), _centre(wider, wider_valid)
    mask, values, squares = (transform(p) for p in (valid.astype(float), one, one * one))
    mask2, values2, squares2 = (transform(p) for p in (wider_valid.astype(float), two, two * two))
    count = np.rint(slide(mask, mask2))
    enough = count >= max(MIN_OVERLAP * image.size, 16)
    count[~enough] = 1
    sum1, sum2 = slide(values, mask2), slide(mask, values2)
    spread1 = slide(squares, mask2) - sum1 * sum1 / count
    spread2 = slide(mask, squares2) - sum2 * sum2 / count
    common = slide(values, values2) - sum1 * sum2 / count
    floor = [1e-9 * max(float((p * p).sum()), 1e-30) for p in (one, two)]
    enough &= (spread1 > floor[0]) & (spread2 > floor[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        found = common / np.sqrt(spread1 * spread2)
    return np.where(enough, found, np.nan)


def _centre(pixels: FloatArray, valid: BoolArray) -> NDArray[np.float64]:
    """Return values around 0, which is also put where there are none."""
    mean = float(pixels[valid].mean()) if valid.any() else 0.0
    return np.where(valid, pixels.astype(np.float64) - mean, 0.0)


def _vertex(line: NDArray[np.float64], top: int) -> float:
    """Return where a parabola through the peak and its neighbours has its top, within 0.5."""
    if not 0 < top < len(line) - 1:
        return 0.0
    left, middle, right = (float(v) for v in line[top - 1 : top + 2])
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0
