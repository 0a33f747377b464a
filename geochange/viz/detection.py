"""A picture of how small and faint a change is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from geochange.viz.figures import NotebookFigure

COLOURS = LinearSegmentedColormap.from_list(
    "found", ["#f4f1ea", "#cfe0ec", "#7fb2d6", "#2f7ab3", "#0b3c66"]
)
UNKNOWN_COLOUR, SURE_COLOUR = "#d9d9d9", "#d55e00"
SURE = 0.9
DARK = 0.55
"""From this probability on, numbers are written in white."""


@dataclass(frozen=True)
class Panel:
    """One table of probabilities.

    Attributes
    ----------
    title, subtitle : str
    shares : float64 (sizes, contrasts)
        Probability of detection; NaN where nothing was tried.
    """

    title: str
    subtitle: str
    shares: NDArray[np.float64]


def plot_detection(
    panels: Sequence[Panel],
    sizes_px: Sequence[float],
    contrasts: Sequence[float],
    *,
    across: int = 2,
) -> NotebookFigure:
    """Draw a map of probabilities for each panel, sizes up and contrasts to the right.

    Numbers are percent; the line runs around what is found with 90 %.

    Examples
    --------
    >>> panel = Panel("all", "spectral", np.array([[0.0, 0.5], [0.5, 1.0]]))
    >>> figure = plot_detection([panel], (1, 3), (2, 4), across=1)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['0', '50', '50', '100']
    """
    down = -(-len(panels) // across)
    size = (0.5 * len(contrasts) + 1.4) * across + 0.9, (0.34 * len(sizes_px) + 1.3) * down
    figure = NotebookFigure(figsize=size, layout="constrained")
    axes = figure.subplots(down, across, squeeze=False)
    for axis, panel in zip(axes.flat, panels, strict=False):
        image = _draw_map(axis, panel.shares)
        axis.set_xticks(range(len(contrasts)), [f"{c:g}" for c in contrasts])
        axis.set_yticks(range(len(sizes_px)), [f"{s:g}" for s in sizes_px])
        axis.set_title(f"{panel.subtitle}\n{panel.title}", fontsize=9, loc="left")
    for axis in axes[-1]:
        axis.set_xlabel("contrast, noise sigmas")
    for axis in axes[:, 0]:
        axis.set_ylabel("size, px")
    bar = figure.colorbar(image, ax=axes.ravel().tolist(), shrink=0.6, aspect=30)
    bar.set_label("probability of detection")
    bar.outline.set_visible(False)
    return figure


def _draw_map(axis: Axes, shares: NDArray[np.float64]) -> AxesImage:
    """Draw cells with their percent, and a line around those that are sure."""
    axis.set_facecolor(UNKNOWN_COLOUR)
    image = axis.imshow(shares, cmap=COLOURS, vmin=0, vmax=1, origin="lower", aspect="auto")
    for (row, col), share in np.ndenumerate(shares):
        if np.isfinite(share):
            colour = "white" if share > DARK else "#26323d"
            text = f"{100 * share:.0f}"
            axis.text(col, row, text, ha="center", va="center", fontsize=7, color=colour)
    _draw_border(axis, np.nan_to_num(shares) >= SURE)
    axis.tick_params(length=0, labelsize=8)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return image


def _draw_border(axis: Axes, sure: NDArray[np.bool_]) -> None:
    """Draw the edges between cells that are sure and cells that are not."""
    for row, col in np.argwhere(sure[1:] != sure[:-1]):
        axis.plot([col - 0.5, col + 0.5], [row + 0.5] * 2, color=SURE_COLOUR, lw=2)
    for row, col in np.argwhere(sure[:, 1:] != sure[:, :-1]):
        axis.plot([col + 0.5] * 2, [row - 0.5, row + 0.5], color=SURE_COLOUR, lw=2)
