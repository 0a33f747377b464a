"""Statistics of the connected components of a change mask, from the score and both dates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.io.stores.score import SCORE_SCALE
from geochange.maps.evidence import Evidence, PairSource
from geochange.maps.sweep import RasterSource, Runner, sweep
from geochange.maps.totals import FloatTable, Totals


@dataclass(frozen=True, slots=True)
class Measures:
    """Statistics of N components.

    Attributes
    ----------
    pixels : int64 (N,)
    centroid : float64 (N, 2)
        Row and column of the centre of mass in pixel coordinates (pixel centres at .5).
    score_mean, score_max : float64 (N,) or None
        In [0, 1], NaN for a component without score; None when no score was given.
    cloud_risk : float64 (N,) or None
        Mean likelihood that a pixel is clouded, NaN where unknown; None when no score was given.
    before, delta : float64 (N, C) or None
        Mean of the before date and of after - before over valid pixels, by band.
    """

    pixels: NDArray[np.int64]
    centroid: FloatTable
    score_mean: NDArray[np.float64] | None = None
    score_max: NDArray[np.float64] | None = None
    cloud_risk: NDArray[np.float64] | None = None
    before: FloatTable | None = None
    delta: FloatTable | None = None

    def __len__(self) -> int:
        return int(self.pixels.size)


def summarize(totals: Totals) -> Measures:
    """Turn sums (pixels, rows, columns, scored, levels, risk, valid ...) and peaks into means."""
    sums = totals.sums
    pixels = sums[:, 0].astype(np.int64)
    centroid = sums[:, 1:3] / sums[:, :1]
    if sums.shape[1] == 3:
        return Measures(pixels, centroid)
    score_mean = _divide(sums[:, 4], sums[:, 3]) * SCORE_SCALE
    level = totals.peaks[:, 0]
    score_max = np.where(level < 0, np.nan, level * SCORE_SCALE)
    risk = sums[:, 5] / pixels
    if sums.shape[1] == 6:
        return Measures(pixels, centroid, score_mean, score_max, risk)
    before, delta = np.split(_divide(sums[:, 7:], sums[:, 6:7]), 2, axis=1)
    return Measures(pixels, centroid, score_mean, score_max, risk, before, delta)


def _divide(total: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def measure(
    mask: RasterSource,
    score: RasterSource | None = None,
    pair: PairSource | None = None,
    *,
    connectivity: int = 8,
    run: Runner = map,
) -> Iterator[Measures]:
    """Yield statistics of the connected components of the pixels that are 1, batch by batch.

    Over all batches the order is that of :func:`~geochange.maps.polygons.polygonize`: by last
    pixel. Neither the score nor the pair is read where nothing changed.

    Parameters
    ----------
    mask : RasterSource
    score : RasterSource, optional
        uint16 levels of the score on the same grid; without it only sizes and places are known.
    pair : PairSource, optional
        Both dates, for the means of the bands.
    connectivity : {4, 8}
    run : callable
        How the loop over tiles runs; see :class:`~geochange.maps.sweep.Runner`.
    """
    describe = None if score is None else Evidence(score, pair).describe
    for components in sweep(mask, connectivity, describe, run=run):
        yield summarize(components.totals)
