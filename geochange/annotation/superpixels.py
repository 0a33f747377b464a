"""A tile cut into small regions whose pixels look alike at both dates, to be painted by clicks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import rasterio.features
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import slic

from geochange.alignment.pair import Pair
from geochange.blocks import BoolArray, FloatArray
from geochange.tiles import Window

MOST_PX = 640
"""Edge of what is cut at a time; larger tiles are cut around the pointer."""
SIZES_PX = (6, 64)
COMPACTNESS = 0.2
"""Weight of nearness against likeness, with bands of 0 to 1."""
SMOOTH_PX = 1.0
"""Gaussian that takes pixel noise out."""


def cut_tile(
    pair: Pair, stretch: Mapping[str, Any], tile: Window, point: tuple[float, float], size_px: float
) -> list[dict[str, Any]]:
    """Return the regions of a tile as GeoJSON polygons in pixels, side by side without gaps.

    Parameters
    ----------
    pair : Pair
    stretch : mapping
        Of :func:`geochange.annotation.stretch.measure_stretch`: what counts as dark and bright.
    tile : Window
    point : (column, row)
        Where the pointer is; of a tile above :data:`MOST_PX` only the block around it is cut.
    size_px : float
        Edge that a region has about.

    Notes
    -----
    SLIC (Achanta and others 2012) on the bands of both dates, stacked.
    """
    window = block_around(tile, point)
    block = pair.read_window(window)
    stacked = np.concatenate(
        [_scale(block.before, stretch["before"]), _scale(block.after, stretch["after"])]
    )
    regions = cut(stacked, block.valid, size_px)
    place = Affine.translation(window.col, window.row)
    shapes = rasterio.features.shapes(regions, mask=regions > 0, transform=place)
    return [geometry for geometry, _ in shapes]


def block_around(tile: Window, point: tuple[float, float]) -> Window:
    """Return the tile, or the block of it that the point lies in.

    Examples
    --------
    >>> block_around(Window(0, 0, 512, 512), (5, 5))
    Window(row=0, col=0, height=512, width=512)
    >>> block_around(Window(0, 0, 2000, 2000), (700, 1990))
    Window(row=1920, col=640, height=80, width=640)
    """
    starts = []
    for at, begin, length in ((point[1], tile.row, tile.height), (point[0], tile.col, tile.width)):
        inside = min(max(int(at) - begin, 0), length - 1)
        start = inside // MOST_PX * MOST_PX if length > MOST_PX else 0
        starts.append((begin + start, min(MOST_PX, length - start)))
    (row, height), (col, width) = starts
    return Window(row, col, height, width)


def cut(stacked: FloatArray, valid: BoolArray, size_px: float) -> NDArray[np.int32]:
    """Cut an image into regions, numbered from 1; 0 where it is not valid.

    Parameters
    ----------
    stacked : float32 (C, H, W)
        Of 0 to 1.
    valid : bool (H, W)
    size_px : float

    Examples
    --------
    >>> image = np.zeros((1, 40, 40), np.float32)
    >>> image[:, :, 20:] = 1
    >>> regions = cut(image, np.ones((40, 40), bool), 10)
    >>> bool((np.intersect1d(regions[:, :20], regions[:, 20:])).size)
    False
    """
    if not valid.any():
        return np.zeros(valid.shape, np.int32)
    size = float(np.clip(size_px, *SIZES_PX))
    count = max(1, round(int(valid.sum()) / size**2))
    smooth = np.stack([ndimage.gaussian_filter(band, SMOOTH_PX) for band in stacked], axis=-1)
    regions = slic(
        smooth / np.sqrt(len(stacked)), n_segments=count, compactness=COMPACTNESS, start_label=1,
        mask=None if valid.all() else valid, channel_axis=-1, max_num_iter=6,
    )  # fmt: skip
    return np.asarray(np.where(valid, regions, 0), np.int32)


def _scale(pixels: FloatArray, percentiles: list[list[float]]) -> FloatArray:
    """Bring every band to 0 to 1 between its 2nd and 98th percentile."""
    values = np.array(percentiles, np.float32)
    low, high = values[:, 4, None, None], values[:, -5, None, None]
    scaled = (pixels - low) / np.maximum(high - low, 1e-6)
    return np.asarray(np.clip(np.nan_to_num(scaled), 0, 1), np.float32)
