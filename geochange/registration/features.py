"""A first affine between two overviews by matching features: for rotation and scale.

Features are looked for in the images, then in their gradients, in which inverted contrast and
other bands look alike. What they find beside other features: ``tests/benchmarks/turned.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import SIFT, match_descriptors

from geochange.blocks import BoolArray, FloatArray
from geochange.io.grids.displacement import Displacement

MIN_MATCHES = 12
MAX_RATIO = 0.8
"""Largest distance of a match over that of the next best (Lowe 2004)."""
TRIALS, TRIALS_AT_ONCE = 2000, 50
LEAST_AREA_PX = 1.0
"""Twice the area between three matches from which an affine can be told."""
GRADIENT_PX = 1.0
"""Smoothing of the gradients that are looked at where the images themselves do not match."""
BORDER_PX = 8
"""Features that are nearer than this to pixels without data show the border."""
MAX_RESIDUAL_PX = 2.0
MAX_SQUEEZE = 1.3
"""Scale along one axis over that along the other."""


def match_features(
    before: FloatArray, after: FloatArray, valid: tuple[BoolArray, BoolArray], factor: float = 1.0
) -> Displacement | None:
    """Find rotation, scale and shift between two overviews of the same grid.

    Parameters
    ----------
    before, after : float32 (H, W)
    valid : tuple of bool (H, W)
        Where each has data; features near other pixels are left out.
    factor : float
        Pixels of the grid along a side of a pixel of the overviews.

    Returns
    -------
    Displacement or None
        In pixels of the grid. None where too few features agree.

    References
    ----------
    Lowe (2004), SIFT; Fischler and Bolles (1981), RANSAC.
    """
    for show in (fill, _find_edges):
        views = show(before, valid[0]), show(after, valid[1])
        found = _match(views, valid, factor)
        if found is not None:
            return found
    return None


def _match(
    images: tuple[FloatArray, FloatArray], valid: tuple[BoolArray, BoolArray], factor: float
) -> Displacement | None:
    found = [_describe(image, known) for image, known in zip(images, valid, strict=True)]
    if min(len(places) for places, _ in found) < MIN_MATCHES:
        return None
    pairs = match_descriptors(  # type: ignore[no-untyped-call]
        found[0][1], found[1][1], max_ratio=MAX_RATIO, cross_check=True
    )
    if len(pairs) < MIN_MATCHES:
        return None
    here, there = found[0][0][pairs[:, 0]], found[1][0][pairs[:, 1]]
    return agree_on_affine(here, there, MAX_RESIDUAL_PX, factor)[1]


def agree_on_affine(
    here: NDArray[np.float64], there: NDArray[np.float64], tolerance: float, factor: float
) -> tuple[int, Displacement | None]:
    """Return how many matches agree on an affine, and that affine; None for too few.

    Parameters
    ----------
    here, there : float64 (N, 2)
        Points (x, y) of both overviews.
    tolerance : float
        Distance up to which a match agrees, in pixels of the overviews.
    factor : float
        Pixels of the grid along a side of one of these.
    """
    if len(here) < MIN_MATCHES:
        return 0, None
    known = np.column_stack([here, np.ones(len(here))])
    picks = np.random.default_rng(0).integers(len(here), size=(TRIALS, 3))
    picks = picks[np.abs(np.linalg.det(known[picks])) > LEAST_AREA_PX]
    best = np.zeros(len(here), bool)
    for part in np.array_split(picks, TRIALS // TRIALS_AT_ONCE):
        models = np.linalg.solve(known[part], there[part])
        apart = np.square(known @ models - there).sum(axis=2)
        agree = apart < tolerance**2
        counts = agree.sum(axis=1)
        if counts.max(initial=0) > best.sum():
            best = agree[counts.argmax()]
    if best.sum() < MIN_MATCHES:
        return 0, None
    model = np.linalg.lstsq(known[best], there[best], rcond=None)[0].T.astype(np.float64)
    if not _is_plausible(model[:, :2]):
        return 0, None
    a, b, c, d, e, f = (float(v) for v in model.ravel())
    return int(best.sum()), Displacement((a, b, c * factor, d, e, f * factor))


def _describe(
    image: FloatArray, valid: BoolArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places (x, y) from the upper left corner and descriptors of features."""
    scaled = scale_contrast(image, valid)
    detector: Any = SIFT(upsampling=1)  # type: ignore[no-untyped-call]
    try:
        detector.detect_and_extract(scaled.astype(np.float64))
    except RuntimeError:  # how scikit-image says that there is none
        return np.zeros((0, 2)), np.zeros((0, 128))
    last = np.array(valid.shape)[:, None] - 1
    rows, cols = np.clip(np.rint(detector.positions).astype(int).T, 0, last)
    inside = ndimage.binary_erosion(valid, iterations=BORDER_PX, border_value=1)[rows, cols]
    places = detector.positions[inside, ::-1] + 0.5
    return places, np.asarray(detector.descriptors[inside], np.float64)


def scale_contrast(image: FloatArray, valid: BoolArray) -> FloatArray:
    """Bring the middle 98 % of the values to 0 to 1; 0.5 where there is no data."""
    low, high = np.percentile(image[valid], (1, 99)) if valid.any() else (0.0, 1.0)
    scaled = np.clip((image - low) / max(float(high - low), 1e-12), 0, 1)
    return np.where(valid, scaled, 0.5).astype(np.float32)


def fill(image: FloatArray, valid: BoolArray) -> FloatArray:
    """Put the mean where there is no data."""
    if valid.all() or not valid.any():
        return image
    return np.where(valid, image, image[valid].mean())


def _find_edges(image: FloatArray, valid: BoolArray) -> FloatArray:
    edges: FloatArray = ndimage.gaussian_gradient_magnitude(fill(image, valid), GRADIENT_PX)
    return edges


def _is_plausible(turn: NDArray[np.float64]) -> bool:
    """Tell whether two images of one place can lie so: not mirrored, hardly squeezed."""
    long, short = np.linalg.svd(turn, compute_uv=False)
    sized = 0.5 < short <= long < 2 and long < MAX_SQUEEZE * short
    return bool(sized and np.linalg.det(turn) > 0)
