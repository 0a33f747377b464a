"""Harmonic regression of many pixels at once; pixels are on the last axis.

Every step is elementwise along that axis, so a pixel's result does not depend on its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import MAD_TO_SIGMA, BoolArray

Doubles = NDArray[np.float64]
YEAR = 365.25
TERMS = 8
"""Level, trend, and three harmonics of the year as cosine and sine."""
BISQUARE = 4.685


def harmonic_terms(days: NDArray[Any], origin: int) -> Doubles:
    """Return the predictors at ordinals of any shape, float64 (8, ...).

    The phase counts from year 0, the trend in years from ``origin``.
    """
    unique, places = np.unique(days, return_inverse=True)
    angle = 2 * np.pi * unique / YEAR
    rows = [np.ones_like(angle), (unique - origin) / YEAR]
    for order in (1, 2, 3):
        rows += [np.cos(order * angle), np.sin(order * angle)]
    table: Doubles = np.stack(rows)
    return table[:, places.reshape(np.shape(days))]


def add(parts: NDArray[Any]) -> NDArray[Any]:
    """Add up along the first axis, one after the other: in one order, however many pixels."""
    total: NDArray[Any] = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def combine(terms: Doubles, coefficients: NDArray[Any]) -> Doubles:
    """Return predictions (C, P) from terms (K, P) and coefficients (K, C, P)."""
    total = np.zeros(coefficients.shape[1:])
    for term, coefficient in zip(terms, coefficients, strict=True):
        total += term * coefficient
    return total


def solve(gram: Doubles, moments: Doubles, ridge: float = 1e-9) -> Doubles:
    """Solve normal equations by Cholesky's method.

    Parameters
    ----------
    gram : float64 (K, K, P)
    moments : float64 (K, C, P)
    ridge : float
        Share of the diagonal that is added to it.

    Returns
    -------
    float64 (K, C, P)

    Examples
    --------
    >>> gram = np.array([[4.0, 2.0], [2.0, 3.0]])[..., None]
    >>> solve(gram, np.array([[8.0], [7.0]])[..., None], 0.0)[:, 0, 0]
    array([1.25, 1.5 ])
    """
    size = len(gram)
    lower = np.zeros_like(gram)
    for i in range(size):
        for j in range(i + 1):
            rest = gram[i, j] * (1 + ridge) + ridge if i == j else gram[i, j].copy()
            for k in range(j):
                rest -= lower[i, k] * lower[j, k]
            lower[i, j] = np.sqrt(np.maximum(rest, 1e-300)) if i == j else rest / lower[j, j]
    half = np.zeros_like(moments)
    for i in range(size):
        rest = moments[i].copy()
        for k in range(i):
            rest -= lower[i, k] * half[k]
        half[i] = rest / lower[i, i]
    found = np.zeros_like(moments)
    for i in reversed(range(size)):
        rest = half[i].copy()
        for k in range(i + 1, size):
            rest -= lower[k, i] * found[k]
        found[i] = rest / lower[i, i]
    return found


def shrink(
    gram: Doubles, moments: Doubles, count: Doubles, penalty: Doubles, rounds: int = 12
) -> Doubles:
    """Fit by the lasso, by coordinate descent from least squares; level and trend go free.

    Minimises half the mean squared residual plus ``penalty`` times the sum of the absolute
    harmonic coefficients (Tibshirani 1996; Friedman et al. 2010), from normal equations alone.

    Parameters
    ----------
    gram : float64 (K, K, P)
    moments : float64 (K, C, P)
    count : float64 (P,)
    penalty : float64 (C, P)

    Returns
    -------
    float64 (K, C, P)
    """
    found = solve(gram, moments, 1e-6)
    if len(gram) <= 2:
        return found
    limit = penalty * count
    for _ in range(rounds):
        for j in range(len(gram)):
            rest = moments[j].copy()
            for k in range(len(gram)):
                if k != j:
                    rest -= gram[j, k] * found[k]
            if j >= 2:
                rest = np.sign(rest) * np.maximum(np.abs(rest) - limit, 0)
            found[j] = rest / np.maximum(gram[j, j], 1e-12)
    return found


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
    size, (_, bands, pixels) = terms.shape[1], values.shape
    values = np.asarray(values, np.float64)
    coefficients = np.zeros((size, bands, pixels))
    residuals = np.zeros_like(values)
    for band in range(bands):
        weights = known.astype(np.float64)
        own = values[:, band]
        for _ in range(rounds):
            gram = np.zeros((size, size, pixels))
            moments = np.zeros((size, 1, pixels))
            for row, value, weight in zip(terms, own, weights, strict=True):
                for i in range(size):
                    weighted = weight * row[i]
                    moments[i, 0] += weighted * value
                    for j in range(i + 1):
                        gram[i, j] += weighted * row[j]
            for i in range(size):
                for j in range(i):
                    gram[j, i] = gram[i, j]
            fitted = solve(gram, moments, 1e-6)
            rest = own - np.stack([combine(row, fitted)[0] for row in terms])
            sigma = np.maximum(MAD_TO_SIGMA * masked_median(np.abs(rest), known), 1e-9)
            share = np.minimum(np.abs(rest) / (BISQUARE * sigma), 1)
            weights = known * (1 - share**2) ** 2
        coefficients[:, band], residuals[:, band] = fitted[:, 0], rest
    return coefficients, residuals
