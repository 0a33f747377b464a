"""Measuring what brings bands to one range, on the scenes of a training set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import FloatArray
from geochange.errors import InputError
from geochange.nn.normalization import (
    FixedNormalization,
    Normalization,
    Scaling,
    SceneNormalization,
)
from geochange.tiles import TilePlan, Window
from geochange.training.scenes.cache import SceneCache
from geochange.training.scenes.scene import Sample

LOOKS, LOOK_PX = 200, 128
"""Windows that the statistics of a training set are taken from, and their edge."""
SCENE_TILE_PX, SCENE_PX = 512, 2_000_000
"""Tiles, and pixels in all, that a scene's own percentiles are taken from."""
PERCENTILE_STEP = 8
"""One in so many pixels of a window is looked at for percentiles."""
NOTHING = "no pixel of the training scenes is valid at both dates; check nodata and masks"
DIGITS = 6
FLAT = 1e-5
"""A band that varies by less than this share of its mean is constant but for rounding."""

Array64 = NDArray[np.float64]
Scalings = tuple[Scaling, Scaling]
"""Of the before and of the after date."""


def measure(cache: SceneCache, kind: str, seed: int) -> Normalization:
    """Return the normalisation of a training set.

    Parameters
    ----------
    cache : SceneCache
        Of the training scenes.
    kind : {'set', 'date', 'percentiles', 'scene'}
        One mean and deviation per band for both dates (where they have equally many), one for each
        date, percentiles of each date over all scenes, or percentiles of each scene.
    seed : int
        Of the choice of windows.

    Raises
    ------
    InputError
        No valid pixel in what was looked at.
    """
    if kind == "scene":
        return SceneNormalization()
    looks = _choose_looks(cache, np.random.default_rng([seed, LOOKS]))
    if kind == "percentiles":
        return _measure_percentiles(cache, looks)
    sums = None
    for index, window in looks:
        sample = cache.read(index, window)
        found = [_moments(date[:, sample.valid]) for date in (sample.before, sample.after)]
        sums = found if sums is None else [a + b for a, b in zip(sums, found, strict=True)]
    if sums is None or not sums[0][0, 0]:
        raise InputError(NOTHING)
    if kind == "set" and len(sums[0]) == len(sums[1]):
        sums = [sums[0] + sums[1]] * 2
    before, after = (_to_scaling(moments) for moments in sums)
    return FixedNormalization(before, after)


def _measure_percentiles(cache: SceneCache, looks: list[tuple[int, Window]]) -> FixedNormalization:
    """Return the scaling that a scene of all training pixels would get, for every scene."""
    dates: list[list[FloatArray]] = [[], []]
    for index, window in looks:
        sample = cache.read(index, window)
        for parts, date in zip(dates, (sample.before, sample.after), strict=True):
            parts.append(date[:, sample.valid][:, ::PERCENTILE_STEP])
    before, after = (np.concatenate(parts, axis=1).T for parts in dates)
    if not len(before):
        raise InputError(NOTHING)
    return FixedNormalization(*SceneNormalization().settle(before, after))


def _choose_looks(cache: SceneCache, rng: np.random.Generator) -> list[tuple[int, Window]]:
    """Return windows, each scene in turn, at places drawn evenly over it; scene after scene."""
    order = rng.permutation(len(cache.scenes))
    looks = []
    for number in range(LOOKS):
        index = int(order[number % len(order)])
        spare = [max(0, n - LOOK_PX) for n in cache.scenes[index].shape]
        row, col = (int(rng.integers(n + 1)) for n in spare)
        looks.append((index, Window(row, col, LOOK_PX, LOOK_PX)))
    return sorted(looks, key=lambda look: (look[0], look[1].row, look[1].col))


def _moments(pixels: FloatArray) -> Array64:
    """Count, sum and sum of squares per band, float64 (C, 3)."""
    exact = pixels.astype(np.float64)
    count = np.full(len(pixels), pixels.shape[1], np.float64)
    return np.column_stack([count, exact.sum(axis=1), (exact**2).sum(axis=1)])


def _to_scaling(moments: Array64) -> Scaling:
    count, total, squares = moments.T
    mean = total / count
    variance = np.maximum(squares / count - mean**2, 0)
    spread = np.sqrt(variance)
    spread = np.where(spread > FLAT * np.abs(mean), spread, 1.0)
    centre, width = (tuple(float(f"{v:.{DIGITS}g}") for v in row) for row in (mean, spread))
    return Scaling(centre, width)


def settle(cache: SceneCache, normalization: Normalization) -> list[Scalings]:
    """Return the scalings of each scene of a cache.

    Raises
    ------
    InputError
        A scene without a pixel that is valid at both dates.
    """
    if isinstance(normalization, FixedNormalization):
        return [(normalization.before, normalization.after)] * len(cache.scenes)
    return [_settle_scene(cache, i, normalization) for i in range(len(cache.scenes))]


def _settle_scene(cache: SceneCache, index: int, normalization: SceneNormalization) -> Scalings:
    scene = cache.scenes[index]
    tiles = TilePlan(scene.shape, min(SCENE_TILE_PX, max(scene.shape))).sample(SCENE_PX)
    samples = [cache.read(index, tile.core) for tile in tiles]
    before, after = (
        np.concatenate([getattr(sample, date)[:, sample.valid].T for sample in samples])
        for date in ("before", "after")
    )
    if not len(before):
        msg = f"no pixel of scene {scene.name} is valid at both dates; check nodata and masks"
        raise InputError(msg)
    return normalization.settle(before, after)


def scale(sample: Sample, scalings: Scalings) -> Sample:
    """Return a sample with both dates scaled; invalid pixels stay 0."""
    scaled = [
        np.where(sample.valid, scaling.apply(date), np.float32(0))
        for date, scaling in zip((sample.before, sample.after), scalings, strict=True)
    ]
    return Sample(scaled[0], scaled[1], sample.label, sample.valid)


def stack(samples: Sequence[Sample], name: str) -> NDArray[np.generic]:
    """Stack one part of many samples along a new first axis."""
    return np.stack([getattr(sample, name) for sample in samples])
