"""A square or a disc as a sensor sees it: sub-pixel place, partial coverage, point spread."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from geochange.blocks import BoolArray, FloatArray
from geochange.tiles import Window

SHAPES = ("square", "disc")
BLUR_PX = 0.45
"""Optics and smear, the standard deviation of a Gaussian. With the square pixel itself 23 % of the
contrast is left at the Nyquist frequency; Sentinel-2's 10 m bands have 15 to 30 %."""
STRIPS_PER_PX, LEAST_STRIPS = 16, 64
"""A shape is cut in strips; along them coverage is exact."""
SHARP_PX = 1e-6

Place = tuple[float, float]
"""Row and column of a middle, in pixels of the grid; (0.5, 0.5) is the middle of the first one."""


def render(
    window: Window,
    middle: Place,
    size_px: float,
    *,
    shape: str = "square",
    blur_px: float = BLUR_PX,
) -> FloatArray:
    """Return what share of each pixel's signal comes from a shape.

    Parameters
    ----------
    window : Window
        Pixels to render.
    middle : tuple of float
        Row and column of the shape's middle on the grid.
    size_px : float
        Edge of the square, or diameter of the disc.
    shape : {'square', 'disc'}
    blur_px : float
        Standard deviation of the optics' Gaussian, beside the square pixel.

    Returns
    -------
    float32 (H, W)
        In [0, 1]; over all pixels the sum is the area of the shape.

    Examples
    --------
    >>> sharp = render(Window(0, 0, 1, 4), (0.5, 2.0), 1.0, blur_px=0.0)
    >>> sharp.round(3)
    array([[0. , 0.5, 0.5, 0. ]], dtype=float32)
    >>> float(render(Window(0, 0, 20, 20), (9.3, 10.8), 3.0).sum().round(3))
    9.0
    """
    blur_px = max(blur_px, SHARP_PX)
    strips = max(LEAST_STRIPS, math.ceil(size_px * STRIPS_PER_PX))
    height = size_px / strips
    offsets = (np.arange(strips) + 0.5) * height - size_px / 2
    half = np.full(strips, size_px / 2)
    if shape == "disc":
        half = np.sqrt(np.maximum(half**2 - offsets**2, 0))
    row_edges = window.row + np.arange(window.height + 1)
    col_edges = window.col + np.arange(window.width + 1)
    up = ndtr((row_edges[:, None] - middle[0] - offsets) / blur_px)
    across = [_integrate(col_edges[:, None] - middle[1] + side * half, blur_px) for side in (1, -1)]
    rows, cols = np.diff(up, axis=0), np.diff(across[0] - across[1], axis=0)
    share: FloatArray = (height * rows @ cols.T).astype(np.float32)
    return share


def _integrate(x: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Integral of the normal distribution function up to ``x``."""
    z = x / sigma
    density = np.exp(-0.5 * np.minimum(z * z, 1400)) / math.sqrt(2 * math.pi)
    area: NDArray[np.float64] = x * ndtr(z) + sigma * density
    return area


def footprint(window: Window, middle: Place, size_px: float, *, shape: str = "square") -> BoolArray:
    """Return the pixels that a shape touches, and their neighbours, bool (H, W).

    Examples
    --------
    >>> footprint(Window(0, 0, 1, 6), (0.5, 2.5), 1.0).astype(int)
    array([[0, 1, 1, 1, 0, 0]])
    """
    touched = render(window.pad(1), middle, size_px, shape=shape, blur_px=0.0) > SHARP_PX
    rows = touched[:-2] | touched[1:-1] | touched[2:]
    around: BoolArray = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return around


def bound(middle: Place, size_px: float) -> Window:
    """Return the smallest window that holds a footprint.

    Examples
    --------
    >>> bound((10.5, 20.5), 1.0)
    Window(row=9, col=19, height=3, width=3)
    """
    edges = [(math.floor(m - size_px / 2), math.ceil(m + size_px / 2)) for m in middle]
    (top, bottom), (left, right) = edges
    return Window(top, left, bottom - top, right - left).pad(1)
