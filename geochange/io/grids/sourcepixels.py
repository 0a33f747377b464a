"""Which pixels of a file show what lies under the pixels of a grid."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.io.grids.displacement import Displacement
from geochange.io.grids.pixelgrid import pixel_to_pixel
from geochange.io.grids.resampling import reach_px
from geochange.tiles import Window

STEP_PX = 16
"""Coordinates are exact at every 16th pixel of the grid and bilinear in between."""
FAR_AWAY_PX = -1e9
"""Where points lie that the file's CRS has no place for."""


def locate_pixels(
    window: Window, grid: GeoBox, own: GeoBox, displacement: Displacement
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return columns and rows in a file of the centres of a grid's pixels, float64 (H, W) each.

    They do not depend on the window that a pixel is asked in.

    Parameters
    ----------
    window : Window
        Of the grid.
    grid, own : GeoBox
        The grid and that of the file.
    displacement : Displacement

    Examples
    --------
    >>> from affine import Affine
    >>> grid = GeoBox((9, 9), Affine(10, 0, 0, 0, -10, 0), "EPSG:32632")
    >>> cols, rows = locate_pixels(Window(2, 3, 1, 2), grid, grid, Displacement.shift(0.5, -1))
    >>> cols.tolist(), rows.tolist()
    ([[4.0, 5.0]], [[1.5, 1.5]])
    """
    node_cols, left, t_col = _split(window.col, window.width)
    node_rows, top, t_row = _split(window.row, window.height)
    x, y = np.meshgrid(node_cols, node_rows)
    points = displacement.locate(np.column_stack([x.ravel(), y.ravel()]))
    nodes = pixel_to_pixel(grid, own, points).T.reshape(2, *x.shape)
    nodes = np.where(np.isfinite(nodes), nodes, FAR_AWAY_PX)
    cols, rows = (_interpolate(_interpolate(node, top, t_row).T, left, t_col).T for node in nodes)
    return cols, rows


def _split(
    start: int, count: int
) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.float64]]:
    """Return the nodes along a side, and for each pixel the node before it and how far it is."""
    centres = np.arange(start, start + count) + 0.5
    before = np.floor(centres / STEP_PX).astype(np.intp)
    nodes = np.arange(before[0], before[-1] + 2) * STEP_PX
    return nodes, before - before[0], (centres - before * STEP_PX) / STEP_PX


def _interpolate(
    table: NDArray[np.float64], index: NDArray[np.intp], t: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return rows between the rows of a table."""
    low, high = table[index], table[index + 1]
    return low + t[:, None] * (high - low)


def window_around(
    cols: NDArray[np.float64],
    rows: NDArray[np.float64],
    own: GeoBox,
    resampling: str,
    stretch: tuple[float, float],
) -> Window | None:
    """Return the pixels of a file that a kernel reaches from places; None when there are none.

    Parameters
    ----------
    cols, rows : float64 (H, W)
    own : GeoBox
        Grid of the file.
    resampling : str
    stretch : tuple of float
        See :func:`geochange.io.grids.resampling.resample`.
    """
    bounds = []
    for places, size, factor in zip((rows, cols), own.shape, stretch[::-1], strict=True):
        reach = reach_px(resampling, factor) + 1
        low, high = float(places.min()), float(places.max())
        first, stop = max(math.floor(low) - reach, 0), min(math.ceil(high) + reach, int(size))
        if stop <= first:
            return None
        bounds.append((first, stop - first))
    (row, height), (col, width) = bounds
    return Window(row, col, height, width)
