"""Slow feature analysis of an image pair, plain and iterated."""

from __future__ import annotations

import numpy as np

from geochange.detectors.statistics.samples import Vector, require_equal_bands
from geochange.detectors.statistics.variates import (
    VARIANCE_FLOOR,
    ChiSquareDetector,
    LinearVariates,
    Matrix,
    weigh_moments,
    whiten,
)


class SFA(ChiSquareDetector):
    """Slow feature analysis: the combinations of bands that change least between the dates.

    Bands are standardised at each date, then the generalised eigenproblem of the covariance of
    the difference against the mean covariance of the dates orders their combinations by slowness.
    Unchanged pixels differ little in the slow ones, so their standardised differences reveal
    change. Gain and offset between the dates do not matter.

    The score maps the root mean square of the standardised features, ``sqrt(chi2 / n)``, by
    :func:`geochange.detectors.base.score_from_sigma`: 0.5 is three sigmas.

    Parameters
    ----------
    max_iterations : int
        1 is plain slow feature analysis; more reweights the pixels by their probability of no
        change as IR-MAD does (ISFA).
    tolerance : float
        Stop when no eigenvalue moves by more.
    consistent, regularization, shift, window, max_pixels, seed
        As for :class:`geochange.detectors.methods.mad.IRMAD`.

    Attributes
    ----------
    eigenvalues_ : float64 (V,)
        Slowness of each feature, ascending: mean squared difference over mean variance.
    variates_ : LinearVariates
    iterations_ : int

    References
    ----------
    Wu, C., Du, B. and Zhang, L. (2014). Slow feature analysis for change detection in
    multispectral imagery. IEEE TGRS 52(5), 2858-2874.

    Examples
    --------
    >>> from geochange.testing import synthetic_pair
    >>> from geochange.tiles import TilePlan
    >>> pair = synthetic_pair((64, 64), bands=4)
    >>> detector = SFA().fit(pair.blocks(TilePlan(pair.shape, size=32)))
    >>> bool((np.diff(detector.eigenvalues_) >= 0).all())
    True
    """

    @property
    def eigenvalues_(self) -> Vector:
        """Slowness of the features of the last iteration, ascending."""
        return self.spectrum_

    def solve(
        self, before: Matrix, after: Matrix, weights: Vector
    ) -> tuple[LinearVariates, Vector]:
        """Weighted generalised eigenproblem; the spectrum is the eigenvalues."""
        require_equal_bands(len(before), len(after), "sfa")
        bands = len(before)
        mean, covariance = weigh_moments(np.concatenate([before, after]), weights)
        inverse = _invert_deviation(np.diag(covariance))
        unit = covariance * inverse[:, None] * inverse[None, :]
        xx, yy, xy = unit[:bands, :bands], unit[bands:, bands:], unit[:bands, bands:]
        white = whiten((xx + yy) / 2, self.regularization)
        values, vectors = np.linalg.eigh(white.T @ (xx + yy - xy - xy.T) @ white)
        features = (white @ vectors).T
        variates = LinearVariates(
            a=features * inverse[:bands],
            b=features * inverse[bands:],
            mean_before=mean[:bands],
            mean_after=mean[bands:],
            variance=np.maximum(values, VARIANCE_FLOOR),
        )
        return variates, values


def _invert_deviation(variance: Vector) -> Vector:
    """``1 / sqrt(variance)``, 0 for constant bands."""
    deviation = np.sqrt(variance)
    return np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
