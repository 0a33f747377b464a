"""Reference IR-MAD, dense, numpy and scipy only, and the golden values made with it.

    python tests/golden/irmad.py

writes ``irmad.npz``: a seeded pair (before, after) of 7 and 6 bands, and the canonical
correlations and chi-square that the reference finds after 8 iterations. It solves the
generalised eigenproblem of Nielsen (2007), eq. 4, with Cholesky factors in LAPACK
(``scipy.linalg.eigh``); geochange whitens both dates and takes a singular value decomposition.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.linalg import eigh, solve
from scipy.stats import chi2

GOLDEN = Path(__file__).with_name("irmad.npz")


def solve_irmad(
    before: np.ndarray, after: np.ndarray, tolerance: float = 1e-10, iterations: int = 500
) -> tuple[np.ndarray, np.ndarray]:
    """Return canonical correlations (V,) and chi-square (P,) of pixels (P, C), in float64."""
    x, y = before.astype(np.float64), after.astype(np.float64)
    p, count = x.shape[1], min(x.shape[1], y.shape[1])
    weights, previous = np.ones(len(x)), np.zeros(count)
    for _ in range(iterations):
        joint = np.hstack([x, y])
        covariance = np.cov(joint, rowvar=False, aweights=weights, ddof=0)
        xx, xy, yy = covariance[:p, :p], covariance[:p, p:], covariance[p:, p:]
        squares, vectors = eigh(xy @ solve(yy, xy.T), xx)
        a = vectors[:, ::-1][:, :count]
        correlations = np.sqrt(squares[::-1][:count])
        b = solve(yy, xy.T @ a) / correlations
        centred = joint - np.average(joint, axis=0, weights=weights)
        variates = centred[:, :p] @ a - centred[:, p:] @ b
        chi_square = (variates**2 / (2 * (1 - correlations))).sum(axis=1)
        if np.abs(correlations - previous).max() < tolerance:
            break
        previous = correlations
        weights = chi2.sf(chi_square, count)
    return correlations, chi_square


def make_pair(seed: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (900, 7) and (900, 6): common content, noise, and 80 changed pixels."""
    rng = np.random.default_rng(seed)
    content = rng.normal(0, 10, (900, 6))
    before = 100 + content @ rng.normal(0, 1, (6, 7)) + rng.normal(0, 6, (900, 7))
    after = 70 + content @ rng.normal(0, 1, (6, 6)) + rng.normal(0, 6, (900, 6))
    after[:80] += rng.normal(0, 60, (80, 6))
    return before.astype(np.float32), after.astype(np.float32)


if __name__ == "__main__":
    before, after = make_pair()
    correlations, chi_square = solve_irmad(before, after, tolerance=0, iterations=8)
    np.savez_compressed(
        GOLDEN,
        before=before,
        after=after,
        correlations=correlations,
        chi_square=chi_square,
    )
