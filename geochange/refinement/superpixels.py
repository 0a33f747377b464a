"""Superpixels of both dates: what looks like one thing changes as one thing."""

from __future__ import annotations

import numpy as np
from skimage.segmentation import slic

from geochange.blocks import BoolArray, FloatArray

LEAST_PIXELS = 4


def vote_in_superpixels(
    score: FloatArray,
    guide: FloatArray,
    valid: BoolArray,
    *,
    size_px: int,
    compactness: float,
    share: float = 1.0,
) -> FloatArray:
    """Give every pixel the mean score of its superpixel.

    Parameters
    ----------
    score : float32 (H, W)
        NaN where unknown.
    guide : float32 (C, H, W)
        Both dates, so that a thing of either is one superpixel.
    valid : bool (H, W)
    size_px : int
        Edge of a superpixel, about.
    compactness : float
        How much nearness counts beside likeness.
    share : float
        Part that the mean has beside the pixel's own score.

    Returns
    -------
    float32 (H, W)
        NaN where not valid.

    References
    ----------
    Achanta, R. et al. (2012). SLIC superpixels compared to state-of-the-art superpixel methods.
    IEEE TPAMI 34(11), 2274-2282.
    """
    known = valid & ~np.isnan(score)
    voted = np.where(known, score, np.float32(np.nan)).astype(np.float32)
    count = int(known.sum())
    if count < LEAST_PIXELS:
        return voted
    labels = slic(
        np.moveaxis(guide, 0, -1),
        n_segments=max(1, round(count / size_px**2)),
        compactness=compactness,
        mask=None if known.all() else known,
        start_label=1,
        channel_axis=-1,
        convert2lab=False,
    )
    numbers = labels[known]
    pixels = np.bincount(numbers)
    mean = np.bincount(numbers, weights=score[known]) / np.maximum(pixels, 1)
    voted[known] = share * mean[numbers] + (1 - share) * score[known]
    return voted
