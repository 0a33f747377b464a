"""Multivariate alteration detection, plain and iteratively reweighted."""

from __future__ import annotations

import numpy as np

from geochange.detectors.statistics.samples import Vector
from geochange.detectors.statistics.variates import (
    VARIANCE_FLOOR,
    ChiSquareDetector,
    LinearVariates,
    Matrix,
    weigh_moments,
    whiten,
)


class IRMAD(ChiSquareDetector):
    """Iteratively reweighted multivariate alteration detection (IR-MAD).

    Canonical correlation analysis finds the combinations of bands of the two dates that agree
    best; what still differs, the MAD variates, is change. Pixels are then weighted by the
    probability of no change and the analysis is repeated until the correlations settle. Gain and
    offset of any band, haze or calibration do not matter, and the dates may have different bands.

    The score maps the root mean square of the standardised variates, ``sqrt(chi2 / n)`` with
    n variates, by :func:`geochange.detectors.base.score_from_sigma`: 0.5 is three sigmas.

    Parameters
    ----------
    max_iterations : int
        Upper limit; 1 is plain MAD.
    tolerance : float
        Stop when no canonical correlation moves by more.
    consistent : bool
        Divide the weighted variances by
        :func:`~geochange.detectors.statistics.variates.weighted_shrinkage`, which makes
        chi-square of unchanged pixels follow its distribution and keeps few bands from collapsing
        onto a handful of pixels, and let none fall below that of rounded pixel values. False gives
        the iteration exactly as published.
    regularization : float
        Share of each band's variance added to the diagonal of the covariances. Constant and
        collinear bands work without it.
    shift : int
        Residual misregistration that is forgiven, in pixels: what counts of a variate is how far
        each date lies outside the range that the other one takes within ``shift`` px. 0 is the
        published method.
    window : int
        Odd edge in pixels of a mean over chi-square, against isolated pixels; 1 is none.
    max_pixels : int
        Size of the pixel sample that the analysis iterates on; all pixels when there are fewer.
    seed : int
        Seed of that sample.

    Attributes
    ----------
    canonical_correlations_ : float64 (V,)
        In descending order; V is the smaller rank of the two dates.
    variates_ : LinearVariates
    iterations_ : int

    References
    ----------
    Nielsen, A. A., Conradsen, K. and Simpson, J. J. (1998). Multivariate alteration detection
    (MAD) and MAF postprocessing in multispectral, bitemporal image data. RSE 64(1), 1-19.
    Nielsen, A. A. (2007). The regularized iteratively reweighted MAD method for change detection
    in multi- and hyperspectral data. IEEE TIP 16(2), 463-478.

    Examples
    --------
    >>> from geochange.testing import synthetic_pair
    >>> from geochange.tiles import TilePlan
    >>> pair = synthetic_pair((64, 64), bands=4)
    >>> detector = IRMAD().fit(pair.blocks(TilePlan(pair.shape, size=32)))
    >>> detector.canonical_correlations_.shape
    (4,)
    >>> round(detector.score_at_p(0.01), 3)
    0.378
    """

    @property
    def canonical_correlations_(self) -> Vector:
        """Canonical correlations of the last iteration, descending."""
        return self.spectrum_

    def solve(
        self, before: Matrix, after: Matrix, weights: Vector
    ) -> tuple[LinearVariates, Vector]:
        """Weighted canonical correlation analysis; the spectrum is the correlations."""
        bands = len(before)
        mean, covariance = weigh_moments(np.concatenate([before, after]), weights)
        white_before = whiten(covariance[:bands, :bands], self.regularization)
        white_after = whiten(covariance[bands:, bands:], self.regularization)
        cross = white_before.T @ covariance[:bands, bands:] @ white_after
        left, correlations, right = np.linalg.svd(cross, full_matrices=False)
        variates = LinearVariates(
            a=(white_before @ left).T,
            b=right @ white_after.T,
            mean_before=mean[:bands],
            mean_after=mean[bands:],
            variance=np.maximum(2 * (1 - correlations), VARIANCE_FLOOR),
        )
        return variates, correlations


class MAD(IRMAD):
    """Multivariate alteration detection without reweighting.

    See :class:`IRMAD`, of which this is the first iteration; use it when most of a scene changed,
    so that no majority of unchanged pixels can be found.

    Parameters
    ----------
    regularization, shift, window, max_pixels, seed
        As for :class:`IRMAD`.

    References
    ----------
    Nielsen, A. A., Conradsen, K. and Simpson, J. J. (1998). Multivariate alteration detection
    (MAD) and MAF postprocessing in multispectral, bitemporal image data. RSE 64(1), 1-19.
    """

    def __init__(
        self,
        *,
        regularization: float = 0.0,
        shift: int = 0,
        window: int = 1,
        max_pixels: int = 100_000,
        seed: int = 0,
    ) -> None:
        super().__init__(
            max_iterations=1,
            regularization=regularization,
            shift=shift,
            window=window,
            max_pixels=max_pixels,
            seed=seed,
        )
