"""Harmonic regression of many pixels at once; pixels are on the last axis.

Every step is elementwise along that axis, so a pixel's result does not depend on its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
YEAR = 365.25
TERMS = 8
"""Level, trend, and three harmonics of the year as cosine and sine."""


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
    return np.take(table, places.reshape(np.shape(days)), axis=1)


def add(parts: NDArray[Any]) -> NDArray[Any]:
    """Add up along the first axis, one after the other: in one order, however many pixels."""
    total: NDArray[Any] = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def contract(formula: str, first: NDArray[Any], second: NDArray[Any]) -> Doubles:
    """Return ``einsum`` of two arrays whose last axis counts pixels, as does the result's.

    Products are added up in one order, however many pixels there are: the last axis is walked
    innermost, for which it must be longer than 1 and its numbers must lie side by side.

    Examples
    --------
    >>> contract("kp,kcp->cp", np.ones((8, 1)), np.full((8, 2, 1), 0.5))
    array([[4.],
           [4.]])
    """
    single = first.shape[-1] == 1
    parts = [
        np.repeat(one, 2, axis=-1) if single else np.asarray(one, order="C")
        for one in (first, second)
    ]
    found: Doubles = np.einsum(formula, *parts, order="C")
    return found[..., :1] if single else found


def combine(terms: Doubles, coefficients: NDArray[Any]) -> Doubles:
    """Return predictions (C, P) from terms (K, P), or (K, 1), and coefficients (K, C, P)."""
    pixels = coefficients.shape[-1]
    own = terms if terms.shape[-1] == pixels else np.repeat(terms, pixels, axis=-1)
    return contract("kp,kcp->cp", own, coefficients)


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
