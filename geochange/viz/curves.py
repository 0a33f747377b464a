"""The figure of a training run: loss and accuracy over steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from geochange.viz.figures import NotebookFigure

COLOURS = {
    "train_loss": ("training loss", "#6b7f95"),
    "unlabelled_loss": ("loss of chips without labels", "#cc79a7"),
    "val_loss": ("validation log loss", "#d55e00"),
    "val_f1": ("validation F1", "#009e73"),
    "confident_share": ("share the teacher is sure of", "#e69f00"),
    "val_ap": ("validation average precision", "#0072b2"),
}
"""Figures that are drawn, their names in the legend, and colours of any colour vision."""


def plot_learning_curve(rows: Sequence[Mapping[str, float]]) -> Figure:
    """Draw losses above and accuracies below, over training steps; returns the figure.

    Parameters
    ----------
    rows : sequence of mapping
        Each has ``step`` and some of ``train_loss``, ``val_loss``, ``val_f1``, ``val_ap``.

    Examples
    --------
    >>> figure = plot_learning_curve([{"step": 1, "train_loss": 0.7}, {"step": 2, "val_f1": 0.5}])
    >>> [axis.get_ylabel() for axis in figure.axes]
    ['loss', 'accuracy']
    """
    figure = NotebookFigure(figsize=(7, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _draw(above, rows, ("train_loss", "unlabelled_loss", "val_loss"))
    _draw(below, rows, ("confident_share", "val_f1", "val_ap"))
    above.set_ylabel("loss")
    below.set_ylabel("accuracy")
    below.set_ylim(0, 1)
    below.set_xlabel("training step")
    best = max((row for row in rows if "val_f1" in row), key=lambda r: r["val_f1"], default=None)
    if best is not None:
        below.set_title(f"best F1 {best['val_f1']:.3f} at step {best['step']:.0f}", fontsize=10)
        below.axvline(best["step"], color="#009e73", linewidth=0.8, linestyle=":")
    return figure


def _draw(axis: Axes, rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> None:
    for name in names:
        points = [(row["step"], row[name]) for row in rows if name in row]
        if points:
            label, colour = COLOURS[name]
            few = "o" if len(points) < 40 else ""
            axis.plot(*zip(*points, strict=True), few + "-", ms=3, color=colour, label=label)
    axis.grid(alpha=0.3)
    if axis.lines:
        axis.legend(loc="best", fontsize=8, frameon=False)
