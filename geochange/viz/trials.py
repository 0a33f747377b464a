"""The figure of a tuning: accuracy of each trial, and against each setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from geochange.viz.figures import NotebookFigure

COMPLETE, PRUNED, BEST = "#0072b2", "#9aa7b4", "#d55e00"
MOST_PANELS, PANELS_A_ROW = 12, 3


def plot_trials(
    trials: Sequence[Mapping[str, Any]], settings: Sequence[tuple[str, bool]]
) -> Figure:
    """Draw F1 over the number of the trial, then over each setting; returns the figure.

    Parameters
    ----------
    trials : sequence of mapping
        Each has ``number``, ``state`` (``complete`` or ``pruned``), ``f1`` and the settings.
    settings : sequence of (str, bool)
        Name, and whether its axis is logarithmic; at most 12 are drawn.

    Examples
    --------
    >>> trials = [{"number": 0, "state": "complete", "f1": 0.5, "steps": 100}]
    >>> [axis.get_xlabel() for axis in plot_trials(trials, [("steps", False)]).axes]
    ['trial', 'steps']
    """
    drawn = list(settings)[:MOST_PANELS]
    rows = 1 + -(-len(drawn) // PANELS_A_ROW)
    across = min(PANELS_A_ROW, len(drawn))
    figure = NotebookFigure(figsize=(3.2 * max(2, across), 2.6 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, across)
    _draw_progress(figure.add_subplot(grid[0, :]), trials)
    for index, (name, log) in enumerate(drawn):
        axis = figure.add_subplot(grid[1 + index // PANELS_A_ROW, index % PANELS_A_ROW])
        _draw_setting(axis, trials, name, log=log)
    return figure


def _draw_progress(axis: Axes, trials: Sequence[Mapping[str, Any]]) -> None:
    complete = [t for t in trials if t["state"] == "complete"]
    _scatter(axis, trials, [t["number"] for t in trials])
    if complete:
        highest = np.maximum.accumulate([t["f1"] for t in complete])
        numbers = [*(t["number"] for t in complete), trials[-1]["number"]]
        axis.step(
            numbers,
            [*highest, highest[-1]],
            where="post",
            color=BEST,
            linewidth=1,
            label="best so far",
        )
        best = max(complete, key=lambda t: t["f1"])
        axis.set_title(f"best F1 {best['f1']:.3f} in trial {best['number']}", fontsize=10)
    axis.set_xlabel("trial")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(loc="best", fontsize=8, frameon=False)


def _draw_setting(axis: Axes, trials: Sequence[Mapping[str, Any]], name: str, *, log: bool) -> None:
    given = [t for t in trials if name in t]
    values = [t[name] for t in given]
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        _scatter(axis, given, values)
        if log:
            axis.set_xscale("log")
    else:
        labels = sorted({str(value) for value in values})
        _scatter(axis, given, [labels.index(str(value)) for value in values])
        axis.set_xticks(range(len(labels)), labels, fontsize=7)
        axis.set_xlim(-0.5, len(labels) - 0.5)
    axis.set_xlabel(name, fontsize=8)


def _scatter(axis: Axes, trials: Sequence[Mapping[str, Any]], places: Sequence[float]) -> None:
    for state, colour, mark in (("pruned", PRUNED, "x"), ("complete", COMPLETE, "o")):
        points = [(p, t["f1"]) for p, t in zip(places, trials, strict=True) if t["state"] == state]
        if points:
            across, up = zip(*points, strict=True)
            axis.scatter(across, up, s=18, c=colour, marker=mark, label=state)
    axis.set_ylabel("validation F1", fontsize=8)
    axis.grid(alpha=0.3)
