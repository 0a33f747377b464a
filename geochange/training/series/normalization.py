"""What brings the bands of stacks to one range, measured on those that train."""

from __future__ import annotations

import numpy as np

from geochange.blocks import FloatArray
from geochange.errors import InputError, UsageError
from geochange.nn.normalization import (
    FixedNormalization,
    Normalization,
    Scaling,
    SceneNormalization,
)
from geochange.tiles import TilePlan
from geochange.training.series.cache import StackCache

LOOK_PX, LOOK_PIXELS = 64, 8192
"""Edge of the windows of a stack that are looked at, and pixels in all."""
EVERY = 7
"""One in so many of their values counts."""
DIGITS = 6


def measure_stacks(cache: StackCache, kind: str) -> Normalization:
    """Return the normalisation of the stacks that train.

    Parameters
    ----------
    cache : StackCache
    kind : {'set', 'percentiles', 'scene'}
        Mean and deviation, or percentiles, of each band over all dates of all stacks; or
        percentiles of each band over all dates of each stack by itself.

    Raises
    ------
    UsageError
        ``date``, which a series has many of.
    InputError
        No valid pixel.
    """
    if kind == "date":
        msg = (
            "'data.normalization' cannot be 'date' for series; set 'set', 'percentiles' or 'scene'"
        )
        raise UsageError(msg)
    if kind == "scene":
        return SceneNormalization()
    pixels = np.concatenate([_sample(cache, index) for index in range(len(cache.scenes))])
    if not len(pixels):
        msg = "no pixel of the training stacks is valid; check nodata"
        raise InputError(msg)
    if kind == "percentiles":
        return FixedNormalization(*SceneNormalization().settle(pixels, pixels))
    exact = pixels.astype(np.float64)
    spread = exact.std(axis=0)
    spread[spread == 0] = 1.0
    centre, width = (
        tuple(float(f"{value:.{DIGITS}g}") for value in row) for row in (exact.mean(axis=0), spread)
    )
    return FixedNormalization(Scaling(centre, width), Scaling(centre, width))


def settle_stacks(cache: StackCache, normalization: Normalization) -> list[Scaling]:
    """Return the scaling of each stack.

    Raises
    ------
    InputError
        A stack without a valid pixel.
    """
    if isinstance(normalization, FixedNormalization):
        return [normalization.before] * len(cache.scenes)
    found = []
    for index, stack in enumerate(cache.scenes):
        pixels = _sample(cache, index)
        if not len(pixels):
            msg = f"no pixel of stack {stack.name} is valid; check nodata"
            raise InputError(msg)
        found.append(normalization.settle(pixels, pixels)[0])
    return found


def _sample(cache: StackCache, index: int) -> FloatArray:
    """Return values of a stack, float32 (pixels, bands)."""
    shape = cache.scenes[index].series.shape
    parts = []
    for tile in TilePlan(shape, min(LOOK_PX, max(shape))).sample(LOOK_PIXELS):
        images, valid = cache.read(index, tile.core)
        parts.append(np.moveaxis(images, 1, -1)[valid][::EVERY])
    return np.concatenate(parts)
