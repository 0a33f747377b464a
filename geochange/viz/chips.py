"""The figure of a few training chips: both dates and the label over the after date."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray
from geochange.viz.figures import NotebookFigure
from geochange.viz.pictures import blend, render_mask, render_rgb, stretch_limits

Chip = tuple[FloatArray, FloatArray, NDArray[np.uint8], BoolArray]
"""Before and after, float32 (3 or 1, H, W), label 0, 1 or 255 and validity, (H, W)."""


def plot_chips(chips: Sequence[Chip]) -> Figure:
    """Draw chips side by side, one column each, and return the figure.

    All share one contrast, so that what brightness and contrast were changed by is seen.

    Examples
    --------
    >>> flat, label = np.zeros((1, 8, 8), np.float32), np.zeros((8, 8), np.uint8)
    >>> figure = plot_chips([(flat, flat + 1, label, label == 0)] * 3)
    >>> len(figure.axes)
    9
    """
    dates = [date for before, after, _, _ in chips for date in (before, after)]
    limits = stretch_limits(dates, [valid for *_, valid in chips for _ in range(2)])
    figure = NotebookFigure(figsize=(1.5 * len(chips), 4.8), layout="constrained")
    axes = figure.subplots(3, len(chips), squeeze=False)
    for column, (before, after, label, valid) in zip(axes.T, chips, strict=True):
        shown = render_rgb(after, valid, limits)
        labelled = blend(shown, render_mask(label), 0.6)
        for axis, picture in zip(
            column, (render_rgb(before, valid, limits), shown, labelled), strict=True
        ):
            axis.imshow(picture, interpolation="nearest")
            axis.set_facecolor("#d9d9d9")
            axis.set_xticks([])
            axis.set_yticks([])
    for axis, name in zip(axes[:, 0], ("before", "after", "label"), strict=True):
        axis.set_ylabel(name, fontsize=9)
    return figure
