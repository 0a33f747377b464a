"""Shift-tolerant local-context score: the default training-free detector for optical pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from geochange.blocks import MAD_TO_SIGMA, BoolArray, FloatArray, PairBlock
from geochange.detectors.base import score_from_sigma
from geochange.detectors.neighbourhoods.pieces import Piece, mix_bands, score_pieces, trim
from geochange.detectors.neighbourhoods.ranges import leave_ranges, local_range
from geochange.detectors.neighbourhoods.smoothing import (
    TRUNCATE,
    BoxMean,
    gaussian_mean,
    require_odd,
)
from geochange.detectors.statistics.samples import (
    estimate_noise,
    require_equal_bands,
    rounding_step,
    sample_pixels,
)
from geochange.errors import UsageError

VISIBLE = ("blue", "green", "red")
ITERATIONS = 12
"""Rounds of reweighting in the robust fits; both settle in fewer."""
MANY_VALUES = 32
"""Distinct values that a band must have before its extremes can be called saturated."""
CALIBRATION = 5.0
"""Brings the limit of what unchanged scenes show under noise and half-pixel shifts to 3 sigma."""
OVERSHOOT = 0.15
"""How far cubic resampling leaves the range of its neighbours, as a share of that range."""
STEP_NOISE = 0.41
"""Standard deviation of the difference of two rounded values, in steps of the rounding."""

Array64 = NDArray[np.float64]


class ContextDetector:
    """Score change by what neither noise, nor a small shift, nor the surroundings explain.

    A pixel has changed when it (1) leaves the range of values that the other date shows within
    ``shift`` px, (2) differs from its surroundings in how it changed, and (3) does so by more than
    noise and the local contrast, through which misregistration acts, allow::

        sigma = 5 smooth(sqrt(outside * contrast) / (1 + texture))

    All three are lengths in a space in which the differences of unchanged pixels are white: the
    after date is first brought to the before date by a robust line per band, then differences are
    divided by their robust covariance. Whitening gives small spectral changes the weight that
    brightness alone has otherwise, since sun angle, haze and shadow act on all bands together.

    Parameters
    ----------
    roles : tuple of str or None
        Role of each band (``"blue"``, ``"red"``, ``"nir"``, ...). When two or more are visible
        ones, only those are used: near and shortwave infrared follow the season of plants first.
        Without roles all bands are used.
    shift : int
        Residual misregistration that is forgiven, in pixels.
    noise : float
        How far beyond that range noise alone is taken to reach, in standard deviations.
    window : int
        Size of the surroundings, in pixels: a box of this odd size, applied twice.
    smoothing : float
        Standard deviation of the last Gaussian, in pixels.
    shrinkage : float
        Share in [0, 1] of the mean eigenvalue that is added to the noise covariance, so that a
        combination of bands with hardly any noise (lossy colour, equal bands) is not blown up.
    max_pixels : int
        Size of the sample of pixels that the radiometry is learned from.
    seed : int
        Seed of that sample.

    Attributes
    ----------
    halo : int
        Pixels seen around a pixel.
    bands_ : int64 (B,)
        Indices of the bands in use.
    gain_, offset_ : float64 (B,)
        ``before = gain * after + offset`` of unchanged pixels.
    lowest_, highest_ : float64 (B,)
        Range of values that both sensors could record without saturation.
    whitening_ : float32 (B, B)
        Matrix that turns differences of unchanged pixels into noise of unit covariance.

    Notes
    -----
    Invalid pixels take no part: averages are normalised convolutions (Knutsson and Westin 1993).
    The parts are standard: difference with a tolerance for shifts (Theiler and Wohlberg 2012,
    "Local coregistration adjustment for anomalous change detection", IEEE TGRS 50), iterated
    no-change weights (Nielsen 2007, "The regularized iteratively reweighted MAD method", IEEE TIP
    16).

    Examples
    --------
    >>> from geochange.tiles import TilePlan
    >>> rng = np.random.default_rng(0)
    >>> before = rng.normal(100, 1, (3, 64, 64)).astype(np.float32)
    >>> after = before + rng.normal(0, 1, before.shape).astype(np.float32)
    >>> after[:, 28:36, 28:36] += 20
    >>> valid = np.ones((64, 64), bool)
    >>> block = PairBlock(before, after, valid, TilePlan((64, 64), size=64)[0])
    >>> detector = ContextDetector().fit([block])
    >>> score = detector.score(before[None], after[None], valid[None])[0]
    >>> bool(score[30:34, 30:34].min() > 0.5 > score[:16].max())
    True
    """

    fit_halo = 0
    threshold = "hysteresis"

    def __init__(
        self,
        *,
        roles: tuple[str | None, ...] = (),
        shift: int = 1,
        noise: float = 0.5,
        window: int = 7,
        smoothing: float = 2.5,
        shrinkage: float = 0.1,
        max_pixels: int = 100_000,
        seed: int = 0,
    ) -> None:
        if shift < 0 or noise < 0 or smoothing <= 0 or shrinkage < 0:
            msg = (
                "context needs shift, noise and shrinkage of at least 0 and smoothing above 0, "
                f"got {shift}, {noise}, {shrinkage} and {smoothing}"
            )
            raise UsageError(msg)
        self.roles = roles
        self.shift = shift
        self.noise = noise
        self.window = require_odd("window", window)
        self.smoothing = smoothing
        self.shrinkage = shrinkage
        self.max_pixels = max_pixels
        self.seed = seed
        self.halo = max(window - 1, shift) + int(TRUNCATE * smoothing + 0.5)

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Learn the radiometry from a sample of the owned pixels of ``blocks``.

        Raises
        ------
        InputError
            No valid pixel.
        BandError
            The dates have different band counts.
        """
        before, after = sample_pixels(blocks, self.max_pixels, self.seed)
        require_equal_bands(before.shape[1], after.shape[1], "context")
        self.bands_ = select_bands(self.roles, before.shape[1])
        x = after[:, self.bands_].astype(np.float64)
        y = before[:, self.bands_].astype(np.float64)
        lines = np.array([fit_line(x[:, band], y[:, band]) for band in range(x.shape[1])])
        self.gain_, self.offset_ = lines.T
        limits_x, limits_y = recorded_range(x), recorded_range(y)
        self.lowest_ = np.maximum(self.gain_ * limits_x[0] + self.offset_, limits_y[0])
        self.highest_ = np.minimum(self.gain_ * limits_x[1] + self.offset_, limits_y[1])
        matched = np.clip(self.gain_ * x + self.offset_, self.lowest_, self.highest_)
        difference = matched - np.clip(y, self.lowest_, self.highest_)
        steps = np.hypot(self.gain_ * rounding_step(x), rounding_step(y))
        self.whitening_ = whiten(difference, y, STEP_NOISE / np.sqrt(2) * steps, self.shrinkage)
        return self

    def bands_needed(self, count: int) -> list[int]:
        """Return the positions of the bands that are looked at, see :func:`select_bands`."""
        return [int(band) for band in select_bands(self.roles, count)]

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        require_equal_bands(before.shape[1], after.shape[1], "context")
        evidence = score_pieces(self._weigh, before, after, valid, self._margin, tuple(self.bands_))
        for image, known in zip(evidence, valid, strict=True):
            image[:] = score_from_sigma(gaussian_mean(image, known, self.smoothing))
        np.copyto(evidence, np.nan, where=~valid)
        return evidence

    @property
    def _margin(self) -> int:
        return max(self.window - 1, self.shift)

    def _weigh(self, piece: Piece) -> FloatArray:
        """Evidence of change before it is smoothed."""
        stride, valid = piece.stride, piece.valid
        after = piece.after
        after *= _column(self.gain_)
        after += _column(self.offset_)
        x, y = self._whiten(piece.before), self._whiten(after)
        spare = self._margin - self.shift
        evidence, texture = self._compare_ranges(
            trim(x, spare, stride), trim(y, spare, stride), stride
        )
        spare = self._margin - (self.window - 1)
        means = BoxMean(trim(valid, spare, stride), self.window, stride)
        evidence *= self._contrast(trim(x, spare, stride), trim(y, spare, stride), means)
        np.sqrt(evidence, out=evidence)
        evidence *= np.float32(CALIBRATION)
        texture += 1
        evidence /= texture
        return evidence

    def _whiten(self, pixels: FloatArray) -> FloatArray:
        np.clip(pixels, _column(self.lowest_), _column(self.highest_), out=pixels)
        return mix_bands(self.whitening_, pixels)

    def _compare_ranges(
        self, x: FloatArray, y: FloatArray, stride: int
    ) -> tuple[FloatArray, FloatArray]:
        """How far each date leaves the other's local range; the lower of the two textures.

        Texture is what half a pixel of shift changes: a quarter of the range over 3 px.
        """
        inner_x, inner_y = (trim(date, self.shift, stride) for date in (x, y))
        square, texture_x, texture_y = (np.zeros_like(inner_x[0]) for _ in range(3))
        for band in range(len(x)):
            of_x, of_y = (local_range(date[band], self.shift, stride) for date in (x, y))
            outside, width_x, width_y = leave_ranges(
                inner_x[band], inner_y[band], of_x, of_y, OVERSHOOT
            )
            outside -= np.float32(self.noise)
            np.maximum(outside, 0, out=outside)
            add_square(square, outside)
            add_square(texture_x, width_x)
            add_square(texture_y, width_y)
        texture = root_mean(np.minimum(texture_x, texture_y, out=texture_x), len(x))
        texture /= 2 * max(2 * self.shift, 1)
        return root_mean(square, len(x)), texture

    def _contrast(self, x: FloatArray, y: FloatArray, means: BoxMean) -> FloatArray:
        """Length of the difference less its average over the surroundings."""
        square = np.zeros_like(trim(x[0], self.window - 1, means.stride))
        for band_x, band_y in zip(x, y, strict=True):
            difference = band_y - band_x
            around = means.apply(difference, times=2)
            around -= trim(difference, self.window - 1, means.stride)
            add_square(square, around)
        return root_mean(square, len(x))


def add_square(total: FloatArray, values: FloatArray) -> None:
    """Add the squares of ``values`` to ``total``; both are overwritten."""
    values *= values
    total += values


def root_mean(total: FloatArray, count: int) -> FloatArray:
    """Return the root of ``total / count``, in place."""
    total /= count
    return np.sqrt(total, out=total)


def select_bands(roles: tuple[str | None, ...], count: int) -> NDArray[np.int64]:
    """Return the indices of the visible bands when ``roles`` name two or more, else of all bands.

    Examples
    --------
    >>> select_bands(("blue", "green", "red", "nir"), 4)
    array([0, 1, 2])
    >>> select_bands((), 2)
    array([0, 1])
    """
    visible = [index for index, role in enumerate(roles[:count]) if role in VISIBLE]
    return np.array(visible if len(visible) > 1 else range(count), np.int64)


def fit_line(x: Array64, y: Array64) -> tuple[float, float]:
    """Fit ``y = gain * x + offset`` to the unchanged pixels, treating both dates alike.

    The reduced major axis under Tukey-like weights: pixels far from the line lose their say.

    Examples
    --------
    >>> x = np.arange(100.0)
    >>> y = 2 * x + 5
    >>> y[90:] = 0
    >>> gain, offset = fit_line(x, y)
    >>> round(gain, 3), round(offset, 3)
    (2.0, 5.0)
    """
    weight = np.ones_like(x)
    for _ in range(ITERATIONS):
        total = weight.sum()
        mean_x, mean_y = weight @ x / total, weight @ y / total
        spread_x, spread_y = weight @ (x - mean_x) ** 2, weight @ (y - mean_y) ** 2
        gain = np.sqrt(spread_y / spread_x) if spread_x > 0 and spread_y > 0 else 1.0
        residual = y - mean_y - gain * (x - mean_x)
        scale = MAD_TO_SIGMA * np.median(np.abs(residual - np.median(residual)))
        if scale == 0:
            break
        weight = (1 + (residual / (1.5 * scale)) ** 2) ** -2
    return float(gain), float(mean_y - gain * mean_x)


def recorded_range(values: Array64) -> tuple[Array64, Array64]:
    """Return the lower and the upper limit of each band of ``values`` (pixels, bands).

    A limit is infinite unless many pixels share the extreme value, as saturation makes them.

    Examples
    --------
    >>> ramp = np.repeat(np.arange(300.0), 4)[:, None]
    >>> recorded_range(np.minimum(ramp, 255))
    (array([-inf]), array([255.]))
    """
    uniques = [np.unique(band, return_counts=True) for band in values.T]
    low = [level[0] if _piles_up(count) else -np.inf for level, count in uniques]
    high = [level[-1] if _piles_up(count[::-1]) else np.inf for level, count in uniques]
    return np.array(low), np.array(high)


def _piles_up(count: NDArray[np.int64]) -> bool:
    """Tell whether the first of many values is far more frequent than the next ones."""
    return count.size >= MANY_VALUES and bool(count[0] > 3 * count[1:9].max())


def whiten(difference: Array64, level: Array64, floor: Array64, shrinkage: float) -> FloatArray:
    """Return the symmetric matrix that whitens differences of unchanged pixels.

    The covariance is reweighted so that pixels beyond the 90 % quantile of chi-square count less,
    and scaled so that the median pixel has the length that noise would have.

    Parameters
    ----------
    difference, level : float64 (pixels, bands)
        After minus before, and pixel values.
    floor : float64 (bands,)
        Least standard deviation.
    shrinkage : float
        Share of the mean eigenvalue added to all.
    """
    centred = difference - np.median(difference, axis=0)
    scale = np.maximum(estimate_noise(centred, level), floor)
    values, vectors = np.linalg.eigh(_robust_covariance(centred / scale))
    values = np.maximum(values, 0) + shrinkage * values.mean()
    values = np.maximum(values, 1e-6)
    whitening: FloatArray = ((vectors / np.sqrt(values)) @ vectors.T / scale).astype(np.float32)
    return whitening


def _robust_covariance(centred: Array64) -> Array64:
    count = centred.shape[1]
    covariance: Array64 = np.eye(count)
    middle, far = chdtri(count, [0.5, 0.1])  # quantiles of chi-square
    for _ in range(ITERATIONS):
        inverse = np.linalg.inv(covariance + 1e-6 * np.eye(count))
        square = np.sum((centred @ inverse) * centred, axis=1)
        typical = float(np.median(square)) / middle
        if typical <= 0:
            break
        weight = np.minimum(1, far * typical / np.maximum(square, 1e-12)) ** 2
        covariance = (centred * weight[:, None]).T @ centred / weight.sum()
    inverse = np.linalg.inv(covariance + 1e-6 * np.eye(count))
    typical = float(np.median(np.sum((centred @ inverse) * centred, axis=1))) / middle
    return covariance * typical if typical > 0 else covariance


def _column(values: Array64) -> FloatArray:
    column: FloatArray = values.astype(np.float32)[:, None]
    return column
