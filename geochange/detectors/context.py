"""Shift-tolerant local-context score: the default training-free detector for optical pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import chi2

from geochange.blocks import BoolArray, FloatArray, PairBlock, PixelSample
from geochange.detectors.base import score_from_sigma
from geochange.errors import UsageError

VISIBLE = ("blue", "green", "red")
ITERATIONS = 12
"""Rounds of reweighting in the robust fits; both settle in fewer."""
TRUNCATE = 3.0
"""Radius of the smoothing kernel in standard deviations."""

Array64 = NDArray[np.float64]


class ContextDetector:
    """Score change by what neither noise, nor a small shift, nor the surroundings explain.

    A pixel has changed when it (1) leaves the range of values that the other date shows within
    ``shift`` px, (2) differs from its surroundings in how it changed, and (3) does so by more than
    noise and the local contrast, through which misregistration acts, allow::

        sigma = smooth(sqrt(outside * contrast) / (1 + texture))

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
    window : int
        Size of the surroundings, in pixels: a box of this odd size, applied twice.
    smoothing : float
        Standard deviation of the last Gaussian, in pixels.
    shrinkage : float
        Share in [0, 1] of the mean eigenvalue that is added to the noise covariance, so that a
        combination of bands with hardly any noise (lossy colour, equal bands) is not blown up.
    max_pixels : int
        Size of the seeded subsample that the radiometry is learned from.

    Attributes
    ----------
    halo : int
        Pixels seen around a pixel.
    bands_ : int64 (B,)
        Indices of the bands in use.
    gain_, offset_ : float64 (B,)
        ``before = gain * after + offset`` of unchanged pixels.
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
    >>> bool(score[30:34, 30:34].min() > 0.5 > 0.2 > score[:16].max())
    True
    """

    threshold = "auto"

    def __init__(
        self,
        *,
        roles: tuple[str | None, ...] = (),
        shift: int = 1,
        window: int = 9,
        smoothing: float = 2.5,
        shrinkage: float = 0.1,
        max_pixels: int = 200_000,
    ) -> None:
        if shift < 0 or window < 3 or window % 2 == 0 or smoothing <= 0 or shrinkage < 0:
            msg = (
                "context needs shift >= 0, an odd window >= 3, smoothing > 0 and shrinkage >= 0, "
                f"got {shift}, {window}, {smoothing}, {shrinkage}"
            )
            raise UsageError(msg)
        self.roles = roles
        self.shift = shift
        self.window = window
        self.smoothing = smoothing
        self.shrinkage = shrinkage
        self.max_pixels = max_pixels

    @property
    def halo(self) -> int:
        """Radius of everything that :meth:`score` looks at, in pixels."""
        return max(self.window - 1, self.shift) + int(TRUNCATE * self.smoothing + 0.5)

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Learn the radiometry from a subsample of the owned pixels of ``blocks``."""
        before, after = PixelSample(self.max_pixels).gather(blocks)
        self.bands_ = select_bands(self.roles, before.shape[1])
        x = after[:, self.bands_].astype(np.float64)
        y = before[:, self.bands_].astype(np.float64)
        lines = np.array([fit_line(x[:, band], y[:, band]) for band in range(x.shape[1])])
        self.gain_, self.offset_ = lines.reshape(-1, 2).T
        self.whitening_ = whiten(self.gain_ * x + self.offset_ - y, self.shrinkage)
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score a batch, float32 (N, C, H, W) at both dates and bool (N, H, W), to (N, H, W)."""
        tiles = zip(before, after, valid, strict=True)
        return np.stack([score_from_sigma(self._sigma(b, a, v)) for b, a, v in tiles])

    def _sigma(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        x = self._whiten(before[self.bands_], valid)
        matched = after[self.bands_] * _column(self.gain_) + _column(self.offset_)
        y = self._whiten(matched, valid)
        outside, texture = self._compare_ranges(x, y, valid)
        contrast = self._contrast(y - x, valid)
        evidence = np.sqrt(outside * contrast) / (1 + texture)
        sigma = self._smooth(evidence, valid)
        sigma[~valid] = np.nan
        return sigma

    def _whiten(self, pixels: FloatArray, valid: BoolArray) -> FloatArray:
        filled = np.where(valid, pixels, np.float32(0))
        return np.tensordot(self.whitening_, filled, 1)

    def _compare_ranges(
        self, x: FloatArray, y: FloatArray, valid: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        """How far each date leaves the other's local range, and the lower of the two textures."""
        square = np.zeros(valid.shape, np.float32)
        texture_x, texture_y = np.zeros_like(square), np.zeros_like(square)
        for band_x, band_y in zip(x, y, strict=True):
            low_x, high_x = local_range(band_x, valid, self.shift)
            low_y, high_y = local_range(band_y, valid, self.shift)
            outside = np.maximum(leave(band_x, low_y, high_y), leave(band_y, low_x, high_x))
            square += np.where(valid, outside, 0) ** 2
            texture_x += np.where(valid, high_x - low_x, 0) ** 2
            texture_y += np.where(valid, high_y - low_y, 0) ** 2
        texture = np.minimum(texture_x, texture_y)
        half = np.float32(0.5)
        return np.sqrt(square / len(x)), half * np.sqrt(texture / len(x))

    def _contrast(self, difference: FloatArray, valid: BoolArray) -> FloatArray:
        """Length of the difference less its average over the surroundings."""
        weight = self._box(valid.astype(np.float32))
        weight[~valid] = 1
        square = np.zeros(valid.shape, np.float32)
        for band in difference:
            square += np.where(valid, band - self._box(band) / weight, 0) ** 2
        return np.sqrt(square / len(difference))

    def _box(self, band: FloatArray) -> FloatArray:
        for _ in range(2):
            band = ndimage.uniform_filter(band, self.window, mode="constant")
        return band

    def _smooth(self, band: FloatArray, valid: BoolArray) -> FloatArray:
        blur = {"sigma": self.smoothing, "truncate": TRUNCATE, "mode": "constant"}
        weight = ndimage.gaussian_filter(valid.astype(np.float32), **blur)
        weight[~valid] = 1
        smooth: FloatArray = ndimage.gaussian_filter(np.where(valid, band, 0), **blur) / weight
        return smooth


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
    if x.size == 0:
        return 1.0, 0.0
    weight = np.ones_like(x)
    for _ in range(ITERATIONS):
        total = weight.sum()
        mean_x, mean_y = weight @ x / total, weight @ y / total
        spread_x, spread_y = weight @ (x - mean_x) ** 2, weight @ (y - mean_y) ** 2
        gain = np.sqrt(spread_y / spread_x) if spread_x > 0 and spread_y > 0 else 1.0
        residual = y - mean_y - gain * (x - mean_x)
        scale = 1.4826 * np.median(np.abs(residual - np.median(residual)))
        if scale == 0:
            break
        weight = (1 + (residual / (1.5 * scale)) ** 2) ** -2
    return float(gain), float(mean_y - gain * mean_x)


def whiten(difference: Array64, shrinkage: float) -> FloatArray:
    """Return the symmetric matrix that whitens ``difference`` (pixels, bands) of unchanged pixels.

    The covariance is reweighted so that pixels beyond the 90 % quantile of chi-square count less,
    and scaled so that the median pixel has the length that noise would have.
    """
    count = difference.shape[1]
    centred = difference - (np.median(difference, 0) if len(difference) else 0)
    scale = 1.4826 * np.median(np.abs(centred), 0) if len(difference) else np.zeros(count)
    floor = max(float(scale.max(initial=0)), 1e-6) * 1e-3
    scale = np.maximum(scale, floor)
    correlation = _robust_covariance(centred / scale)
    values, vectors = np.linalg.eigh(correlation)
    values = np.maximum(values, 0) + shrinkage * values.mean() + 1e-12
    return ((vectors / np.sqrt(values)) @ vectors.T / scale).astype(np.float32)


def _robust_covariance(centred: Array64) -> Array64:
    count = centred.shape[1]
    covariance = np.eye(count)
    middle, far = chi2.ppf([0.5, 0.9], count)
    for _ in range(ITERATIONS if len(centred) > count else 0):
        inverse = np.linalg.inv(covariance + 1e-6 * np.eye(count))
        square = np.einsum("pi,ij,pj->p", centred, inverse, centred, optimize=True)
        square *= middle / max(float(np.median(square)), 1e-12)
        weight = np.minimum(1, far / np.maximum(square, 1e-12))
        covariance = (centred * weight[:, None] ** 2).T @ centred / (weight**2).sum()
    return covariance


def local_range(band: FloatArray, valid: BoolArray, radius: int) -> tuple[FloatArray, FloatArray]:
    """Return the least and the greatest valid value within ``radius`` px, (H, W) each."""
    low = -_local_maximum(np.where(valid, -band, -np.inf).astype(np.float32), radius)
    return low, _local_maximum(np.where(valid, band, -np.inf).astype(np.float32), radius)


def _local_maximum(band: FloatArray, radius: int) -> FloatArray:
    for _ in range(2):
        grown = band.copy()
        for step in range(1, radius + 1):
            np.maximum(grown[step:], band[:-step], out=grown[step:])
            np.maximum(grown[:-step], band[step:], out=grown[:-step])
        band = grown.T
    return band


def leave(band: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return how far ``band`` lies outside ``[low, high]``; 0 inside."""
    distance: FloatArray = np.maximum(np.maximum(low - band, band - high), np.float32(0))
    return distance


def _column(values: Array64) -> FloatArray:
    return values.astype(np.float32)[:, None, None]
