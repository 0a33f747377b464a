"""Regression that a few observations far off do not move; pixels are on the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import MAD_TO_SIGMA, BoolArray
from geochange.series.regression import Doubles, contract, solve

BISQUARE = 4.685


def masked_median(values: NDArray[Any], known: BoolArray) -> Doubles:
    """Return the median along the first axis of what is known; 0 where nothing is.

    Parameters
    ----------
    values : (N, ..., P)
    known : bool, that broadcasts against values

    Examples
    --------
    >>> masked_median(np.array([[1.0], [9.0], [3.0]]), np.array([[True], [False], [True]]))
    array([2.])
    """
    known = np.broadcast_to(known, values.shape)
    ordered = np.sort(np.where(known, values, np.inf), axis=0)
    count = known.sum(axis=0)
    low = np.maximum((count - 1) // 2, 0)[None]
    high = np.minimum(count // 2, len(values) - 1)[None]
    pair = np.take_along_axis(ordered, low, 0)[0], np.take_along_axis(ordered, high, 0)[0]
    return np.where(count > 0, 0.5 * (pair[0] + pair[1]), 0.0)


def fit_robustly(
    terms: Doubles, values: NDArray[Any], known: BoolArray, rounds: int = 5
) -> tuple[Doubles, Doubles]:
    """Fit by iteratively reweighted least squares with Tukey's bisquare, band by band.

    Parameters
    ----------
    terms : float64 (N, K, P)
        Predictors of each observation.
    values : (N, C, P)
    known : bool (N, P)
        Observations that count.

    Returns
    -------
    coefficients : float64 (K, C, P)
    residuals : float64 (N, C, P)

    References
    ----------
    Zhu, Z., Wang, S. and Woodcock, C. E. (2015). Improvement and expansion of the Fmask algorithm
    ... (Tmask: Zhu and Woodcock 2014). Street, Carroll and Ruppert (1988).
    """
    values = np.asarray(values, np.float64)
    coefficients = np.zeros((terms.shape[1], *values.shape[1:]))
    residuals = np.zeros_like(values)
    terms, equal = np.ascontiguousarray(terms), known.astype(np.float64)
    first = _weigh(terms, equal)
    for band in range(values.shape[1]):
        own, weights = values[:, band], equal
        for number in range(rounds):
            gram = _weigh(terms, weights) if number else first
            moments = contract("tip,tp->ip", weights[:, None] * terms, own)[:, None]
            fitted = solve(gram, moments, 1e-6)[:, 0]
            rest = own - contract("tip,ip->tp", terms, fitted)
            sigma = np.maximum(MAD_TO_SIGMA * masked_median(np.abs(rest), known), 1e-9)
            share = np.minimum(np.abs(rest) / (BISQUARE * sigma), 1)
            weights = known * (1 - share**2) ** 2
        coefficients[:, band], residuals[:, band] = fitted, rest
    return coefficients, residuals


def _weigh(terms: Doubles, weights: Doubles) -> Doubles:
    """Return the weighted sums of products of the terms, float64 (K, K, P)."""
    size, pixels = terms.shape[1:]
    gram = np.empty((size, size, pixels))
    for i in range(size):
        weighted = weights * terms[:, i]
        gram[i, : i + 1] = contract("tp,tjp->jp", weighted, terms[:, : i + 1])
        gram[:i, i] = gram[i, :i]
    return gram
