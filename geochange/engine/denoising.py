"""Measure the noise of both dates of a pair, once, for the filter that smooths them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from geochange.alignment.pair import Pair
from geochange.blocks import BoolArray, FloatArray
from geochange.engine.runner import open_runner
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.errors import InputError
from geochange.radiometry.denoising import (
    SPECKLE,
    DenoiseSettings,
    Denoising,
    say_denoising,
)
from geochange.radiometry.noise import (
    measure_evenness,
    measure_looks,
    measure_sigma,
    respond_to_noise,
)
from geochange.tiles import Tile, TilePlan

TILE_PX = 256
MAX_PIXELS = 1_000_000
"""Larger scenes are measured in an even, seeded choice of tiles with so many pixels in all."""
MAX_NEGATIVE_SHARE = 0.01

Measure = Callable[[FloatArray, BoolArray], NDArray[np.float64]]


def denoise(
    pair: Pair,
    *,
    method: str = "median",
    window: int | None = None,
    looks: float | None = None,
    threads: int = 0,
    on_progress: Progress = report_nothing,
) -> Denoising:
    """Choose the filter that smooths both dates when tiles are read.

    Noise is measured once for the whole scene, so that all tiles are smoothed alike. Pixels
    without data take no part and get none.

    Parameters
    ----------
    pair : Pair
        Of :func:`geochange.open_pair`; registered and normalised first, if it is to be.
    method : {'none', 'median', 'nlm', 'bilateral', 'lee', 'refined-lee'}
        ``median`` against outliers; ``nlm`` (non-local means) and ``bilateral`` against noise, for
        changes too faint to stand out of it; ``lee`` and ``refined-lee`` against the speckle of
        radar amplitude or intensity.
    window : int, optional
        Odd edge in pixels; for ``nlm`` that of the window in which like patches are looked for.
    looks : float, optional
        Looks of the speckle, instead of measured ones: squared mean over variance of even areas,
        in the pixels' own unit.
    threads : int
        Default: one per processor.
    on_progress : callable
        Called with stage, tiles done, tiles in all.

    Returns
    -------
    Denoising
        ``denoising.apply(pair)`` is the smoothed pair.

    Raises
    ------
    UsageError
        Unknown method, a window or looks that do not fit it.
    InputError
        Speckle is to be filtered in pixels of which many are negative, such as decibels.

    Examples
    --------
    >>> pair = open_pair("before.tif", "after.tif")  # doctest: +SKIP
    >>> print(denoise(pair, method="lee").said)  # doctest: +SKIP
    both dates smoothed by lee over 7 x 7 px; 4.1 and 3.9 looks, as measured
    """
    settings = DenoiseSettings(method, window, looks)
    with (
        open_runner(threads=threads) as runner,
        Stages(runner, on_progress) as stages,
        stages.stage("denoise"),
    ):
        return denoise_pair(pair, settings, stages)


def denoise_pair(pair: Pair, settings: DenoiseSettings, stages: Stages) -> Denoising:
    """Like :func:`denoise`, with the tasks run as a stage of a job."""
    if settings.kind == "none":
        return Denoising()
    strengths: tuple[tuple[float, ...], ...] = ((), ())
    if settings.kind in SPECKLE:
        _require_positive(pair, stages)
        found = _measure(pair, measure_evenness, measure_looks, stages)
        given = settings.looks
        strengths = found if given is None else tuple((given,) * len(date) for date in found)
    elif settings.kind in ("nlm", "bilateral"):
        strengths = _measure(pair, respond_to_noise, measure_sigma, stages)
    return Denoising(settings, strengths, say_denoising(settings, strengths))


def _measure(
    pair: Pair,
    respond: Measure,
    conclude: Callable[[NDArray[np.float64]], float],
    stages: Stages,
) -> tuple[tuple[float, ...], ...]:
    """Return a measure of every band of both dates."""

    def task(tile: Tile) -> list[list[NDArray[np.float64]]]:
        block = pair.salvage(tile.read)
        dates = block.before, block.after
        return [[respond(band, block.valid) for band in date] for date in dates]

    plan = TilePlan(pair.shape, min(TILE_PX, max(pair.shape)))
    parts = list(stages.run_here(task, plan.sample(MAX_PIXELS), in_flight=2))
    return tuple(
        tuple(conclude(np.concatenate(band)) for band in zip(*date, strict=True))
        for date in zip(*parts, strict=True)
    )


def _require_positive(pair: Pair, stages: Stages) -> None:
    """Refuse dates of which many pixels of a band, over the whole scene, are negative."""

    def count(band: FloatArray, valid: BoolArray) -> NDArray[np.float64]:
        return np.array([[np.count_nonzero(band[valid] < 0), np.count_nonzero(valid)]], float)

    def share(counts: NDArray[np.float64]) -> float:
        negative, known = counts.sum(axis=0)
        return float(negative / max(known, 1))

    shares = _measure(pair, count, share, stages)
    if max(share for date in shares for share in date) > MAX_NEGATIVE_SHARE:
        msg = (
            "speckle filters need amplitude or intensity, but many pixels are negative; convert "
            "decibels (10 ** (dB / 20)), or use nlm or median"
        )
        raise InputError(msg)
