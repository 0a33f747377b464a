"""How a score is stored: uint16 with a scale, so that a histogram of it is exact and small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import FloatArray

SCORE_LEVELS = 65535
"""Number of distinct stored scores: 0 ... 65534."""
SCORE_NODATA = 65535
SCORE_SCALE = 1.0 / (SCORE_LEVELS - 1)

MASK_NODATA = 255
"""Value of a change mask where nothing is known; 0 is no change, 1 is change."""


def encode_score(score: FloatArray) -> NDArray[np.uint16]:
    """Turn scores in [0, 1] with NaN where invalid into stored levels.

    Examples
    --------
    >>> encode_score(np.array([0.0, 1.0, np.nan], np.float32))
    array([    0, 65534, 65535], dtype=uint16)
    """
    invalid = np.isnan(score)
    levels = np.where(invalid, 0.0, score)
    np.clip(levels, 0.0, 1.0, out=levels)
    levels *= SCORE_LEVELS - 1
    np.rint(levels, out=levels)
    stored = levels.astype(np.uint16)
    stored[invalid] = SCORE_NODATA
    return stored


def coarsen(histogram: NDArray[np.int64], bins: int = 256) -> NDArray[np.int64]:
    """Add up a histogram of stored levels into fewer, equal bins over [0, 1]."""
    edges = np.linspace(0, len(histogram), bins + 1).astype(int)
    return np.add.reduceat(histogram, edges[:-1])


def decode_score(stored: NDArray[np.uint16]) -> FloatArray:
    """Invert :func:`encode_score`."""
    score = stored.astype(np.float32) * np.float32(SCORE_SCALE)
    score[stored == SCORE_NODATA] = np.nan
    return score
