"""Linear variates of an image pair and their chi-square: what MAD and slow features share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri, gammaln

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.detectors.base import score_from_sigma
from geochange.detectors.neighbourhoods.pieces import (
    Piece,
    cut_chunks,
    mix_bands,
    score_pieces,
    trim,
)
from geochange.detectors.neighbourhoods.ranges import leave_ranges, local_range
from geochange.detectors.neighbourhoods.smoothing import BoxMean, require_odd
from geochange.detectors.statistics.samples import (
    FLOAT32_NOISE,
    Vector,
    rounding_step,
    sample_pixels,
)
from geochange.errors import UsageError

Matrix = NDArray[np.float64]

RANK_TOLERANCE = 1e-6
"""Eigenvalues of a correlation matrix below this share of the largest are collinear bands."""
VARIANCE_FLOOR = 1e-8
"""Smallest variance of a standardised variate that float32 pixels can carry."""
OVERSHOOT = 0.3
"""How far cubic resampling leaves the range of its neighbours, as a share of that range."""
CALIBRATION = 1.5
"""Brings what remains beyond local ranges back to the sigmas of the plain variates."""


@dataclass(frozen=True, slots=True)
class LinearVariates:
    """Differences ``before @ a.T - after @ b.T`` of centred pixels, one row a variate.

    Attributes
    ----------
    a, b : float64 (V, C_before), (V, C_after)
        Coefficients of the two dates.
    mean_before, mean_after : float64 (C_before,), (C_after,)
    variance : float64 (V,)
        Variance of each variate over the unchanged pixels.
    """

    a: Matrix
    b: Matrix
    mean_before: Vector
    mean_after: Vector
    variance: Vector

    def chi_square(self, before: FloatArray, after: FloatArray) -> FloatArray:
        """Sum of the squared variates, each divided by its variance.

        Parameters
        ----------
        before, after : float32 (N, C_before, P), (N, C_after, P)

        Returns
        -------
        float32 (N, P)
        """
        out = np.empty((before.shape[0], before.shape[2]), np.float32)
        for part in cut_chunks(out.shape[1]):
            variates = self.transform(before[:, :, part], after[:, :, part])
            np.einsum("nvp,nvp->np", variates, variates, out=out[:, part])
        return out

    def transform(self, before: FloatArray, after: FloatArray) -> FloatArray:
        """Return standardised variates, float32 (N, V, P), of pixels (N, C_before, P) and alike.

        With equal bands ``a x - b y`` is taken as ``a (x - y) + (a - b) y``, which is exactly 0
        for equal dates and loses no digits for nearly equal ones.
        """
        a, b = self._standardise()
        x, y = self._centre(before, after)
        if a.shape == b.shape:
            x -= y
            b = b - a
        variates = mix_bands(a, x)
        variates -= mix_bands(b, y)
        return variates

    def chi_square_outside(self, piece: Piece, shift: int) -> FloatArray:
        """Chi-square of what each date leaves of the other's local ranges, variate by variate.

        Parameters
        ----------
        piece : Piece
        shift : int
            Radius of the ranges in pixels.

        Returns
        -------
        float32 (L,)
            Trimmed by ``shift``.
        """
        dates = self._centre(piece.before, piece.after)
        total = piece.zeros(shift)
        variates = (mix_bands(*pair) for pair in zip(self._standardise(), dates, strict=True))
        for x, y in zip(*variates, strict=True):
            of_x, of_y = (local_range(variate, shift, piece.stride) for variate in (x, y))
            inner_x, inner_y = (trim(variate, shift, piece.stride) for variate in (x, y))
            outside, *_ = leave_ranges(inner_x, inner_y, of_x, of_y, OVERSHOOT)
            np.maximum(outside, 0, out=outside)
            total += np.square(outside, out=outside)
        return total

    def _standardise(self) -> tuple[Matrix, Matrix]:
        """Coefficients of both dates for variates of unit variance."""
        sigma = np.sqrt(self.variance)[:, None]
        return self.a / sigma, self.b / sigma

    def _centre(self, before: FloatArray, after: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Less the means, for pixels along the last axis and bands along the one before."""
        x = before - self.mean_before.astype(np.float32)[:, None]
        return x, after - self.mean_after.astype(np.float32)[:, None]

    def raise_variance(self, before: Vector, after: Vector) -> Self:
        """Return variates whose variance is at least that of rounding.

        Parameters
        ----------
        before, after : float64 (C_before,), (C_after,)
            Steps that the values of each band are rounded to.
        """
        rounding = ((self.a * before) ** 2).sum(axis=1) + ((self.b * after) ** 2).sum(axis=1)
        return replace(self, variance=np.maximum(self.variance, rounding / 12))


def weighted_shrinkage(variates: int) -> float:
    """Share of a variance that p-value weights leave, for Gaussian variates.

    Weighting each pixel by the probability of a larger chi-square favours small ones, so weighted
    variances of unchanged pixels come out too small by ``E[min(C, C')] / n``, with C and C'
    independent chi-square of n degrees of freedom, which is
    ``1 - 2 gamma((n + 1) / 2) / (sqrt(pi) n gamma(n / 2))``.

    Examples
    --------
    >>> round(weighted_shrinkage(1), 4), round(weighted_shrinkage(6), 4)
    (0.3634, 0.6875)
    """
    half = variates / 2
    ratio = np.exp(gammaln(half + 0.5) - gammaln(half))
    return float(1 - 2 * ratio / (np.sqrt(np.pi) * variates))


def whiten(covariance: Matrix, regularization: float) -> Matrix:
    """Return W (C, R) with ``W.T @ covariance @ W = I``; R is the rank.

    Constant bands and collinear combinations of bands are left out.
    """
    scale = np.sqrt(np.diag(covariance))
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    correlation = covariance * inverse[:, None] * inverse[None, :]
    np.fill_diagonal(correlation, (1 + regularization) * (scale > 0))
    values, vectors = np.linalg.eigh(correlation)
    keep = values > RANK_TOLERANCE * max(float(values[-1]), 1.0)
    white: Matrix = inverse[:, None] * vectors[:, keep] / np.sqrt(values[keep])
    return white


def weigh_moments(pixels: Matrix, weights: Vector) -> tuple[Vector, Matrix]:
    """Weighted mean (C,) and covariance (C, C) of ``pixels`` (C, P); 0 for constant bands."""
    total = weights.sum()
    mean = pixels @ weights / total
    centred = pixels - mean[:, None]
    covariance: Matrix = (centred * weights) @ centred.T / total
    constant = np.sqrt(np.diag(covariance)) <= FLOAT32_NOISE * np.abs(mean)
    covariance[constant] = covariance[:, constant] = 0
    return mean, covariance


class ChiSquareDetector(ABC):
    """Base of detectors that reweight pixels by the chi-square of linear variates.

    Subclasses implement :meth:`solve`. Each iteration solves for the variates with the current
    weights, then weighs every pixel by the probability that an unchanged pixel has a larger
    chi-square; it ends when the spectrum that ``solve`` returns moves by less than ``tolerance``.

    Attributes
    ----------
    variates_ : LinearVariates
    spectrum_ : float64 (V,)
        Canonical correlations or eigenvalues.
    iterations_ : int
    """

    fit_halo = 0
    threshold = "auto"

    def __init__(
        self,
        *,
        max_iterations: int = 50,
        tolerance: float = 1e-6,
        consistent: bool = True,
        regularization: float = 0.0,
        shift: int = 0,
        window: int = 1,
        max_pixels: int = 100_000,
        seed: int = 0,
    ) -> None:
        if shift < 0:
            msg = f"shift must be at least 0 px, got {shift}"
            raise UsageError(msg)
        self.max_iterations = max_iterations
        self.tolerance = tolerance
        self.consistent = consistent
        self.regularization = regularization
        self.shift = shift
        self.window = window
        self.max_pixels = max_pixels
        self.seed = seed
        self.halo = shift + require_odd("window", window) // 2

    @abstractmethod
    def solve(
        self, before: Matrix, after: Matrix, weights: Vector
    ) -> tuple[LinearVariates, Vector]:
        """Return the variates of ``before``, ``after`` (C, P) under ``weights`` (P,), spectrum."""

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Learn the variates from a sample of pixels.

        Raises
        ------
        InputError
            No valid pixel.
        BandError
            The method needs equal bands and the dates have different ones.
        """
        sample = sample_pixels(blocks, self.max_pixels, self.seed)
        before, after = (np.ascontiguousarray(date.T) for date in sample)
        dense = before.astype(np.float64), after.astype(np.float64)
        steps = [
            rounding_step(date.T) if self.consistent else np.zeros(len(date)) for date in dense
        ]
        weights = np.ones(before.shape[1])
        spectrum: Vector | None = None
        for iteration in range(self.max_iterations):
            previous = spectrum
            variates, spectrum = self.solve(*dense, weights)
            if iteration and self.consistent and spectrum.size:
                shrinkage = weighted_shrinkage(spectrum.size)
                variates = replace(variates, variance=variates.variance / shrinkage)
            variates = variates.raise_variance(*steps)
            self.variates_, self.spectrum_, self.iterations_ = variates, spectrum, iteration + 1
            if spectrum.size == 0 or _settled(previous, spectrum, self.tolerance):
                break
            if iteration + 1 < self.max_iterations:
                chi_square = variates.chi_square(before[None], after[None])[0]
                weights = chdtrc(spectrum.size, chi_square.astype(np.float64))
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        with np.errstate(invalid="ignore", over="ignore"):
            if self.halo:
                return score_pieces(self._score_piece, before, after, valid, self.halo)
            flat = (date.reshape(*date.shape[:2], -1) for date in (before, after))
            score = self._score(self.variates_.chi_square(*flat)).reshape(valid.shape)
        np.copyto(score, np.nan, where=~valid)
        return score

    def _score_piece(self, piece: Piece) -> FloatArray:
        """Score a piece by what a shift leaves, and by its surroundings."""
        if self.shift:
            chi_square = self.variates_.chi_square_outside(piece, self.shift)
        else:
            chi_square = self.variates_.chi_square(piece.before[None], piece.after[None])[0]
        valid = trim(piece.valid, self.shift, piece.stride)
        return self._score(BoxMean(valid, self.window, piece.stride).apply(chi_square))

    def _score(self, chi_square: FloatArray) -> FloatArray:
        chi_square /= np.float32(max(self.spectrum_.size, 1))
        sigma = np.sqrt(chi_square, out=chi_square)
        sigma *= np.float32(self._calibration)
        return score_from_sigma(sigma)

    @property
    def _calibration(self) -> float:
        return CALIBRATION if self.shift else 1.0

    def score_at_p(self, p: float) -> float:
        """Score that an unchanged pixel exceeds with probability ``p``.

        The chi-square distribution of the variates; a ``shift``, or a ``window`` above 1, makes the
        true probability smaller.
        """
        degrees = max(self.spectrum_.size, 1)
        sigma = np.sqrt(chdtri(degrees, p) / degrees)
        return float(score_from_sigma(self._calibration * sigma))


def _settled(previous: Vector | None, spectrum: Vector, tolerance: float) -> bool:
    if previous is None or previous.size != spectrum.size:
        return False
    return bool(np.abs(spectrum - previous).max() <= tolerance)
