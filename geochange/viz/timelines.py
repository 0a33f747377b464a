"""Time as colours, and values along it as lines, as SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

VIRIDIS = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725")
"""Early to late; equal steps look equal, with any colour vision."""
BAND_COLOURS = ("#0072b2", "#009e73", "#d55e00", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito 2008."""
PLOT = (420, 150)
YEAR_STEPS = (1, 2, 5, 10, 20, 50, 100, 10_000)
"""Years between the marks of a plot."""
MARGIN = (46, 10, 8, 22)
"""Left, right, top and bottom of a plot in pixels."""


def time_colours(days: Sequence[date]) -> dict[str, str]:
    """Return a colour for each day, early dark, late bright, by their order.

    Examples
    --------
    >>> time_colours([date(1990, 1, 1), date(2000, 1, 1)])
    {'1990-01-01': '#440154', '2000-01-01': '#fde725'}
    """
    stops = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in VIRIDIS], float)
    places = np.linspace(0, 1, len(stops))
    colours = {}
    for position, day in enumerate(days):
        share = position / max(1, len(days) - 1)
        rgb = [round(float(np.interp(share, places, stops[:, k]))) for k in range(3)]
        colours[day.isoformat()] = "#{:02x}{:02x}{:02x}".format(*rgb)
    return colours


def plot_lines(
    days: Sequence[date],
    values: NDArray[Any],
    names: Sequence[str],
    interval: tuple[date | None, date | None],
) -> str:
    """Draw values along time as an SVG: a line a band, dots where they are known, the change.

    Parameters
    ----------
    days : sequence of date
    values : float (T, C)
        NaN where nothing is known.
    names : sequence of str
        Of the bands.
    interval : tuple of date
        Between them lies the change.

    Examples
    --------
    >>> days = [date(2000, 1, 1), date(2010, 1, 1), date(2020, 1, 1)]
    >>> svg = plot_lines(days, np.array([[1.0], [1.0], [5.0]]), ["red"], (days[1], days[2]))
    >>> svg.startswith("<svg"), svg.count("<circle")
    (True, 3)
    """
    width, height = PLOT
    left, right, top, bottom = MARGIN
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    pad = 0.06 * (high - low) or 1.0
    low, high = low - pad, high + pad
    whole = max(1, (days[-1] - days[0]).days)

    def across(day: date) -> float:
        return left + (width - left - right) * (day - days[0]).days / whole

    def down(value: float) -> float:
        return top + (height - top - bottom) * (high - value) / (high - low)

    parts = [
        f'<svg class="series" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="Values along time">'
    ]
    start, end = interval
    if end is not None:
        x0, x1 = across(start or end), across(end)
        parts.append(
            f'<rect x="{x0:.1f}" y="{top}" width="{max(x1 - x0, 1.5):.1f}" '
            f'height="{height - top - bottom}" fill="#e41a1c" opacity="0.16"/>'
            f'<line x1="{x1:.1f}" x2="{x1:.1f}" y1="{top}" y2="{height - bottom}" '
            'stroke="#e41a1c" stroke-width="1.2"/>'
        )
    parts += _axes(days, low, high, across, down)
    for band, name in enumerate(names):
        colour = BAND_COLOURS[band % len(BAND_COLOURS)]
        points = [
            (across(day), down(float(value)))
            for day, value in zip(days, values[:, band], strict=True)
            if np.isfinite(value)
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"><title>'
            f"{html.escape(name)}</title></circle>"
            for x, y in points
        ]
    return "".join([*parts, "</svg>"])


def _axes(days: Sequence[date], low: float, high: float, across: Any, down: Any) -> list[str]:
    width, height = PLOT
    left, right, _, bottom = MARGIN
    style = 'font-size="10" fill="#555"'
    parts = []
    for value in _ticks(low, high):
        y = down(value)
        parts.append(
            f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{left - 4}" y="{y + 3:.1f}" text-anchor="end" {style}>{value:g}</text>'
        )
    years = range(days[0].year, days[-1].year + 2)
    step = next(step for step in YEAR_STEPS if len(years) <= 9 * step)
    marks = [date(year, 1, 1) for year in years if year % step == 0]
    inside = [mark for mark in marks if days[0] <= mark <= days[-1]] or [days[0], days[-1]]
    text = (lambda d: str(d.year)) if len(inside) > 2 else (lambda d: d.isoformat())
    parts += [
        f'<text x="{across(mark):.1f}" y="{height - bottom + 14}" '
        f'text-anchor="middle" {style}>{text(mark)}</text>'
        for mark in inside
    ]
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers in a range.

    Examples
    --------
    >>> _ticks(0.0, 1000.0)
    [200.0, 400.0, 600.0, 800.0]
    """
    raw = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(power * k for k in (1, 2, 2.5, 5, 10) if power * k >= raw * 0.8)
    first = np.floor(low / step) + 1
    return [round(float(k * step), 10) for k in np.arange(first, high / step)]
