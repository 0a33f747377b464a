"""Which method looks at a series, and whether it can keep a state."""

from __future__ import annotations

from geochange.errors import UsageError
from geochange.series.protocol import Monitor, SeriesDetector
from geochange.series.registry import choose_series_method, get_series_detector
from geochange.series.smoothing import TimeFilter
from geochange.series.stack import Series


def settle_series_method(
    method: str, series: Series, *, keeps_state: bool = False
) -> tuple[str, str]:
    """Return a method's name and the reason for it; ``auto`` chooses, with a state a monitor."""
    if method != "auto":
        return method, "asked for"
    name, reason = choose_series_method(series.ordinals)
    if keeps_state and not isinstance(get_series_detector(name), Monitor):
        return "cusum", "takes one date after the other, which a state needs"
    return name, reason


def require_monitor(detector: SeriesDetector, name: str, smoothing: TimeFilter) -> Monitor:
    """Return a method that can keep a state as what it is.

    Raises
    ------
    UsageError
        It looks at all dates at once, or something else does before it.
    """
    if not isinstance(detector, Monitor):
        msg = (
            f"'{name}' looks at all dates at once and has no state; take harmonic-break, cusum, "
            "ewma or bfast-monitor"
        )
        raise UsageError(msg)
    if not smoothing.is_idle:
        msg = "a state takes one date after the other; leave out --denoise and --fill"
        raise UsageError(msg)
    return detector
