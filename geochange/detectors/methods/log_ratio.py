"""Log-ratio of two SAR images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.detectors.neighbourhoods.pieces import Piece, score_pieces, trim
from geochange.detectors.neighbourhoods.smoothing import BoxMean, require_odd
from geochange.detectors.statistics.backscatter import (
    check_unit,
    learn_floor,
    log_amplitude,
    settle_unit,
)
from geochange.detectors.statistics.samples import Vector, require_equal_bands, sample_pixels


class LogRatio:
    """Log-ratio of two SAR images, scored by the likelihood ratio of equal backscatter.

    Speckle is multiplicative, so dates are compared by the ratio of their local means. The log
    ratio is averaged once more, twice over a window of ``context`` px (nearly a Gaussian), and
    centred by its median. With log amplitude ratio r the score is ``1 - 1 / cosh(r)``: one minus
    the likelihood ratio, per look, of the test that two gamma-distributed intensities have one
    mean, ``1 - 2 sqrt(I1 I2) / (I1 + I2)``. Several bands (polarisations) are combined as
    independent tests, by the geometric mean of their likelihood ratios. Not meant for optical
    images.

    Parameters
    ----------
    unit : {"auto", "amplitude", "intensity", "db"}
        What the pixels hold; ``auto`` takes negative numbers for decibels, all others for
        amplitude.
    speckle : int
        Odd edge in pixels of the mean of each date before the ratio; 1 is none.
    context : int
        Odd edge in pixels of the two means of the log ratio; 1 is none.
    max_pixels : int
        Size of the pixel sample that medians are learned from.
    seed : int
        Seed of that sample.

    Attributes
    ----------
    unit_ : str
        What the pixels were found to hold.
    offset_ : float64 (bands,)
        Median log amplitude ratio: a difference in calibration.
    floor_ : float64 (bands,)
        What is added to the pixels before the logarithm.

    References
    ----------
    Bovolo, F. and Bruzzone, L. (2005). A detail-preserving scale-driven approach to change
    detection in multitemporal SAR images. IEEE TGRS 43(12), 2963-2972.
    Conradsen, K., Nielsen, A. A., Schou, J. and Skriver, H. (2003). A test statistic in the
    complex Wishart distribution and its application to change detection in polarimetric SAR data.
    IEEE TGRS 41(1), 4-19.

    Examples
    --------
    >>> from geochange.testing import ArrayPair
    >>> from geochange.tiles import TilePlan
    >>> before = np.full((1, 32, 32), 10, np.float32)
    >>> after = before.copy()
    >>> after[:, :16, :12] = 40
    >>> pair = ArrayPair(before, after)
    >>> detector = LogRatio().fit(pair.blocks(TilePlan(pair.shape, size=32)))
    >>> score = detector.score(before[None], after[None], pair.valid[None])[0]
    >>> score[4, 4].round(2), score[30, 30]
    (np.float32(0.5), np.float32(0.0))
    """

    fit_halo = 0
    threshold = "otsu:0.1"

    def __init__(
        self,
        *,
        unit: str = "auto",
        speckle: int = 3,
        context: int = 5,
        max_pixels: int = 500_000,
        seed: int = 0,
    ) -> None:
        self.unit = check_unit(unit)
        self.speckle = speckle
        self.context = context
        self.max_pixels = max_pixels
        self.seed = seed
        margins = require_odd("speckle", speckle) // 2, require_odd("context", context) // 2
        self.halo = margins[0] + 2 * margins[1]

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Learn the median log ratio of each band.

        Raises
        ------
        InputError
            No valid pixel, or negative values that cannot be amplitude or intensity.
        BandError
            The dates have different band counts.
        """
        before, after = sample_pixels(blocks, self.max_pixels, self.seed)
        return self.learn(before, after)

    def learn(self, before: FloatArray, after: FloatArray) -> Self:
        """Do what :meth:`fit` does with pixels that are at hand, float32 (pixels, bands)."""
        require_equal_bands(before.shape[1], after.shape[1], "log-ratio")
        self.unit_ = settle_unit(self.unit, before, after, "log-ratio")
        self.floor_: Vector = learn_floor(before, after, self.unit_)
        first, second = (log_amplitude(date, self.floor_, self.unit_) for date in (before, after))
        self.offset_: Vector = np.median(second - first, axis=0).astype(np.float64)
        return self

    @property
    def provenance(self) -> dict[str, object]:
        """What a run records of the pixels."""
        return {"unit": getattr(self, "unit_", self.unit)}

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        require_equal_bands(before.shape[1], after.shape[1], "log-ratio")
        return score_pieces(self._score, before, after, valid, self.halo)

    def _score(self, piece: Piece) -> FloatArray:
        bands, valid, stride = len(piece.before), piece.valid, piece.stride
        speckle = BoxMean(valid, self.speckle, stride)
        context = BoxMean(trim(valid, self.speckle // 2, stride), self.context, stride)
        likelihood = piece.zeros(self.halo) + 1
        for band in range(bands):
            before, after = speckle.apply(piece.before[band]), speckle.apply(piece.after[band])
            floor = self.floor_[band : band + 1]
            ratio = log_amplitude(after, floor, self.unit_)
            ratio -= log_amplitude(before, floor, self.unit_)
            ratio = context.apply(ratio, times=2)
            ratio -= np.float32(self.offset_[band])
            likelihood *= _compare_means(ratio)
        if bands > 1:
            np.power(likelihood, np.float32(1 / bands), out=likelihood)
        score: FloatArray = 1 - likelihood
        return score


def _compare_means(ratio: FloatArray) -> FloatArray:
    """Likelihood ratio ``1 / cosh(r)`` of equal means; ``ratio`` is overwritten."""
    np.abs(ratio, out=ratio)
    np.exp(np.negative(ratio, out=ratio), out=ratio)
    likelihood: FloatArray = 2 * ratio
    ratio *= ratio
    ratio += 1
    likelihood /= ratio
    return likelihood
