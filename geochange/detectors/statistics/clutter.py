"""What stands out of its surroundings: variates whitened by the covariance of the clutter there."""

from __future__ import annotations

import numpy as np

from geochange.blocks import BoolArray, FloatArray
from geochange.detectors.neighbourhoods.pieces import slide, trim

SHRINKAGE = 0.5
"""Share of the covariances between variates that is not believed: the few pixels around that do not
overlap tell variances better than these (Ledoit and Wolf 2004, JMVA 88(2))."""


def stand_out(
    variates: FloatArray,
    known: BoolArray,
    stride: int,
    *,
    around: int,
    guard: int,
    weight: float = 1.0,
) -> FloatArray:
    """Return the mean square of variates that their surroundings do not explain.

    With ``v`` the variates of a pixel, of unit noise, and ``C`` the mean of ``v v'`` over the known
    pixels around it but for a guard, halfway shrunk to its diagonal, that is
    ``v' (I + weight C)^-1 v / V``: noise alone where nothing lies around; where there is clutter,
    what points elsewhere than the clutter does counts for more.

    Parameters
    ----------
    variates : float32 (V, L)
        Rows of ``stride`` pixels, end to end; 0 where not known.
    known : bool (L,)
    stride : int
    around, guard : int
        Odd edges in pixels of the surroundings, and of their middle that is left out.
    weight : float
        0 leaves the surroundings out.

    Returns
    -------
    float32 (L',)
        Trimmed by ``around // 2``.

    References
    ----------
    Reed, I. S. and Yu, X. (1990). Adaptive multiple-band CFAR detection of an optical pattern with
    unknown spectral distribution. IEEE TASSP 38(10), 1760-1770; with the noise as a load.

    Examples
    --------
    >>> clutter = np.zeros((2, 81), np.float32)
    >>> clutter[0] = 3  # all along the first variate
    >>> clutter[1, 40] = 3
    >>> stand_out(clutter, np.ones(81, bool), stride=9, around=9, guard=3)
    array([4.95], dtype=float32)
    """
    middle = trim(variates, around // 2, stride)
    if not weight:
        bare: FloatArray = np.square(middle).sum(axis=0)
        return bare / np.float32(max(len(variates), 1))
    count = np.maximum(_sum_around(known.astype(np.float32), stride, around, guard), 1)
    share = (np.float32(weight) / count).astype(np.float32, copy=False)
    link = share * np.float32(1 - SHRINKAGE)
    lower: list[list[FloatArray]] = []
    white: list[FloatArray] = []
    total: FloatArray = np.zeros_like(share)
    for i, variate in enumerate(variates):  # Cholesky and forward substitution, for all pixels
        row: list[FloatArray] = []
        rest = middle[i].copy()
        for j in range(i):
            entry: FloatArray = _sum_around(variate * variates[j], stride, around, guard) * link
            for a, b in zip(row, lower[j], strict=False):
                entry -= a * b
            entry /= lower[j][j]
            row.append(entry)
            rest -= entry * white[j]
        pivot: FloatArray = _sum_around(variate * variate, stride, around, guard) * share
        pivot += 1
        for part in row:
            pivot -= part * part
        np.sqrt(np.maximum(pivot, 1, out=pivot), out=pivot)  # below 1 by rounding alone
        rest /= pivot
        lower.append([*row, pivot])
        white.append(rest)
        total += rest * rest
    total /= np.float32(max(len(variates), 1))
    return total


def _sum_around(values: FloatArray, stride: int, around: int, guard: int) -> FloatArray:
    """Sum of the pixels around each pixel, without those near it, (L',)."""
    total = slide(np.add, values, around, stride)
    total -= trim(slide(np.add, values, guard, stride), (around - guard) // 2, stride)
    return total
