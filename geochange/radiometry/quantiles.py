"""Histogram matching: values of equal rank at the two dates are made equal."""

from __future__ import annotations

import numpy as np

from geochange.io.filters.radiometry import BandMap, Knots
from geochange.radiometry.lines import Vector

RANKS = np.concatenate([[0.001, 0.005], np.linspace(0.01, 0.99, 50), [0.995, 0.999]])
"""Shares of the pixels that lie below the knots."""


def match_quantiles(x: Vector, y: Vector, slope: float) -> BandMap:
    """Return the monotone map that gives ``x`` the distribution of ``y``.

    Parameters
    ----------
    x, y : float64 (P,)
        Values of one band at the date that is mapped and at the other.
    slope : float
        Of the map beyond the first and the last knot.

    Examples
    --------
    >>> x = np.linspace(0, 10, 1001)
    >>> found = match_quantiles(x, x**2, 1.0)
    >>> found.apply(np.array([5.0], np.float32)).round(1)
    array([25.], dtype=float32)
    """
    values, mapped = np.quantile(x, RANKS), np.quantile(y, RANKS)
    distinct = np.unique(values)  # of pixels with one value the middle of their ranks counts
    middles = (np.median(mapped[values == value]) for value in distinct)
    knots: Knots = tuple((float(v), float(m)) for v, m in zip(distinct, middles, strict=True))
    if len(knots) < 2:
        return BandMap(1.0, float(np.median(y) - np.median(x)))
    return BandMap(slope, 0.0, knots)
