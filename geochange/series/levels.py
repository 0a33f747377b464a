"""How bright the scene as a whole is at each date: light and haze that lie over all of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from geochange.blocks import BoolArray
from geochange.series.protocol import SeriesBlock
from geochange.series.regression import Doubles
from geochange.series.robust import masked_median

EVERY = 7
"""One in so many pixels is looked at."""
ROUNDS = 3


def measure_levels(blocks: Iterable[SeriesBlock]) -> Doubles:
    """Return how much every date differs from the others, float64 (T, C); 0 where none is valid.

    The median of what a date shows is held against the median of the same pixels as they mostly
    are, so a date that shows only a part of the scene - the edge of a swath, all but clouds over
    land - is not taken for dark because that part is.

    Parameters
    ----------
    blocks : iterable of SeriesBlock

    Notes
    -----
    Pixels that are valid at different dates are mostly seen in different light; so levels and what
    pixels mostly are take turns, as in median polish (Tukey 1977, Exploratory Data Analysis).

    Examples
    --------
    >>> images = np.tile(np.array([1.0, 9.0], np.float32), (3, 1, 7, 7)).reshape(3, 1, 7, 14)
    >>> images[1] += 2
    >>> valid = np.ones((3, 7, 14), bool)
    >>> valid[2, :, 1::2] = False  # the last date shows dark pixels alone
    >>> measure_levels([SeriesBlock(images, valid, np.arange(3))]).ravel().tolist()
    [0.0, 2.0, 0.0]
    """
    pixels, known = _sample(blocks)
    levels = np.zeros(pixels.shape[:2])
    for _ in range(ROUNDS):
        own = masked_median(pixels - levels[:, :, None], known[:, None])
        levels = _compare_medians(pixels, own, known)
    seen = known.any(axis=1)
    if seen.any():
        levels[seen] -= np.median(levels[seen], axis=0)
    return levels


def _compare_medians(pixels: Doubles, own: Doubles, known: BoolArray) -> Doubles:
    """Return the median of what each date shows less that of the same pixels' own, (T, C)."""
    levels = np.zeros(pixels.shape[:2])
    for date, (values, valid) in enumerate(zip(pixels, known, strict=True)):
        if valid.any():
            levels[date] = np.median(values[:, valid], axis=1) - np.median(own[:, valid], axis=1)
    return levels


def _sample(blocks: Iterable[SeriesBlock]) -> tuple[Doubles, BoolArray]:
    """Return some pixels of all blocks, float64 (T, C, P), and where they are valid, (T, P)."""
    parts = [
        (
            block.images.reshape(*block.images.shape[:2], -1)[..., ::EVERY],
            block.valid.reshape(len(block.valid), -1)[:, ::EVERY],
        )
        for block in blocks
    ]
    pixels = np.concatenate([part for part, _ in parts], axis=2).astype(np.float64)
    return pixels, np.concatenate([part for _, part in parts], axis=1)
