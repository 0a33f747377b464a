"""The figure of an explanation: both dates, the score, what speaks for change, bands as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from geochange.blocks import FloatArray
from geochange.viz.figures import NotebookFigure

SIGNED, POSITIVE = "RdBu_r", "Reds"
STRONGEST_PERCENTILE = 99.5
BAR_COLOURS = {"before": "#0072b2", "after": "#d55e00"}
"""Two that any colour vision tells apart (Okabe and Ito 2008)."""
MOST_ROWS = 30
SMOOTHING_PX = 1.0
"""Of the maps in the picture; the files hold them as they are."""


def plot_explanation(
    pictures: Sequence[tuple[str, NDArray[np.uint8]]],
    maps: Mapping[str, FloatArray],
    importances: Sequence[tuple[str, str, float]],
    *,
    method: str,
) -> Figure:
    """Draw an explanation and return the figure.

    Parameters
    ----------
    pictures : sequence of (title, uint8 (H, W, 4))
        Before, after and score.
    maps : mapping of str to float32 (H, W)
        Attributions by ``before``, ``after`` or ``both``; NaN where invalid.
    importances : sequence of (date, band, importance)
    method : str
        What the maps were made by, for their titles.

    Examples
    --------
    >>> picture, flat = np.zeros((4, 5, 4), np.uint8), np.zeros((4, 5), np.float32)
    >>> titles = [(name, picture) for name in ("before", "after", "score")]
    >>> figure = plot_explanation(titles, {"both": flat}, [("after", "red", 0.1)], method="demo")
    >>> figure.axes[-1].get_xlabel()
    'loss of the mean score without the band'
    """
    aspect = pictures[0][1].shape[0] / pictures[0][1].shape[1]
    panel = float(np.clip(3.4 * aspect, 1.6, 6.8))
    rows = min(len({band for _, band, _ in importances}), MOST_ROWS)
    lower = max(panel, 0.22 * rows + 0.8)
    figure = NotebookFigure(figsize=(11.4, panel + lower + 0.9), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=[panel, lower])
    for column, (title, picture) in enumerate(pictures):
        axis = figure.add_subplot(grid[0, column])
        axis.imshow(picture, interpolation="nearest")
        _finish(axis, title)
    grey = _to_grey(pictures[1][1])
    signed = any((np.nan_to_num(values) < 0).any() for values in maps.values())
    limit = _find_limit(maps)
    axes = []
    for column, (date, values) in enumerate(maps.items()):
        axis = figure.add_subplot(grid[1, column])
        _overlay(
            axis, _to_grey(pictures[0][1]) if date == "before" else grey, values, limit, signed
        )
        name = "both dates" if date == "both" else f"pixels of {date}"
        _finish(axis, f"{name} ({method})")
        axes.append(axis)
    scale = Normalize(-limit if signed else 0, limit)
    bar = figure.colorbar(
        ScalarMappable(scale, SIGNED if signed else POSITIVE),
        ax=axes,
        shrink=0.8,
        pad=0.02,
        aspect=30,
    )
    bar.ax.ticklabel_format(axis="y", scilimits=(-2, 2))
    bar.set_label("speaks for change" + (" (below 0: against)" if signed else ""), fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.ax.yaxis.offsetText.set_fontsize(7)
    _draw_bars(figure.add_subplot(grid[1, len(maps) :]), importances)
    return figure


def _overlay(
    axis: Axes, grey: NDArray[np.uint8], values: FloatArray, limit: float, signed: bool
) -> None:
    """Lay attributions over a grey image: the stronger, the less of it shows through."""
    axis.imshow(grey, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    known = _smooth(values)
    strength = np.clip(np.abs(known) / limit, 0, 1) ** 0.7
    low = -limit if signed else 0.0
    axis.imshow(
        known,
        cmap=SIGNED if signed else POSITIVE,
        vmin=low,
        vmax=limit,
        alpha=strength,
        interpolation="nearest",
    )


def _smooth(values: FloatArray) -> FloatArray:
    """Average over neighbours: networks with strides look at every other pixel more than at its."""
    smoothed: FloatArray = gaussian_filter(np.nan_to_num(values), SMOOTHING_PX)
    return smoothed


def _to_grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a pale grey version, uint8 (H, W), on which both ends of a colour scale show.

    Where the picture is transparent, nothing is known and one light grey says so.
    """
    mean = picture[..., :3].mean(axis=-1)
    grey: NDArray[np.uint8] = np.where(picture[..., 3] > 0, 110 + 0.5 * mean, 235).astype(np.uint8)
    return grey


def _find_limit(maps: Mapping[str, FloatArray]) -> float:
    values = np.concatenate([np.abs(_smooth(m)).ravel() for m in maps.values()])
    strong = values[values > 0]
    return float(np.percentile(strong, STRONGEST_PERCENTILE)) if strong.size else 1.0


def _finish(axis: Axes, title: str) -> None:
    axis.set_title(title, fontsize=10)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_facecolor("#d9d9d9")


def _draw_bars(axis: Axes, importances: Sequence[tuple[str, str, float]]) -> None:
    """Draw one group a band, a bar for each date; the weakest of many are left out."""
    names = list(dict.fromkeys(band for _, band, _ in importances))
    strength = {n: max(abs(v) for _, band, v in importances if band == n) for n in names}
    kept = sorted(names, key=lambda n: -strength[n])[:MOST_ROWS]
    names = [name for name in names if name in kept]
    for place, (date, colour) in enumerate(BAR_COLOURS.items()):
        found = {band: value for when, band, value in importances if when == date}
        ys = [i + 0.38 * (place - 0.5) for i, n in enumerate(names) if n in found]
        axis.barh(ys, [found[n] for n in names if n in found], 0.36, color=colour, label=date)
    axis.axvline(0, color="#444444", linewidth=0.8)
    axis.set_yticks(range(len(names)), [_label(name) for name in names], fontsize=8)
    axis.invert_yaxis()
    axis.tick_params(axis="x", labelsize=8)
    axis.set_xlabel("loss of the mean score without the band", fontsize=9)
    axis.set_axisbelow(True)
    axis.grid(axis="x", alpha=0.3)
    axis.legend(fontsize=8, frameon=False, title="band of", title_fontsize=8, loc="best")


def _label(band: str) -> str:
    return "all bands" if band == "all" else band
