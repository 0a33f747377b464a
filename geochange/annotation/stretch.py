"""How bright the bands of both dates are, so that one stretch serves both."""

from __future__ import annotations

from typing import Any

import numpy as np

from geochange.alignment.pair import Pair
from geochange.tiles import Window
from geochange.viz.pictures import SAME_UNITS_SHARE

PERCENTILES = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 25.0, 50.0, 75.0, 95.0, 98.0, 99.0, 99.5, 99.9, 100.0)
WINDOW_PX = 128
SIDE = 5
"""Windows along each side of the grid that are looked at."""


def measure_stretch(pair: Pair) -> dict[str, Any]:
    """Return percentiles of every band, of each date and of both.

    Returns
    -------
    dict
        ``percentiles`` (numbers of 0 to 100), ``before`` and ``after`` (a list of values for each
        band), ``shared``: the same over both dates where their bands are matched and of the same
        units, else None.
    """
    blocks = [pair.salvage(window) for window in _windows(pair.shape)]
    dates = []
    for name in ("before", "after"):
        parts = [getattr(block, name)[:, block.valid] for block in blocks]
        dates.append(np.concatenate(parts, axis=1))
    before, after = (_percentiles(date) for date in dates)
    shared = None
    if len(before) == len(after):
        both = _percentiles(np.concatenate(dates, axis=1))
        widths = [_width(own) / _width(b) for o in (before, after)
                  for own, b in zip(o, both, strict=True)]  # fmt: skip
        shared = both if min(widths) >= SAME_UNITS_SHARE else None
    return {
        "percentiles": list(PERCENTILES),
        "before": before,
        "after": after,
        "shared": shared,
    }


def _windows(shape: tuple[int, int]) -> list[Window]:
    rows, cols = (
        sorted({round(p) for p in np.linspace(0, max(0, n - WINDOW_PX), SIDE)}) for n in shape
    )
    height, width = min(WINDOW_PX, shape[0]), min(WINDOW_PX, shape[1])
    return [Window(row, col, height, width) for row in rows for col in cols]


def _percentiles(values: Any) -> list[list[float]]:
    if not values.shape[1]:
        return [[p / 100 for p in PERCENTILES] for _ in values]
    found: list[list[float]] = np.percentile(values, PERCENTILES, axis=1).T.round(6).tolist()
    return found


def _width(percentiles: list[float]) -> float:
    return max(percentiles[PERCENTILES.index(98.0)] - percentiles[PERCENTILES.index(2.0)], 1e-9)
