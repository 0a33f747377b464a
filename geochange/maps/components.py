"""Statistics of the connected components of a change mask, from the score and both dates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, PairBlock, PairTraits
from geochange.io.score import SCORE_NODATA, SCORE_SCALE
from geochange.maps.runs import Runs
from geochange.maps.sweep import FloatTable, RasterSource, Runner, Sums, Totals, sweep
from geochange.tiles import Tile, Window


class PairSource(Protocol):
    """Two dates on the grid of a mask, such as :class:`geochange.alignment.pair.Pair`.

    Attributes
    ----------
    traits : PairTraits
    dates : tuple of str or None
        ISO 8601 dates of the two acquisitions.
    """

    @property
    def traits(self) -> PairTraits:
        """Names and roles of the bands."""
        ...

    @property
    def dates(self) -> tuple[str | None, str | None]:
        """Dates of acquisition."""
        ...

    def read(self, tile: Tile) -> PairBlock:
        """Read ``tile.read`` at both dates."""
        ...


def common_bands(traits: PairTraits) -> tuple[str, ...]:
    """Return the names of the bands that can be subtracted; none when their numbers differ."""
    return traits.bands_before if len(traits.bands_before) == len(traits.bands_after) else ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a mask was made from, read only where there is change.

    Attributes
    ----------
    score : RasterSource
        uint16 levels of :func:`geochange.io.score.encode_score`, on the grid of the mask.
    pair : PairSource or None
        Asked for the bounding box of the change in each tile.
    """

    score: RasterSource
    pair: PairSource | None = None

    def describe(self, tile: Tile, changed: BoolArray, runs: Runs) -> Sums:
        """Return sums and peaks over each run of change in a tile; see :func:`summarize`."""
        box = _bounds(changed, tile.core)
        changed = changed[box.slices_in(tile.core)]
        first = np.cumsum(runs.lengths) - runs.lengths
        level = self.score.read(box)[changed].astype(np.int64)
        level[level == SCORE_NODATA] = -1
        scored = [level >= 0, np.maximum(level, 0)]
        if self.pair is not None and common_bands(self.pair.traits):
            scored += _spectra(self.pair.read(Tile(tile.index, box, box)), changed)
        sums = [np.add.reduceat(column, first, dtype=np.float64) for column in scored]
        peaks = np.maximum.reduceat(level, first).astype(np.float64)
        return np.stack(sums, axis=1), peaks[:, None]


def _spectra(block: PairBlock, changed: BoolArray) -> list[NDArray[np.generic]]:
    """Return whether each changed pixel is valid, then each band before and its difference."""
    where = np.flatnonzero(changed)
    valid = block.valid.ravel()[where]
    before, after = (
        np.where(valid, date.reshape(len(date), -1)[:, where], np.float32(0))
        for date in (block.before, block.after)
    )
    return [valid, *before, *(after - before)]


def _bounds(changed: BoolArray, core: Window) -> Window:
    rows, cols = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    row, col = int(rows[0]), int(cols[0])
    return Window(core.row + row, core.col + col, int(rows[-1]) - row + 1, int(cols[-1]) - col + 1)


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
    before, delta : float64 (N, C) or None
        Mean of the before date and of after - before over valid pixels, by band.
    """

    pixels: NDArray[np.int64]
    centroid: FloatTable
    score_mean: NDArray[np.float64] | None = None
    score_max: NDArray[np.float64] | None = None
    before: FloatTable | None = None
    delta: FloatTable | None = None

    def __len__(self) -> int:
        return int(self.pixels.size)


def summarize(totals: Totals) -> Measures:
    """Turn sums (pixels, rows, columns, scored, levels, valid, bands ...) and peaks into means."""
    sums = totals.sums
    pixels = sums[:, 0].astype(np.int64)
    centroid = sums[:, 1:3] / sums[:, :1]
    if sums.shape[1] == 3:
        return Measures(pixels, centroid)
    score_mean = _divide(sums[:, 4], sums[:, 3]) * SCORE_SCALE
    level = totals.peaks[:, 0]
    score_max = np.where(level < 0, np.nan, level * SCORE_SCALE)
    if sums.shape[1] == 5:
        return Measures(pixels, centroid, score_mean, score_max)
    before, delta = np.split(_divide(sums[:, 6:], sums[:, 5:6]), 2, axis=1)
    return Measures(pixels, centroid, score_mean, score_max, before, delta)


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
