"""Change vector analysis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.detectors.base import score_from_sigma
from geochange.detectors.neighbourhoods.pieces import cut_chunks
from geochange.detectors.statistics.samples import (
    estimate_noise,
    fit_gain,
    require_equal_bands,
    sample_pixels,
)

OUTLIER = 3.0
"""Standardised differences are cut at this many sigmas before their correlation is taken."""


class CVA:
    """Change vector analysis: the length of the standardised spectral difference.

    The difference of each band, after minus before, is centred by its median and divided by its
    noise (1.4826 times the median absolute deviation). The root mean square over the bands is the
    magnitude in noise standard deviations, comparable whatever the number of bands, and
    :func:`geochange.detectors.base.score_from_sigma` maps it to a score: 0.5 is three sigmas.

    Parameters
    ----------
    gain : bool
        Estimate a relative gain between the dates, a robust line for each band, before the
        difference is taken. A relative offset is always removed.
    max_pixels : int
        Size of the pixel sample that the statistics are learned from.
    seed : int
        Seed of that sample.

    Attributes
    ----------
    gain_, offset_, noise_ : float64 (bands,)
        The standardised difference is ``(after - gain_ * before - offset_) / noise_``.
    degrees_ : float
        Degrees of freedom of its squared length, see :func:`count_degrees`.

    References
    ----------
    Malila, W. A. (1980). Change vector analysis: an approach for detecting forest changes with
    Landsat. LARS Symposia, 385.
    Bovolo, F. and Bruzzone, L. (2007). A theoretical framework for unsupervised change detection
    based on change vector analysis in the polar domain. IEEE TGRS 45(1), 218-236.

    Examples
    --------
    >>> from geochange.testing import synthetic_pair
    >>> from geochange.tiles import TilePlan
    >>> pair = synthetic_pair((64, 64), bands=4)
    >>> detector = CVA().fit(pair.blocks(TilePlan(pair.shape, size=32)))
    >>> score = detector.score(pair.before[None], pair.after[None], pair.valid[None])[0]
    >>> bool(np.nanmedian(score[pair.truth]) > 2 * np.nanmedian(score[~pair.truth]))
    True
    """

    halo = 0
    threshold = "auto"

    def __init__(self, *, gain: bool = False, max_pixels: int = 500_000, seed: int = 0) -> None:
        self.gain = gain
        self.max_pixels = max_pixels
        self.seed = seed

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Learn gain, offset and noise of each band.

        Raises
        ------
        InputError
            No valid pixel.
        BandError
            The dates have different band counts.
        """
        before, after = sample_pixels(blocks, self.max_pixels, self.seed)
        require_equal_bands(before.shape[1], after.shape[1], "cva")
        self.gain_ = fit_gain(before, after) if self.gain else np.ones(before.shape[1])
        difference = after - before * self.gain_.astype(np.float32)
        self.offset_ = np.median(difference, axis=0).astype(np.float64)
        difference -= self.offset_.astype(np.float32)
        self.noise_ = estimate_noise(difference, after)
        difference /= self.noise_.astype(np.float32)
        self.degrees_ = count_degrees(np.clip(difference, -OUTLIER, OUTLIER, out=difference))
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        x, y = (date.reshape(*date.shape[:2], -1) for date in (before, after))
        score = np.empty((len(valid), valid[0].size), np.float32)
        with np.errstate(invalid="ignore", over="ignore"):
            for part in cut_chunks(score.shape[1]):
                score[:, part] = score_from_sigma(self._measure(x[..., part], y[..., part]))
        score = score.reshape(valid.shape)
        np.copyto(score, np.nan, where=~valid)
        return score

    def _measure(self, before: FloatArray, after: FloatArray) -> FloatArray:
        """Root mean square of the bands' differences (N, C, P) in sigmas, (N, P)."""
        total = np.zeros_like(before[:, 0])
        for band in self._standardise(before, after):
            total += np.multiply(band, band, out=band)
        total /= before.shape[1]
        return np.sqrt(total, out=total)

    def score_at_p(self, p: float) -> float:
        """Score that an unchanged pixel exceeds with probability ``p``, for Gaussian noise."""
        return float(score_from_sigma(np.sqrt(chdtri(self.degrees_, p) / self.degrees_)))

    def direction(self, before: FloatArray, after: FloatArray) -> FloatArray:
        """Angle between the change vector and the vector of equal change in all bands.

        The direction of compressed change vector analysis (Bovolo, Marchesi and Bruzzone 2012,
        IEEE TGRS 50(6)): kinds of change differ by it, sizes of change do not.

        Parameters
        ----------
        before, after : float32 (N, C, H, W)

        Returns
        -------
        float32 (N, H, W)
            Radians from 0 (all bands brighter by equally many sigmas) to pi (all darker);
            NaN where a date is NaN or nothing differs.
        """
        total, square = np.zeros((2, *before[:, 0].shape), np.float32)
        with np.errstate(invalid="ignore", over="ignore"):
            for band in self._standardise(before, after):
                total += band
                square += band * band
            cosine = total / np.sqrt(square * np.float32(before.shape[1]))
            angle: FloatArray = np.arccos(np.clip(cosine, -1, 1))
        return angle

    def dominant_band(self, before: FloatArray, after: FloatArray) -> NDArray[np.int16]:
        """Band that changed by most sigmas: its number from 1, negative where it got darker.

        Parameters
        ----------
        before, after : float32 (N, C, H, W)

        Returns
        -------
        int16 (N, H, W)
            0 where no band changed or a date is NaN.
        """
        shape = before[:, 0].shape
        largest, dominant = np.zeros(shape, np.float32), np.zeros(shape, np.int16)
        with np.errstate(invalid="ignore", over="ignore"):
            for number, band in enumerate(self._standardise(before, after), start=1):
                larger = np.abs(band) > largest
                largest[larger] = np.abs(band[larger])
                dominant[larger] = np.where(band[larger] > 0, number, -number)
        return dominant

    def _standardise(self, before: FloatArray, after: FloatArray) -> Iterator[FloatArray]:
        """Yield the difference of one band after the other in sigmas; the buffer is reused."""
        require_equal_bands(before.shape[1], after.shape[1], "cva")
        buffer = np.empty_like(before[:, 0])
        learned = zip(self.gain_, self.offset_, self.noise_, strict=True)
        for band, (gain, offset, noise) in enumerate(learned):
            np.multiply(before[:, band], np.float32(-gain), out=buffer)
            buffer += after[:, band]
            buffer -= np.float32(offset)
            buffer *= np.float32(1 / noise)
            yield buffer


def count_degrees(standardised: FloatArray) -> float:
    """Degrees of freedom of the squared length of correlated Gaussian bands (Satterthwaite 1946).

    Parameters
    ----------
    standardised : float32 (pixels, bands)
        Of unit variance and mean 0.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(100_000, 1)).astype(np.float32)
    >>> round(count_degrees(np.hstack([noise, noise])), 2)
    1.0
    """
    spread = np.sqrt((standardised**2).mean(axis=0, dtype=np.float64))
    unit = standardised / np.where(spread > 0, spread, 1).astype(np.float32)
    correlation = (unit.T @ unit).astype(np.float64) / len(unit)
    np.fill_diagonal(correlation, 1)
    return float(len(correlation) ** 2 / (correlation**2).sum())
