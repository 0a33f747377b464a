"""A click becomes a polygon: what is connected to it in the score, or in the difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from geochange.alignment.pair import Pair
from geochange.annotation.geometry import polygonal, simplify
from geochange.annotation.pictures import read_score
from geochange.annotation.refusals import UNUSABLE, RefusedError
from geochange.blocks import MAD_TO_SIGMA, BoolArray, FloatArray
from geochange.maps.changemap import ChangeMap
from geochange.tiles import Window

REACH_PX = {"score": 512, "difference": 256}
"""The wand looks this far around the click."""
SMOOTH_PX = 1.0
"""Gaussian that takes pixel noise out of the difference."""
FAINT = 8.0
"""Changes of fewer usual spreads than this are told apart as if they were this strong."""
SPREAD_PIXELS = 20_000


def wave(
    pair: Pair, result: ChangeMap | None, on: str, point: tuple[float, float], tolerance: float
) -> BaseGeometry:
    """Return the region around a click.

    Parameters
    ----------
    pair : Pair
    result : ChangeMap or None
        Run whose score to use.
    on : {'score', 'difference'}
        ``score``: connected pixels of a score of at least ``tolerance``. ``difference``: connected
        pixels whose difference between the dates is like that at the click.
    point : (column, row)
    tolerance : float
        0 to 1: least score, or how unlike the change at the click a change may be, in parts of its
        strength.

    Returns
    -------
    shapely.Polygon
        In pixels, simplified; without holes below 4 px.

    Raises
    ------
    RefusedError
        The click is outside, or where nothing is known or nothing changed.
    """
    row, col = int(np.floor(point[1])), int(np.floor(point[0]))
    around = Window(row, col, 1, 1).pad(REACH_PX[on])
    window = around.intersect(Window(0, 0, *pair.shape))
    if window is None or not (0 <= row < pair.shape[0] and 0 <= col < pair.shape[1]):
        raise RefusedError(UNUSABLE, "the click is outside the image")
    seed = row - window.row, col - window.col
    if on == "score":
        if result is None:
            msg = "there is no score yet; use the wand on the difference"
            raise RefusedError(UNUSABLE, msg)
        score = read_score(result, window, window.shape)
        near = np.nan_to_num(score, nan=-1.0) >= max(tolerance, 1e-6)
    else:
        near = _like_the_click(pair, window, seed, tolerance)
    if not near[seed]:
        msg = "the score is lower here; lower the wand's tolerance" if on == "score" else "no data"
        raise RefusedError(UNUSABLE, msg)
    return outline_region(near, seed, window)


def outline_region(near: BoolArray, seed: tuple[int, int], window: Window) -> BaseGeometry:
    """Return the polygon of the True pixels that are 4-connected to ``seed``."""
    labels, _ = ndimage.label(near)
    region = labels == labels[seed]
    place = Affine.translation(window.col, window.row)
    shapes = rasterio.features.shapes(region.astype(np.uint8), mask=region, transform=place)
    outline = shapely.union_all([shapely.geometry.shape(geometry) for geometry, _ in shapes])
    shells = [
        shapely.Polygon(p.exterior, [r for r in p.interiors if shapely.Polygon(r).area >= 4])
        for p in shapely.get_parts(outline)
    ]
    return simplify(polygonal(shapely.MultiPolygon(shells)))


def _like_the_click(
    pair: Pair, window: Window, seed: tuple[int, int], tolerance: float
) -> BoolArray:
    """Pixels whose vector of change is within a tolerance of the one at the click."""
    block = pair.read_window(window)
    count = min(len(block.before), len(block.after))
    change = _in_spreads(block.after[:count] - block.before[:count], block.valid)
    row, col = seed
    around = np.s_[max(0, row - 1) : row + 2, max(0, col - 1) : col + 2]
    known = block.valid[around]
    if not known.any():
        return np.zeros_like(block.valid)
    here = change[:, *around][:, known].mean(axis=1)
    distance = np.sqrt(((change - here[:, None, None]) ** 2).mean(axis=0))
    strength = max(FAINT, float(np.sqrt((here**2).mean())))
    near: BoolArray = block.valid & (distance <= tolerance * strength)
    near[seed] = bool(block.valid[seed])
    return near


def _in_spreads(change: FloatArray, valid: BoolArray) -> Any:
    """Smooth the change of each band and measure it in units of its usual spread."""
    smooth = np.stack([ndimage.gaussian_filter(band, SMOOTH_PX) for band in change])
    step = max(1, int(valid.sum()) // SPREAD_PIXELS)
    known = smooth[:, valid][:, ::step]
    middle = np.median(known, axis=1)[:, None, None]
    spread = MAD_TO_SIGMA * np.median(np.abs(known - middle[:, 0]), axis=1)[:, None, None]
    return (smooth - middle) / np.maximum(spread, 1e-6)
