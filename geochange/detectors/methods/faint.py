"""Small and faint change: filtered to its size, whitened, held against the clutter around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Self

import numpy as np

from geochange.blocks import MAD_TO_SIGMA, BoolArray, FloatArray, PairBlock, PixelSample, Places
from geochange.detectors.base import score_from_sigma
from geochange.detectors.methods.mad import MAD
from geochange.detectors.neighbourhoods.pieces import Piece, score_pieces, trim
from geochange.detectors.neighbourhoods.smoothing import BoxMean, require_odd
from geochange.detectors.statistics.clutter import stand_out
from geochange.detectors.statistics.samples import Vector, require_pixels, rounding_step
from geochange.detectors.statistics.variates import VARIANCE_FLOOR, LinearVariates, Matrix
from geochange.errors import UsageError

WINDOW_SIZES, AROUND_SIZES = 3, 5
"""The surroundings that are taken off, and those that clutter is measured in, in sizes."""
GUARD_PX = 2
"""What a change may be larger than the size, and still does not count as clutter of itself."""


class FaintDetector:
    """Find changes of a few pixels and little contrast by matched filtering in whitened space.

    Both dates are filtered to the size that is looked for: the mean over it less the mean of the
    surroundings, which takes out season, haze, shade and whole fields. The combinations of the
    filtered bands that agree best between the dates (multivariate alteration detection) give
    differences with as little noise as can be had; each is brought to unit noise. They are whitened
    by that noise together with the covariance C that they have all around, but for a guard (see
    :func:`geochange.detectors.statistics.clutter.stand_out`): false alarms are as rare among roofs
    as on fields, and a change that has another spectrum than the clutter around it stands out of
    it::

        sigma = sqrt(v' (I + clutter * C)^-1 v / V)

    Of changes much larger than ``size`` only borders are seen, or nothing: they are the
    surroundings. Take another method for them.

    Parameters
    ----------
    size : int
        Odd edge in pixels of the changes that are looked for.
    clutter : float
        Weight of the clutter; 0 leaves it out.
    max_pixels : int
        Size of the pixel sample that the variates are learned from.
    seed : int
        Seed of that sample.

    Attributes
    ----------
    halo, fit_halo : int
        Pixels seen around a pixel, when a tile is scored and when variates are learned.
    variates_ : LinearVariates
        Of the filtered bands.

    References
    ----------
    Nielsen, A. A., Conradsen, K. and Simpson, J. J. (1998). Multivariate alteration detection
    (MAD) and MAF postprocessing in multispectral, bitemporal image data. RSE 64(1), 1-19.
    Reed, I. S. and Yu, X. (1990). Adaptive multiple-band CFAR detection of an optical pattern with
    unknown spectral distribution. IEEE TASSP 38(10), 1760-1770.

    Examples
    --------
    >>> from geochange.testing import synthetic_pair
    >>> from geochange.tiles import TilePlan
    >>> pair = synthetic_pair((64, 64), bands=4, changes=0)
    >>> detector = FaintDetector().fit(pair.blocks(TilePlan(pair.shape, 32, halo=10)))
    >>> after = pair.after.copy()
    >>> after[:, 30:33, 40:43] += np.array([5, -5, 5, -5], np.float32)[:, None, None]
    >>> score = detector.score(pair.before[None], after[None], pair.valid[None])[0]
    >>> tuple(map(int, np.unravel_index(score.argmax(), score.shape)))
    (31, 41)
    """

    threshold = "auto"

    def __init__(
        self, *, size: int = 3, clutter: float = 1.0, max_pixels: int = 100_000, seed: int = 0
    ) -> None:
        if clutter < 0:
            msg = f"faint needs a clutter weight of at least 0, got {clutter:g}"
            raise UsageError(msg)
        self.size = require_odd("size", size)
        self.clutter = clutter
        self.max_pixels = max_pixels
        self.seed = seed
        self.fit_halo = self._window // 2
        self.halo = self.fit_halo + self._around // 2

    @property
    def _window(self) -> int:
        return WINDOW_SIZES * self.size

    @property
    def _around(self) -> int:
        return AROUND_SIZES * self.size

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Learn the variates and their noise from a sample of filtered pixels.

        Raises
        ------
        InputError
            No valid pixel.
        """
        counts = 0, 0

        def describe(block: PairBlock, places: Places) -> FloatArray:
            nonlocal counts
            counts = len(block.before), len(block.after)
            return self._sample(block, places)

        table = PixelSample(self.max_pixels, self.seed).collect(blocks, describe)
        require_pixels(table.shape[1])
        raw, filtered = np.split(table.astype(np.float64), 2)
        steps = np.split(rounding_step(raw.T) / self.size, [counts[0]])
        dates = np.split(filtered, [counts[0]])
        variates, _ = MAD().solve(dates[0], dates[1], np.ones(table.shape[1]))
        self.variates_ = _measure_noise(variates, dates[0], dates[1]).raise_variance(*steps)
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        with np.errstate(invalid="ignore", over="ignore"):
            return score_pieces(self._score, before, after, valid, self.halo)

    def _sample(self, block: PairBlock, places: Places) -> FloatArray:
        """Return bands of both dates as they are, then filtered, float32 (2 * bands, n)."""
        width = block.valid.shape[1]
        dates = [
            np.where(block.valid, date, np.float32(np.nan)).reshape(len(date), -1)
            for date in (block.before, block.after)
        ]
        filtered = self._filter(Piece(dates[0], dates[1], width))
        inner = places - self.fit_halo * (width + 1)
        raw = [date[:, places] for date in dates]
        return np.concatenate([*raw, *(date[:, inner] for date in filtered)])

    def _filter(self, piece: Piece) -> list[FloatArray]:
        """Return means over the size less those over the window, 0 where invalid, (C, L')."""
        small, wide = (BoxMean(piece.valid, n, piece.stride) for n in (self.size, self._window))
        known = trim(piece.valid, self._window // 2, piece.stride)
        filtered = []
        for date in (piece.before, piece.after):
            out = np.empty((len(date), known.size), np.float32)
            for number, band in enumerate(date):
                mean = small.apply(band.copy())
                mean = trim(mean, (self._window - self.size) // 2, piece.stride)
                np.subtract(mean, wide.apply(band.copy()), out=out[number])
            np.copyto(out, 0, where=~known)
            filtered.append(out)
        return filtered

    def _score(self, piece: Piece) -> FloatArray:
        x, y = self._filter(piece)
        variates = self.variates_.transform(x[None], y[None])[0]
        known = trim(piece.valid, self._window // 2, piece.stride)
        variates *= known
        square = stand_out(
            variates,
            known,
            piece.stride,
            around=self._around,
            guard=self.size + GUARD_PX,
            weight=self.clutter,
        )
        return score_from_sigma(np.sqrt(square))


def _measure_noise(variates: LinearVariates, before: Matrix, after: Matrix) -> LinearVariates:
    """Return variates with the variance of their unchanged pixels, by median absolute deviation."""
    x, y = before - variates.mean_before[:, None], after - variates.mean_after[:, None]
    difference = variates.a @ x - variates.b @ y
    middle = np.median(difference, axis=1, keepdims=True)
    noise: Vector = MAD_TO_SIGMA * np.median(np.abs(difference - middle), axis=1)
    return replace(variates, variance=np.maximum(noise**2, VARIANCE_FLOOR))
