"""A picture of displacements measured over a grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from geochange.blocks import BoolArray
from geochange.viz.figures import NotebookFigure

MEASURED_COLOUR, FITTED_COLOUR, REJECTED_COLOUR = "#0072b2", "#d55e00", "#9a9a9a"
ARROW_SHARE = 0.045
"""Length of the arrow of a middling displacement, as a share of the longer side."""


def plot_displacements(
    points: NDArray[Any],
    measured: NDArray[Any],
    used: BoolArray,
    fitted: NDArray[Any] | None,
    shape: tuple[int, int],
    *,
    title: str = "",
) -> Figure:
    """Draw what windows measured and what was fitted to them, as enlarged arrows.

    Parameters
    ----------
    points : float (N, 2)
        Middles of the windows, columns and rows.
    measured : float (N, 2)
        Their displacements in px, columns and rows.
    used : bool (N,)
        Windows that agree; the others are drawn as crosses.
    fitted : float (N, 2) or None
        The correction at the same places; None where nothing is corrected.
    shape : tuple of int
        ``(height, width)`` of the grid in pixels.
    title : str

    Examples
    --------
    >>> points = np.array([[10.0, 10.0], [30.0, 20.0]])
    >>> figure = plot_displacements(points, points / 50, np.array([True, True]), None, (40, 60))
    >>> len(figure.axes)
    1
    """
    height, width = shape
    aspect = min(max(height / width, 0.3), 2.0)
    figure = NotebookFigure(figsize=(7, 6 * aspect + 1.1), layout="constrained")
    axis = figure.subplots()
    length = _typical(measured[used])
    arrows: dict[str, Any] = {
        "angles": "xy",
        "scale_units": "xy",
        "scale": length / (ARROW_SHARE * max(shape)),
        "width": 0.0035,
    }
    lost = points[~used]
    axis.plot(*lost.T, "x", color=REJECTED_COLOUR, ms=5, mew=1, label=f"not used ({len(lost)})")
    shown = axis.quiver(*points[used].T, *measured[used].T, color=MEASURED_COLOUR, **arrows)
    axis.quiverkey(shown, 0.82, 1.03, length, f"measured, {length:g} px", labelpos="E")
    if fitted is not None:
        drawn = axis.quiver(*points.T, *fitted.T, color=FITTED_COLOUR, alpha=0.7, **arrows)
        axis.quiverkey(drawn, 0.82, 1.08, length, f"corrected, {length:g} px", labelpos="E")
    axis.set(xlim=(0, width), ylim=(height, 0), xlabel="column", ylabel="row", aspect="equal")
    axis.tick_params(labelsize=8)
    if len(lost):
        axis.legend(loc="upper left", bbox_to_anchor=(0, 1.1), frameon=False, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _typical(vectors: NDArray[Any]) -> float:
    """Return the median length, rounded to 1, 2 or 5 times a power of ten."""
    middle = float(np.median(np.hypot(*vectors.T))) if len(vectors) else 1.0
    if middle <= 1e-3:
        return 1e-2
    power = 10.0 ** math.floor(math.log10(middle))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= middle * 0.999)
