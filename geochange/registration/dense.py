"""A first affine by what a network sees everywhere: for bands in which lone features differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geochange.blocks import BoolArray, FloatArray
from geochange.io.grids.displacement import Displacement
from geochange.registration.features import agree_on_affine, fill, scale_contrast
from geochange.registration.search import average_blocks

Describe = Callable[[FloatArray], FloatArray]
"""From an image in 0 to 1, float32 (H, W), to unit descriptors, float32 (h, w, features)."""
Points = NDArray[np.float64]

LARGEST_PX = 512
"""Larger images are seen coarser: every place is held against every other."""
ANGLES = -30.0, 0.0, 30.0
"""Degrees that the second image is turned back by: networks know no rotation."""
MAX_RATIO = 0.97
"""Largest distance of a match over that of the next best, which lies beside it."""
MAX_RESIDUAL_PX = 4.0
WHOLE_PX = 8
"""Sides are cut to multiples of this: networks halve images, and what is left over moves places."""
MOST_PLACES = 4608
"""Of the first image that are looked for in the second: half of those of 384 x 384 px, which find
as many pairs (``tests/benchmarks/turned.py``) as all of them."""
ROWS_AT_ONCE = 256


def match_densely(
    before: FloatArray,
    after: FloatArray,
    valid: tuple[BoolArray, BoolArray],
    factor: float = 1.0,
    *,
    describe: Describe,
) -> Displacement | None:
    """Find rotation, scale and shift between two overviews by dense descriptors.

    Parameters
    ----------
    before, after : float32 (H, W)
    valid : tuple of bool (H, W)
    factor : float
        Pixels of the grid along a side of a pixel of the overviews.
    describe : callable
        Such as :class:`geochange.nn.inference.describer.Describer`.

    Returns
    -------
    Displacement or None
        In pixels of the grid, to be refined and checked. None where too few places agree.
    """
    coarser = -(-max(before.shape) // LARGEST_PX)
    images = []
    for image, known in zip((before, after), valid, strict=True):
        pixels, seen = average_blocks(image[None], known, coarser)
        rows, cols = (n // WHOLE_PX * WHOLE_PX for n in seen.shape)
        pixels, seen = pixels[:, :rows, :cols], seen[:rows, :cols]
        images.append((scale_contrast(fill(pixels[0], seen), seen), seen))
    here, one = _thin_out(*_list_places(*images[0], describe))
    best: tuple[int, Displacement | None] = (0, None)
    for degrees in ANGLES:
        turned, back = _turn(*images[1], degrees)
        there, two = _list_places(*turned, describe)
        pairs = match_mutually(one, two)
        points = here[pairs[0]], back(there[pairs[1]])
        agreed, found = agree_on_affine(*points, MAX_RESIDUAL_PX, factor * coarser)
        best = max(best, (agreed, found), key=lambda pair: pair[0])
    return best[1]


def match_mutually(one: FloatArray, two: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which descriptors are each other's nearest, and clearly so.

    Parameters
    ----------
    one, two : float32 (n, features), (m, features)
        Of length 1.

    Examples
    --------
    >>> one = np.eye(3, dtype=np.float32)
    >>> [index.tolist() for index in match_mutually(one, one[[2, 0]])]
    [[0, 2], [1, 0]]
    """
    if min(len(one), len(two)) < 2:
        nothing = np.zeros(0, np.intp)
        return nothing, nothing
    like = np.full(len(two), -np.inf, np.float32)
    chosen = np.zeros(len(one), np.intp)
    first, second = np.zeros((2, len(one)), np.float32)
    for start in range(0, len(one), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        likeness = one[part] @ two.T
        np.maximum(like, likeness.max(axis=0), out=like)
        chosen[part] = likeness.argmax(axis=1)
        best = np.arange(len(likeness)), chosen[part]
        first[part] = likeness[best]
        likeness[best] = -np.inf
        second[part] = likeness.max(axis=1)
    near, next_near = (np.sqrt(np.clip(2 - 2 * x, 0, None)) for x in (first, second))
    mutual = np.flatnonzero((near < MAX_RATIO * next_near) & (first == like[chosen]))
    return mutual, chosen[mutual]


def _list_places(
    image: FloatArray, valid: BoolArray, describe: Describe
) -> tuple[Points, FloatArray]:
    """Return places (x, y) with data and their descriptors."""
    described = describe(image)
    rows, cols = np.indices(described.shape[:2])
    step = image.shape[0] // described.shape[0]
    places = step * (np.column_stack([cols.ravel(), rows.ravel()]) + 0.5)
    x, y = places.astype(int).T
    known = valid[y, x]
    return places[known], described.reshape(-1, described.shape[2])[known]


def _thin_out(places: Points, described: FloatArray) -> tuple[Points, FloatArray]:
    """Keep at most ``MOST_PLACES``, drawn at random by a fixed seed."""
    if len(places) <= MOST_PLACES:
        return places, described
    chosen = np.random.default_rng(0).choice(len(places), MOST_PLACES, replace=False)
    return places[chosen], described[chosen]


def _turn(
    image: FloatArray, valid: BoolArray, degrees: float
) -> tuple[tuple[FloatArray, BoolArray], Callable[[Points], Points]]:
    """Return a turned image with what is valid of it, and where its points (x, y) come from."""
    if not degrees:
        return (image, valid), lambda points: points
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.array([[cos, -sin], [sin, cos]])  # rows and columns
    middle = np.array(image.shape) / 2 - 0.5
    offset = middle - matrix @ middle
    turned = ndimage.affine_transform(image, matrix, offset, order=1, cval=0.5)
    known = ndimage.affine_transform(valid.astype(np.float32), matrix, offset, order=1) > 0.99

    def back(points: Points) -> Points:
        moved: Points = (points[:, ::-1] - 0.5) @ matrix.T + offset
        return moved[:, ::-1] + 0.5

    return (turned, known), back
