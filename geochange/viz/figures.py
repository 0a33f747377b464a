"""Figures with axes and legends."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from geochange.viz.pictures import CONFUSION_CLASSES, render_errors, shrink_png

DPI = 110


class NotebookFigure(Figure):
    """A figure that a notebook shows without any backend being chosen."""

    def _repr_png_(self) -> bytes:
        """Return a PNG of 256 colours: notebooks are kept in version control."""
        return shrink_png(figure_png(self))


def plot_errors(codes: NDArray[np.uint8], axis: Axes | None = None) -> Axes:
    """Draw a confusion map with a legend that counts its pixels; returns the axes.

    Parameters
    ----------
    codes : uint8 (H, W)
        See :data:`CONFUSION_CLASSES`.
    """
    if axis is None:
        aspect = codes.shape[0] / codes.shape[1]
        axis = NotebookFigure(figsize=(7, 5 * aspect + 0.6), layout="constrained").subplots()
    axis.imshow(render_errors(codes), interpolation="nearest")
    axis.set_axis_off()
    handles = [
        Patch(
            color="#{:02x}{:02x}{:02x}".format(*colour),
            label=f"{name}: {(codes == code).sum():,} px",
        )
        for code, (name, colour) in reversed(CONFUSION_CLASSES.items())
    ]
    axis.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return axis


def plot_panels(
    panels: Sequence[tuple[str, NDArray[np.uint8]]],
    extent: tuple[float, float, float, float],
    axis_labels: tuple[str, str],
    *,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw pictures side by side on one extent and return the matplotlib figure.

    Parameters
    ----------
    panels : sequence of (title, uint8 (H, W, 4))
    extent : left, right, bottom, top in axis units
    axis_labels : x, y
    """
    across = min(len(panels), 4)
    down = math.ceil(len(panels) / across)
    aspect = panels[0][1].shape[0] / panels[0][1].shape[1]
    size = figsize or (3.6 * across, max(2.2, 3.4 * aspect) * down + 0.7)
    figure = NotebookFigure(figsize=size, layout="constrained")
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for axis, (title, picture) in zip(axes.flat, panels, strict=False):
        axis.imshow(picture, extent=extent, interpolation="nearest", aspect="auto")
        axis.set_title(title, fontsize=10)
        axis.tick_params(labelsize=7)
        axis.ticklabel_format(useOffset=False, style="plain")
        axis.set_facecolor("#d9d9d9")
        axis.set_box_aspect(aspect)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel(axis_labels[0], fontsize=8)
        axis.tick_params(axis="x", rotation=30)
    axes[0][0].set_ylabel(axis_labels[1], fontsize=8)
    return figure


def plot_score_histogram(
    counts: NDArray[np.int64], threshold: float | None, axis: Axes | None = None
) -> Axes:
    """Draw the histogram of scores (log counts) with a line at the threshold; returns the axes.

    Parameters
    ----------
    counts : int64 (bins,)
        Pixels per equal bin over [0, 1].
    """
    if axis is None:
        axis = NotebookFigure(figsize=(6, 2.6), layout="constrained").subplots()
    axis.stairs(counts, np.linspace(0, 1, len(counts) + 1), fill=True, color="#6b7f95")
    axis.set_yscale("symlog", linthresh=1)
    axis.set_ylim(0)
    axis.set_xlim(0, 1)
    axis.set_xlabel("change score")
    axis.set_ylabel("pixels")
    if threshold is not None:
        axis.axvline(threshold, color="#e41a1c")
        axis.text(
            threshold,
            0.97,
            f" {threshold:.3f}",
            transform=axis.get_xaxis_transform(),
            va="top",
            color="#e41a1c",
            fontsize=9,
        )
    return axis


def figure_png(figure: Figure, dpi: int = DPI) -> bytes:
    """Render a matplotlib figure as PNG."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
