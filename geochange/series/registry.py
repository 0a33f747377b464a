"""The methods for series by name."""

from __future__ import annotations

import inspect
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
    given, known = dict(options or {}), list_series_options(name)
    for option in given:
        if option not in known:
            msg = f"method '{name}' has no option '{option}'{suggest(option, known)}"
            raise UsageError(msg)
    try:
        return BUILDERS[name](**given)
    except TypeError as error:
        listed = ", ".join(f"{option}={value!r}" for option, value in given.items())
        msg = f"method '{name}' cannot take {listed}: an option is of the wrong kind ({error})"
        raise UsageError(msg) from error


def list_series_options(name: str) -> dict[str, object]:
    """Return the options of a method for series with their defaults.

    Examples
    --------
    >>> list_series_options("cusum")
    {'history': 12, 'slack': 0.75, 'limit_sigmas': 10.0}
    """
    parameters = inspect.signature(BUILDERS[name]).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}


def tell_series_method(name: str) -> str:
    """Return what a method for series is, in one line.

    Examples
    --------
    >>> tell_series_method("step")
    'Best single break of level, by an F test of all bands'
    """
    return (inspect.getdoc(BUILDERS[name]) or "").partition("\n")[0].rstrip(".")


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


def require_enough(
    detector: SeriesDetector, name: str, dates: int, *, keeps_state: bool = False
) -> None:
    """Refuse a series with too few dates for a method.

    Raises
    ------
    InputError
    """
    if dates >= detector.least:
        return
    if dates < Step.least:
        other = "take two of them and geochange detect"
    elif keeps_state and "history" in list_series_options(name):
        other = f"let it learn from fewer (--set history={dates - 1})"
    else:
        other = f"take --method {'cusum' if keeps_state else 'step'}"
    msg = f"'{name}' needs {detector.least} dates or more, got {dates}; give more, or {other}"
    raise InputError(msg)
