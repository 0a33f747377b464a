"""The methods for series by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from geochange.errors import InputError, UsageError, suggest
from geochange.series.breaks import HarmonicBreak
from geochange.series.cumulative import Cusum, Ewma
from geochange.series.movingsum import MovingSum
from geochange.series.network import SeriesNetwork
from geochange.series.protocol import Ordinals, SeriesDetector
from geochange.series.regression import YEAR
from geochange.series.step import Step

BUILDERS: Mapping[str, Callable[..., SeriesDetector]] = {
    "step": Step,
    "harmonic-break": HarmonicBreak,
    "cusum": Cusum,
    "ewma": Ewma,
    "bfast-monitor": MovingSum,
    "network": SeriesNetwork,
}
"""Name to builder."""
SEASONAL_DATES, SEASONAL_YEARS = 36, 2.5
"""Dates, and years that they span, from which on ``auto`` models the seasons."""


def list_series_methods() -> list[str]:
    """Return the names of the methods for series.

    Examples
    --------
    >>> list_series_methods()
    ['bfast-monitor', 'cusum', 'ewma', 'harmonic-break', 'network', 'step']
    """
    return sorted(BUILDERS)


def get_series_detector(name: str, options: Mapping[str, Any] | None = None) -> SeriesDetector:
    """Build a method for series.

    Raises
    ------
    UsageError
        An unknown method, or an option that it does not have.

    Examples
    --------
    >>> get_series_detector("cusum", {"history": 6}).least
    7
    """
    if name not in BUILDERS:
        msg = f"unknown method '{name}'{suggest(name, [*BUILDERS, 'auto'])}"
        raise UsageError(msg)
    try:
        return BUILDERS[name](**dict(options or {}))
    except TypeError as error:
        reason = str(error).split("() ")[-1]
        msg = f"method '{name}': {reason}; see its options in gc.get_series_detector"
        raise UsageError(msg) from error


def choose_series_method(days: Ordinals) -> tuple[str, str]:
    """Return the method that suits the dates, and why.

    Examples
    --------
    >>> import numpy as np
    >>> choose_series_method(730_000 + 1826 * np.arange(8))[0]
    'step'
    """
    years = float(days[-1] - days[0]) / YEAR
    if len(days) >= SEASONAL_DATES and years >= SEASONAL_YEARS:
        return "harmonic-break", f"{len(days)} dates over {years:.1f} years show the seasons"
    return "step", f"{len(days)} dates over {years:.1f} years: the best single step of each pixel"


def require_enough(detector: SeriesDetector, name: str, dates: int) -> None:
    """Refuse a series with too few dates for a method.

    Raises
    ------
    InputError
    """
    if dates < detector.least:
        other = "--method step" if dates >= Step.least else "two of them and geochange detect"
        need = f"{detector.least} dates or more, got {dates}"
        msg = f"'{name}' needs {need}; give more, or take {other}"
        raise InputError(msg)
