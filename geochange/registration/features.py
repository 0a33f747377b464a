"""A first affine between two overviews by matching features: for rotation and scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.feature import SIFT, match_descriptors
from skimage.measure import ransac
from skimage.transform import AffineTransform

from geochange.blocks import BoolArray, FloatArray
from geochange.io.displacement import Displacement

MIN_MATCHES = 12
MAX_RATIO = 0.8
"""Largest distance of a match over that of the next best (Lowe 2004)."""
TRIALS = 2000
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
    found = [_describe(image, known) for image, known in zip((before, after), valid, strict=True)]
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
    places = detector.positions[:, ::-1] + 0.5
    return places, np.asarray(detector.descriptors, np.float64)


def _is_plausible(model: AffineTransform) -> bool:
    """Tell whether two images of one place can lie so: not mirrored, not squeezed to nothing."""
    stretch = np.linalg.svd(model.params[:2, :2], compute_uv=False)
    return bool(np.linalg.det(model.params[:2, :2]) > 0 and stretch[1] > 0.5 and stretch[0] < 2)
