"""The guided filter: a score smoothed along the surfaces of images, not across their edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from geochange.blocks import BoolArray, FloatArray

Array64 = NDArray[np.float64]


def guide_score(
    score: FloatArray, guide: FloatArray, valid: BoolArray, *, radius_px: int, softness: float
) -> FloatArray:
    """Return a score that is, in every window, a linear function of the guide.

    Every pixel is right that has ``2 * radius_px`` px of what there is around it; the sums of a
    window are taken in one order wherever the window lies, so tiles leave no trace.

    Parameters
    ----------
    score : float32 (H, W)
        NaN where unknown.
    guide : float32 (C, H, W)
        Of unit spread.
    valid : bool (H, W)
        Pixels that count.
    radius_px : int
        Windows are squares of ``2 * radius_px + 1`` px.
    softness : float
        Variance of the guide in a window below which it is no edge.

    Returns
    -------
    float32 (H, W)
        In [0, 1]; NaN where not valid.

    References
    ----------
    He, K., Sun, J. and Tang, X. (2010). Guided image filtering. ECCV; here with a guide of several
    bands (their eq. 14-16), and windows that leave invalid pixels out.

    Examples
    --------
    >>> step = np.repeat([[0.0, 4.0]], 20, axis=1).repeat(20, axis=0).astype(np.float32)
    >>> rough = np.roll(step, 2, axis=1) / 4
    >>> fine = guide_score(rough, step[None], np.ones_like(step, bool), radius_px=6, softness=0.1)
    >>> bool(abs(fine[10, 20] - fine[10, 19]) > 0.4)
    True
    """
    known = valid & ~np.isnan(score)
    weight = known.astype(np.float64)
    target = np.where(known, score, 0.0).astype(np.float64)
    bands = guide.astype(np.float64) * weight
    count = np.maximum(_box(weight, radius_px), 1.0)
    means = np.stack([_box(band, radius_px) / count for band in bands])
    mean = _box(target, radius_px) / count
    size = len(bands)
    spread = np.empty((*score.shape, size, size))
    slope = np.empty((*score.shape, size, 1))
    for i in range(size):
        slope[..., i, 0] = _box(bands[i] * target, radius_px) / count - means[i] * mean
        for j in range(i, size):
            own = _box(bands[i] * bands[j], radius_px) / count - means[i] * means[j]
            spread[..., i, j] = spread[..., j, i] = own
        spread[..., i, i] += softness
    factor = np.linalg.solve(spread, slope)[..., 0]
    offset = mean - np.einsum("...i,i...->...", factor, means)
    fine = _box(offset * weight, radius_px)
    for i in range(size):
        fine += _box(factor[..., i] * weight, radius_px) * bands[i]
    filtered: FloatArray = np.clip(fine / count, 0.0, 1.0).astype(np.float32)
    filtered[~known] = np.nan
    return filtered


def _box(values: Array64, radius: int) -> Array64:
    """Sum over windows; what lies outside counts 0."""
    ones = np.ones(2 * radius + 1)
    down = correlate1d(values, ones, axis=0, mode="constant")
    summed: Array64 = correlate1d(down, ones, axis=1, mode="constant")
    return summed
