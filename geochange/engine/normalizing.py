"""Bring the radiometry of one date to that of the other, from a sample of the pixels of both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtrc

from geochange.alignment.pair import Pair
from geochange.blocks import MAD_TO_SIGMA, FloatArray, PairBlock, PixelSample, Places
from geochange.detectors.methods.mad import IRMAD
from geochange.engine.runner import open_runner
from geochange.engine.scoring import FIT_TILE_PX
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.io.filters.radiometry import BandMap
from geochange.radiometry.lines import (
    Lines,
    Table,
    Vector,
    agreement,
    fit_axes,
    fit_trimmed,
    fit_weighted,
    spread,
)
from geochange.radiometry.normalization import (
    UNNORMALIZED,
    BandFit,
    Normalization,
    check_normalization,
    decide,
    leave,
)
from geochange.radiometry.quantiles import match_quantiles
from geochange.tiles import Tile, TilePlan, Window

MAX_PIXELS = 2_000_000
"""Larger scenes are measured in an even, seeded choice of tiles with so many pixels in all."""
SAMPLE_PX = 60_000
CELL_PX, FOLDS = 32, 8
"""Cells of the scene fall to folds in turn; what folds disagree by is the fit's uncertainty."""
LEAST_PROBABILITY = 0.95
"""Of no change, for IR-MAD's invariant pixels (Canty and Nielsen 2008)."""


def normalize(
    pair: Pair, *, method: str = "auto", threads: int = 0, on_progress: Progress = report_nothing
) -> Normalization:
    """Find how values of the after date become those that the before date would have recorded.

    Estimated once from an even sample of pixels of both dates, applied by the reader whenever a
    tile is read, so memory does not grow with the scene. Masks, nodata and the area of interest
    count as everywhere.

    Parameters
    ----------
    pair : Pair
        Of :func:`geochange.open_pair`; registered first, if it is to be.
    method : {'auto', 'off', 'linear', 'irmad', 'histogram'}
        ``linear``: a gain and an offset for each band, from the pixels that lie nearest to such
        lines in all bands together. ``irmad``: from the pixels that IR-MAD finds unchanged.
        ``histogram``: values of equal rank are made equal, which follows any monotone response but
        takes change for light. ``auto``: ``linear`` where it brings the dates nearer by more than
        chance; never for radar.
    threads : int
        Default: one per processor.
    on_progress : callable
        Called with stage, tiles done, tiles in all.

    Returns
    -------
    Normalization
        ``normalization.apply(pair)`` is the normalised pair. Bands whose dates do not follow each
        other are left as they are.

    Raises
    ------
    UsageError
        Unknown method.

    References
    ----------
    Canty, M. J. and Nielsen, A. A. (2008). Automatic radiometric normalization of multitemporal
    satellite imagery with the iteratively re-weighted MAD transformation. RSE 112(3), 1025-1036.
    Du, Y., Teillet, P. M. and Cihlar, J. (2002). Radiometric normalization of multitemporal
    high-resolution satellite images with quality control for land cover change detection. RSE
    82(1), 123-134.

    Examples
    --------
    >>> pair = open_pair("before.tif", "after.tif")  # doctest: +SKIP
    >>> print(normalize(pair).said)  # doctest: +SKIP
    radiometry: after date brought to the before date, gain 0.92 to 1.08, offset -70 to +210 ...
    """
    check_normalization(method)
    with (
        open_runner(threads=threads) as runner,
        Stages(runner, on_progress) as stages,
        stages.stage("normalize"),
    ):
        return normalize_pair(pair, method, stages)


def normalize_pair(pair: Pair, mode: str, stages: Stages) -> Normalization:
    """Like :func:`normalize`, with the tasks run as a stage of a job."""
    if mode == "off":
        return UNNORMALIZED
    counts = len(pair.before.bands), len(pair.after.bands)
    if counts[0] != counts[1]:
        return leave(mode, f"the dates have {counts[0]} and {counts[1]} bands")
    if mode == "auto" and pair.traits.may_be_radar:
        return Normalization(
            mode,
            said="radiometry: one band without a name, or radar, which is compared by ratios; "
            "values are left as they are",
        )
    sample = _draw(pair, stages)
    if not sample.folds.size:
        return leave(mode, "no pixel is valid at both dates")
    method = "linear" if mode == "auto" else mode
    lines = _fit(sample, method)
    found = Normalization(
        mode,
        method,
        tuple(_judge(pair.before.bands, sample, lines, method)),
        tuple(_map_bands(sample, lines, method)),
        float(lines.invariant.mean()),
        len(sample.folds),
    )
    return decide(found)


@dataclass(frozen=True)
class Sample:
    """Pixels valid at both dates.

    Attributes
    ----------
    before, after : float64 (P, B)
    folds : int (P,)
        Part of the scene that each lies in, below ``FOLDS``.
    """

    before: Table
    after: Table
    folds: Places


def _draw(pair: Pair, stages: Stages) -> Sample:
    """Read an even choice of tiles and keep an even, seeded choice of their pixels."""
    plan = TilePlan(pair.shape, min(FIT_TILE_PX, max(pair.shape)))
    blocks = stages.run_here(
        lambda tile: replace(pair.salvage(tile.read), tile=tile),
        plan.sample(MAX_PIXELS),
        in_flight=2,
    )
    drawn = PixelSample(SAMPLE_PX).collect(blocks, _describe).astype(np.float64)
    bands = len(drawn) // 2
    return Sample(
        drawn[:bands].T, drawn[bands : 2 * bands].T, drawn[2 * bands :].ravel().astype(int)
    )


def _describe(block: PairBlock, places: Places) -> FloatArray:
    """Return values at both dates and the fold of pixels, float32 (2 B + 1, n)."""
    dates = [date.reshape(len(date), -1)[:, places] for date in (block.before, block.after)]
    rows, cols = np.divmod(places, block.tile.read.width)
    row, col = (rows + block.tile.read.row) // CELL_PX, (cols + block.tile.read.col) // CELL_PX
    return np.concatenate([*dates, ((row * 3 + col) % FOLDS)[None].astype(np.float32)])


def _fit(sample: Sample, method: str) -> Lines:
    if method != "irmad":
        return fit_trimmed(sample.after, sample.before)
    return fit_weighted(sample.after, sample.before, _weigh(sample), LEAST_PROBABILITY)


def _weigh(sample: Sample) -> Vector:
    """Return the probability of no change that IR-MAD gives each pixel, (P,)."""
    before, after = (date.T.astype(np.float32) for date in (sample.before, sample.after))
    row = Window(0, 0, 1, len(sample.folds))
    valid = np.ones(row.shape, bool)
    block = PairBlock(before[:, None], after[:, None], valid, Tile(0, row, row))
    detector = IRMAD(max_pixels=len(sample.folds)).fit([block])
    degrees = detector.canonical_correlations_.size
    if not degrees:
        return np.zeros(len(sample.folds))
    chi_square = detector.variates_.chi_square(before[None], after[None])[0]
    weights: Vector = chdtrc(degrees, chi_square.astype(np.float64))
    return weights


def _map_bands(sample: Sample, lines: Lines, method: str) -> list[BandMap]:
    straight = zip(lines.gain, lines.offset, strict=True)
    if method != "histogram":
        return [BandMap(float(gain), float(offset)) for gain, offset in straight]
    bands = zip(sample.after.T, sample.before.T, lines.gain, strict=True)
    return [match_quantiles(x, y, float(gain)) for x, y, gain in bands]


def _judge(bands: tuple[str, ...], sample: Sample, lines: Lines, method: str) -> list[BandFit]:
    """Return what is found for each band, with its uncertainty and its evidence."""
    x, y = sample.after, sample.before
    maps = _map_bands(sample, lines, method)
    columns = zip(maps, x.T, strict=True)
    mapped = np.stack([to.apply(band.astype(np.float32)) for to, band in columns], axis=1)
    z = mapped.astype(np.float64)
    level = np.median(x, axis=0)
    sigmas = _scatter(sample, lines, level)
    found = (lines.gain, lines.offset, *sigmas, level, agreement(z, y), _apart(x, y), _apart(z, y))
    table = np.stack(found, axis=1).tolist()
    return [BandFit(band, *row) for band, row in zip(bands, table, strict=True)]


def _scatter(sample: Sample, lines: Lines, level: Vector) -> tuple[Vector, Vector]:
    """Return standard deviations of gain and mapped level, from lines of parts of the scene."""
    found = []
    for fold in range(FOLDS):
        own = lines.invariant & (sample.folds == fold)
        if np.count_nonzero(own) > 2 * len(level):
            found.append(fit_axes(sample.after[own], sample.before[own], np.ones(own.sum())))
    if len(found) < 2:
        return np.zeros_like(level), np.zeros_like(level)
    gains, offsets = (np.array(part) for part in zip(*found, strict=True))
    count = np.sqrt(len(found))
    return gains.std(axis=0, ddof=1) / count, (gains * level + offsets).std(axis=0, ddof=1) / count


def _apart(x: Table, y: Table) -> Vector:
    """Return the typical difference of each band, in units of the contrast of both dates."""
    contrast = np.hypot(spread(x), spread(y))
    typical = MAD_TO_SIGMA * np.median(np.abs(y - x), axis=0)
    found: Vector = np.divide(typical, contrast, out=np.zeros_like(contrast), where=contrast > 0)
    return found
