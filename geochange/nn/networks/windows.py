"""Networks that look at all of their input, run in windows of one size that overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

WINDOW_PX, STEP_PX = 256, 128
"""Edge of a window, and from one to the next; windows start at multiples of the step."""

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Predict = Callable[[FloatArray, FloatArray, BoolArray], FloatArray]


def blend_windows(
    predict: Predict, before: FloatArray, after: FloatArray, valid: BoolArray
) -> FloatArray:
    """Score tiles in overlapping windows and average what they say.

    A window counts less towards its edges, and by the square of its valid share: at the border of
    a scene the window that is full of pixels decides. Windows lie on one lattice, so a pixel's
    score is the same in every tile that sees :data:`STEP_PX` around it and starts on the lattice.

    Parameters
    ----------
    predict : callable
        Scores float32 (N, C, H, W) of both dates and bool (N, H, W) to float32 (N, H, W).
    before, after : float32 (N, C1, H, W) and (N, C2, H, W)
    valid : bool (N, H, W)

    Returns
    -------
    float32 (N, H, W)
        Anything where invalid.

    Examples
    --------
    >>> date, valid = np.ones((1, 1, 384, 300), np.float32), np.ones((1, 384, 300), bool)
    >>> score = blend_windows(lambda before, after, valid: before[:, 0], date, date, valid)
    >>> bool(np.allclose(score, 1))
    True
    """
    total = np.zeros(valid.shape, np.float32)
    weight = np.zeros(valid.shape, np.float32)
    for rows in _windows(valid.shape[1]):
        for cols in _windows(valid.shape[2]):
            part = valid[:, rows, cols]
            share = part.mean(axis=(1, 2), dtype=np.float32)
            if not share.any():
                continue
            score = predict(before[..., rows, cols], after[..., rows, cols], part)
            counts = share[:, None, None] ** 2 * _ramp(part.shape[1:])
            total[:, rows, cols] += np.where(part, score * counts, 0)
            weight[:, rows, cols] += counts
    return np.divide(total, weight, out=total, where=weight > 0)


def _windows(size: int) -> Iterator[slice]:
    """Windows along one axis; the last one ends with it."""
    for start in range(0, max(size - STEP_PX, 1), STEP_PX):
        yield slice(start, start + WINDOW_PX)


def _ramp(shape: tuple[int, ...]) -> FloatArray:
    """Weights that fall towards the edges of a window, above 0, float32 (H, W)."""
    centre = WINDOW_PX / 2
    line = 1 - np.abs(np.arange(WINDOW_PX) + 0.5 - centre) / centre
    ramp: FloatArray = np.outer(line[: shape[0]], line[: shape[1]]).astype(np.float32)
    return ramp
