"""From the pixels of one grid to those of another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox


def pixel_size(geobox: GeoBox) -> float:
    """Side of a square as large as a pixel, in units of the grid's CRS."""
    return float(abs(geobox.affine.determinant) ** 0.5)


def pixel_ratio(source: GeoBox, target: GeoBox) -> tuple[float, float]:
    """Target pixels per source pixel, across and down, at the middle of the target grid.

    Below 1 the target is coarser. GDAL widens its kernels by this ratio.
    """
    height, width = target.shape
    middle = np.array([[width / 2, height / 2]])
    steps = middle + np.array([[0, 0], [1, 0], [0, 1]])
    there = pixel_to_pixel(target, source, steps)
    across = float(np.hypot(*(there[1] - there[0])))
    down = float(np.hypot(*(there[2] - there[0])))
    if not (math.isfinite(across) and math.isfinite(down) and across > 0 and down > 0):
        return 1.0, 1.0
    return 1.0 / across, 1.0 / down


def pixel_to_pixel(source: GeoBox, target: GeoBox, points: NDArray[Any]) -> NDArray[np.float64]:
    """Turn (x=col, y=row) pixel coordinates of one grid into those of another, float64 (N, 2)."""
    x, y = transform_points(source.affine, points[:, 0], points[:, 1])
    if source.crs is not None and target.crs is not None and source.crs != target.crs:
        x, y = source.crs.transformer_to_crs(target.crs)(x, y)
    return np.column_stack(transform_points(~target.affine, np.asarray(x), np.asarray(y)))


def transform_points(
    affine: Affine, x: NDArray[Any], y: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Apply an affine to arrays of coordinates."""
    return affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f


def outline(geobox: GeoBox, steps: int = 32) -> NDArray[np.float64]:
    """Pixel coordinates (x=col, y=row) along the border of a grid, float64 (N, 2)."""
    height, width = geobox.shape
    t = np.linspace(0.0, 1.0, steps)
    zero, one = np.zeros_like(t), np.ones_like(t)
    edges = [(t, zero), (t, one), (zero, t), (one, t)]
    return np.concatenate([np.column_stack([x * width, y * height]) for x, y in edges])


def mesh(geobox: GeoBox, steps: int = 33) -> NDArray[np.float64]:
    """Pixel coordinates (x=col, y=row) spread evenly over a grid, border included, (N, 2)."""
    height, width = geobox.shape
    cols, rows = np.meshgrid(np.linspace(0, width, steps), np.linspace(0, height, steps))
    return np.column_stack([cols.ravel(), rows.ravel()])


def touches(points: NDArray[np.float64], geobox: GeoBox) -> bool:
    """Tell whether the box around points, in pixels of a grid, reaches into the grid."""
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return False
    height, width = geobox.shape
    low, high = points.min(axis=0), points.max(axis=0)
    return bool((high > 0).all() and (low < [width, height]).all())
