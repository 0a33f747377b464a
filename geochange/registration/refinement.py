"""Sub-pixel shift between two small images: robust Gauss-Newton on gain, bias and shift."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geochange.blocks import MAD_TO_SIGMA, BoolArray, FloatArray

STEPS = 12
CONVERGED_PX = 1e-4
TUNING = 4.685
"""Of Tukey's biweight, in robust standard deviations: 95 % efficient under normal noise."""
REACH_PX = 2
"""Pixels around a place that a cubic spline takes in."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What a refinement found.

    Attributes
    ----------
    dx, dy : float
        Columns and rows, in px.
    correlation : float
        Between the two images once the shift is taken out, outliers included, -1 to 1.
    residual : float
        Robust standard deviation of what remains over that of the first image.
    sigma_px : float
        Standard error of the shift along its worse direction, by the curvature of the fit, as if
        the noise of every pixel were its own.
    """

    dx: float
    dy: float
    correlation: float
    residual: float
    sigma_px: float


def refine(
    image: FloatArray,
    valid: BoolArray,
    wider: FloatArray,
    wider_valid: BoolArray,
    start: tuple[float, float],
) -> Fit | None:
    """Refine the place of an image inside a wider one.

    Minimises ``sum w (gain * wider(p + shift) + bias - image(p))^2`` with Tukey's weights, which
    leave out what changed. ``wider`` is interpolated by a cubic spline.

    Parameters
    ----------
    image, valid : float32, bool (h, w)
    wider, wider_valid : float32, bool (h + 2 m, w + 2 m)
    start : tuple of float
        ``(dx, dy)`` of :class:`geochange.registration.correlation.Peak`.

    Returns
    -------
    Fit or None
        None where the shift leaves the margin or more than 1 px from the start, or too few pixels
        have data.

    References
    ----------
    Lucas and Kanade (1981); weights: Beaton and Tukey (1974).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> wide = ndimage.gaussian_filter(rng.normal(size=(80, 80)), 1.5).astype(np.float32)
    >>> moved = ndimage.shift(wide, (-0.3, 0.2), order=5)[8:-8, 8:-8].astype(np.float32)
    >>> full = np.ones(wide.shape, bool)
    >>> fit = refine(1.2 * moved + 3, full[8:-8, 8:-8], wide, full, (0.0, 0.0))
    >>> round(fit.dx, 2), round(fit.dy, 2)
    (-0.2, 0.3)
    """
    margin = (wider.shape[0] - image.shape[0]) // 2
    coefficients = ndimage.spline_filter(wider.astype(np.float64), order=3, mode="mirror")
    known = ndimage.minimum_filter(wider_valid, size=2 * REACH_PX + 1, mode="nearest")
    target = image.astype(np.float64)
    place = np.array(start, float)
    gain, bias = 1.0, 0.0
    for step in range(STEPS):
        if np.abs(place).max() > margin - REACH_PX or np.abs(place - start).max() > 1.0:
            return None
        moved, across, down = _look(coefficients, place, margin, image.shape)
        used = valid & _shift_mask(known, place, margin, image.shape)
        if used.sum() < 64:
            return None
        one, two = target[used], moved[used]
        if step == 0:
            gain, bias = _match(one, two)
        left = one - gain * two - bias
        weights = _weigh(left)
        slopes = np.stack([gain * across[used], gain * down[used], two, np.ones_like(two)])
        weighted = slopes * weights
        normal = weighted @ slopes.T
        if not _solvable(normal):
            return None
        update = np.linalg.solve(normal, weighted @ left)
        place = place + np.clip(update[:2], -0.5, 0.5)
        gain, bias = gain + update[2], bias + update[3]
        if np.abs(update[:2]).max() < CONVERGED_PX:
            break
    spread = _spread(left)
    return Fit(
        dx=float(place[0]),
        dy=float(place[1]),
        correlation=float(np.corrcoef(one, two)[0, 1]),
        residual=spread / max(float(one.std()), 1e-12),
        sigma_px=_standard_error(normal, spread),
    )


def _look(
    coefficients: NDArray[np.float64],
    place: NDArray[np.float64],
    margin: int,
    shape: tuple[int, ...],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the wider image at a place, and its slopes along columns and rows, (h, w) each."""
    whole = np.floor(place).astype(int)
    t_col, t_row = place - whole
    top, left = margin + whole[1] - 1, margin + whole[0] - 1
    part = coefficients[top : top + shape[0] + 3, left : left + shape[1] + 3]
    value_col, slope_col = _spline_weights(t_col)
    value_row, slope_row = _spline_weights(t_row)
    rows, row_slopes = _sum_rows(part, value_row), _sum_rows(part, slope_row)
    return (
        _sum_rows(rows.T, value_col).T,
        _sum_rows(rows.T, slope_col).T,
        _sum_rows(row_slopes.T, value_col).T,
    )


def _sum_rows(part: NDArray[np.float64], weights: list[float]) -> NDArray[np.float64]:
    """Weight four rows that follow each other, for every row but the last three."""
    count = part.shape[0] - 3
    total = weights[0] * part[:count]
    for offset in (1, 2, 3):
        total += weights[offset] * part[offset : offset + count]
    return total


def _spline_weights(t: float) -> tuple[list[float], list[float]]:
    """Values and slopes of the four cubic B-splines at a fraction of a pixel."""
    s = 1 - t
    values = [s**3 / 6, 2 / 3 - t**2 + t**3 / 2, 2 / 3 - s**2 + s**3 / 2, t**3 / 6]
    slopes = [-(s**2) / 2, -2 * t + 1.5 * t**2, 2 * s - 1.5 * s**2, t**2 / 2]
    return values, slopes


def _shift_mask(
    known: BoolArray, place: NDArray[np.float64], margin: int, shape: tuple[int, ...]
) -> BoolArray:
    col, row = (margin + int(v) for v in np.rint(place))
    return known[row : row + shape[0], col : col + shape[1]]


def _match(one: NDArray[np.float64], two: NDArray[np.float64]) -> tuple[float, float]:
    """Return gain and bias that bring the second to the first, by least squares."""
    middle, spread = two.mean(), float(two.var())
    gain = float(((two - middle) * (one - one.mean())).mean()) / spread if spread > 0 else 1.0
    return gain, float(one.mean() - gain * middle)


def _spread(left: NDArray[np.float64]) -> float:
    """Robust standard deviation around 0."""
    return MAD_TO_SIGMA * float(np.median(np.abs(left)))


def _weigh(left: NDArray[np.float64]) -> NDArray[np.float64]:
    scale = TUNING * max(_spread(left), 1e-12)
    weights: NDArray[np.float64] = np.clip(1 - (left / scale) ** 2, 0, None) ** 2
    return weights


def _solvable(normal: NDArray[np.float64]) -> bool:
    scale = np.sqrt(np.diag(normal))
    if not (scale > 0).all():
        return False
    return bool(np.linalg.cond(normal / np.outer(scale, scale)) < 1e10)


def _standard_error(normal: NDArray[np.float64], spread: float) -> float:
    covariance = np.linalg.inv(normal)[:2, :2] * spread**2
    return math.sqrt(max(float(np.linalg.eigvalsh(covariance).max()), 0.0))
