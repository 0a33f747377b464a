"""Logistic regression by iteratively reweighted least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array64 = NDArray[np.float64]

RIDGE = 1e-3
"""Penalty on the squared coefficients of standardised features, per observation: keeps them
finite where the classes are separable."""
MAX_STEPS = 50
HALVINGS = 30
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Logistic:
    """A fitted model: the probability is the sigmoid of ``intercept + x @ coefficients``.

    Attributes
    ----------
    intercept : float
    coefficients : float64 (R,)
    """

    intercept: float
    coefficients: Array64

    def predict(self, features: Array64) -> Array64:
        """Return the probability of each observation, float64 (N,)."""
        return sigmoid(self.intercept + features @ self.coefficients)


def sigmoid(logit: Array64) -> Array64:
    """Return ``1 / (1 + exp(-logit))`` without overflow."""
    return np.exp(-np.logaddexp(0.0, -logit))


def fit_logistic(features: Array64, target: NDArray[np.bool_], weights: Array64) -> Logistic:
    """Fit by Newton steps, which are weighted least squares.

    Parameters
    ----------
    features : float64 (N, R)
    target : bool (N,)
        Must hold both classes.
    weights : float64 (N,)
        What each observation counts.

    References
    ----------
    McCullagh, P. and Nelder, J. (1989). Generalized Linear Models; the ridge as in le Cessie and
    van Houwelingen 1992, never on the intercept.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 400)[:, None]
    >>> chance = 1 / (1 + np.exp(-(3 * x[:, 0] - 1)))
    >>> both = np.vstack([x, x]), np.repeat([True, False], 400), np.append(chance, 1 - chance)
    >>> model = fit_logistic(*both)
    >>> round(model.intercept, 1), model.coefficients.round(1)
    (-1.0, array([3.]))
    """
    centre = np.average(features, axis=0, weights=weights)
    spread = np.sqrt(np.average((features - centre) ** 2, axis=0, weights=weights))
    spread = np.where(spread > 0, spread, 1.0)
    design = np.column_stack([np.ones(len(features)), (features - centre) / spread])
    share = float(np.average(target, weights=weights))
    beta = np.zeros(design.shape[1])
    beta[0] = np.log(share / (1 - share))
    ridge = np.full(beta.size, RIDGE * weights.sum())
    ridge[0] = 0.0

    def cost(beta: Array64) -> float:
        logit = design @ beta
        losses = np.logaddexp(0.0, np.where(target, -logit, logit))
        return float(weights @ losses + 0.5 * (ridge * beta) @ beta)

    least = cost(beta)
    for _ in range(MAX_STEPS):
        chance = sigmoid(design @ beta)
        slope = design.T @ (weights * (target - chance)) - ridge * beta
        curve = (design.T * (weights * chance * (1 - chance))) @ design + np.diag(ridge)
        step = np.linalg.lstsq(curve, slope, rcond=None)[0]
        for _ in range(HALVINGS):  # far from the end, Newton overshoots
            if cost(beta + step) <= least:
                break
            step /= 2
        beta += step
        least = cost(beta)
        if np.abs(step).max() < TOLERANCE:
            break
    coefficients = beta[1:] / spread
    return Logistic(float(beta[0] - coefficients @ centre), coefficients)
