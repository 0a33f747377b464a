"""Outlines of changes that move to where the images part: active contours."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import morphological_chan_vese

from geochange.blocks import BoolArray, FloatArray


def evolve_outline(
    change: BoolArray,
    difference: FloatArray,
    valid: BoolArray,
    *,
    reach_px: int,
    smoothing: int = 1,
) -> BoolArray:
    """Move the outline of a change so that inside and outside differ most.

    Parameters
    ----------
    change : bool (H, W)
        One change in a window that shows what is around it.
    difference : float32 (H, W)
        How much the dates differ.
    valid : bool (H, W)
    reach_px : int
        The outline moves no farther than this.
    smoothing : int
        Rounds of smoothing a step.

    Returns
    -------
    bool (H, W)
        The change itself where nothing would be left of it.

    References
    ----------
    Chan, T. and Vese, L. (2001). Active contours without edges. IEEE TIP 10(2), 266-277;
    Marquez-Neila, P., Baumela, L. and Alvarez, L. (2014). A morphological approach to
    curvature-based evolution of curves and surfaces. IEEE TPAMI 36(1), 2-17.

    Examples
    --------
    >>> truth = np.zeros((30, 30), bool)
    >>> truth[8:20, 9:21] = True
    >>> rough = np.roll(truth, 2, axis=0)
    >>> fine = evolve_outline(rough, truth.astype(np.float32), np.ones_like(truth), reach_px=4)
    >>> int((fine ^ truth).sum()) < int((rough ^ truth).sum()) / 3
    True
    """
    if not change.any() or change.all():
        return change
    steps = morphological_chan_vese(  # type: ignore[no-untyped-call]
        np.where(valid, difference, 0.0),
        2 * reach_px,
        init_level_set=change,
        smoothing=smoothing,
    ).astype(np.bool_)
    outer = distance_transform_edt(~change) <= reach_px
    inner = distance_transform_edt(np.pad(change, 1))[1:-1, 1:-1] > reach_px
    moved: BoolArray = ((steps & outer) | inner) & valid
    return moved if moved.any() else change
