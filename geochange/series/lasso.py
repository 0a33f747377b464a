"""Harmonic regression by the lasso, from normal equations alone; pixels are on the last axis."""

from __future__ import annotations

import numpy as np

from geochange.series.regression import Doubles, combine, solve

FREE = 2
"""Level and trend, which are not shrunk."""
ROUNDS = 12


def shrink(gram: Doubles, moments: Doubles, count: Doubles, penalty: Doubles) -> Doubles:
    """Fit by the lasso, by coordinate descent from least squares; level and trend go free.

    Minimises half the mean squared residual plus ``penalty`` times the sum of the absolute
    harmonic coefficients (Tibshirani 1996; Friedman et al. 2010), in a fixed number of rounds.

    Parameters
    ----------
    gram : float64 (K, K, P)
    moments : float64 (K, C, P)
    count : float64 (P,)
    penalty : float64 (C, P)

    Returns
    -------
    float64 (K, C, P)

    Examples
    --------
    >>> gram = np.diag([9.0, 9, 9, 9])[..., None]
    >>> moments = np.array([9.0, 18, 27, 0.9])[:, None, None]
    >>> shrink(gram, moments, np.array([9.0]), np.array([[0.5]]))[:, 0, 0].round(6)
    array([1. , 2. , 2.5, 0. ])
    """
    found = solve(gram, moments, 1e-6)
    if len(gram) <= FREE:
        return found
    limit = penalty * count
    own = np.maximum(np.stack([row[number] for number, row in enumerate(gram)]), 1e-12)
    for _ in range(ROUNDS):
        for number, row in enumerate(gram):
            found[number] = 0
            rest = moments[number] - combine(row, found)
            if number >= FREE:
                rest -= np.clip(rest, -limit, limit)
            np.divide(rest, own[number], out=found[number])
    return found
