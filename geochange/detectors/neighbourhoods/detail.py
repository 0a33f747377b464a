"""The finest detail of an image: what two samplings of the same ground need not share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray
from geochange.detectors.neighbourhoods.pieces import slide, trim
from geochange.detectors.neighbourhoods.smoothing import BoxMean

REACH_PX = 2
WEIGHTS = np.array([1, -4, 6, -4, 1], np.float32) / 16
"""Fourth difference: 1 for what alternates from pixel to pixel, a sixteenth at half that frequency.

A sensor folds detail beyond the pixel into it, other detail at every sampling, and resampling loses
most of it.
"""


def measure_detail(features: FloatArray, valid: BoolArray, patch: int, stride: int) -> FloatArray:
    """Return the mean square of the detail that is as fine as pixels, over a patch.

    Parameters
    ----------
    features : float32 (V, L)
        Rows of ``stride`` pixels, end to end: see :mod:`geochange.detectors.neighbourhoods.pieces`.
    valid : bool (L,)
        Detail next to other pixels does not count.
    patch : int
        Odd edge of the patch in pixels.
    stride : int

    Returns
    -------
    float32 (L',)
        Sum over the features, along rows and columns; trimmed by ``REACH_PX + patch // 2``.

    Examples
    --------
    >>> stripes = np.tile([1, -1], 10).astype(np.float32)
    >>> image = np.concatenate([stripes, -stripes, stripes, -stripes, stripes])[None]
    >>> measure_detail(image, image[0] != 0, patch=1, stride=20)[:2]
    array([2., 2.], dtype=float32)
    """
    known = trim(valid, REACH_PX, stride)
    if not valid.all():
        known = slide(np.fmin, valid.astype(np.float32), 2 * REACH_PX + 1, stride) > 0
    total = np.zeros(known.size, np.float32)
    for feature in features:
        for step, across in ((1, stride), (stride, 1)):
            fine = _differ(feature, step)
            edge = REACH_PX * across
            total += np.square(fine[edge : fine.size - edge])
    return BoxMean(known, patch, stride).apply(total)


def _differ(values: NDArray[np.float32], step: int) -> FloatArray:
    """Return the fourth difference along ``step``, shorter by ``REACH_PX`` of them at both ends."""
    count = values.size - 2 * REACH_PX * step
    total: FloatArray = np.zeros(count, np.float32)
    for place, weight in enumerate(WEIGHTS):
        total += weight * values[place * step : place * step + count]
    return total
