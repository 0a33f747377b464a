"""A first affine between two overviews by matching features: for rotation and scale.

Features are looked for in the images, then in their gradients, in which inverted contrast and
other bands look alike. Descriptors of the networks that come with geochange, and binary ones
(ORB), were tried too and found no more pairs, see ``tests/benchmarks/turned.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import SIFT, match_descriptors
from skimage.measure import ransac
from skimage.transform import AffineTransform

from geochange.blocks import BoolArray, FloatArray
from geochange.io.displacement import Displacement

MIN_MATCHES = 12
MAX_RATIO = 0.8
"""Largest distance of a match over that of the next best (Lowe 2004)."""
TRIALS = 2000
GRADIENT_PX = 1.0
"""Smoothing of the gradients that are looked at where the images themselves do not match."""
BORDER_PX = 8
"""Features that are nearer than this to pixels without data show the border."""
MAX_RESIDUAL_PX = 2.0


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
    for show in (_fill, _find_edges):
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
    model, inliers = ransac(  # type: ignore[no-untyped-call]
        (here, there),
        AffineTransform,
        min_samples=3,
        residual_threshold=MAX_RESIDUAL_PX,
        max_trials=TRIALS,
        rng=0,
    )
    if not model or inliers is None or inliers.sum() < MIN_MATCHES or not _is_plausible(model):
        return None
    a, b, c, d, e, f = (float(v) for v in model.params[:2].ravel())
    return Displacement((a, b, c * factor, d, e, f * factor))


def _describe(
    image: FloatArray, valid: BoolArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places (x, y) from the upper left corner and descriptors of features."""
    low, high = np.percentile(image[valid], (1, 99)) if valid.any() else (0.0, 1.0)
    scaled = np.clip((image - low) / max(float(high - low), 1e-12), 0, 1)
    scaled = np.where(valid, scaled, 0.5)
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


def _fill(image: FloatArray, valid: BoolArray) -> FloatArray:
    """Put the mean where there is no data."""
    if valid.all() or not valid.any():
        return image
    return np.where(valid, image, image[valid].mean())


def _find_edges(image: FloatArray, valid: BoolArray) -> FloatArray:
    edges: FloatArray = ndimage.gaussian_gradient_magnitude(_fill(image, valid), GRADIENT_PX)
    return edges


def _is_plausible(model: AffineTransform) -> bool:
    """Tell whether two images of one place can lie so: not mirrored, not squeezed to nothing."""
    stretch = np.linalg.svd(model.params[:2, :2], compute_uv=False)
    return bool(np.linalg.det(model.params[:2, :2]) > 0 and stretch[1] > 0.5 and stretch[0] < 2)
