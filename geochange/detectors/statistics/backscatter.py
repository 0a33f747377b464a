"""What the pixels of a radar image stand for, and the logarithm of their amplitude."""

from __future__ import annotations

import numpy as np

from geochange.blocks import FloatArray
from geochange.detectors.statistics.samples import Vector
from geochange.errors import InputError, UsageError

UNITS = ("auto", "amplitude", "intensity", "db")
DECIBEL = float(np.log(10) / 20)
"""Natural logarithm of the amplitude ratio of one decibel."""
FLOOR_SHARE = 0.1
"""Added to amplitudes before the logarithm, as a share of their median: in the dark a small offset
would be a large ratio."""
MAX_NEGATIVE_SHARE = 0.01


def check_unit(unit: str) -> str:
    """Return a unit that is one of :data:`UNITS`.

    Raises
    ------
    UsageError
    """
    if unit not in UNITS:
        msg = f"unit must be one of {', '.join(UNITS)}, got '{unit}'"
        raise UsageError(msg)
    return unit


def settle_unit(unit: str, before: FloatArray, after: FloatArray, method: str) -> str:
    """Return what pixels hold; ``auto`` takes mostly negative numbers for decibels.

    Intensity looks like amplitude: taken for it, all log ratios double, which the scores of a
    strong change hardly show. Name it where it matters.

    Parameters
    ----------
    unit : str
        One of :data:`UNITS`.
    before, after : float32 (pixels, bands)
    method : str
        Named in the error.

    Raises
    ------
    InputError
        Negative values that cannot be amplitude or intensity.

    Examples
    --------
    >>> decibels, bytes_ = np.full((9, 1), -12, np.float32), np.full((9, 1), 80, np.float32)
    >>> [settle_unit("auto", date, date, "log-ratio") for date in (decibels, bytes_)]
    ['db', 'amplitude']
    """
    share = max(float((date < 0).mean()) for date in (before, after))
    if unit == "auto":
        return "db" if share > MAX_NEGATIVE_SHARE else "amplitude"
    if unit != "db" and share > MAX_NEGATIVE_SHARE:
        msg = (
            f"method '{method}' expects {unit} of at least 0, but {share:.0%} of the "
            f"pixels are negative; give unit=db for decibels"
        )
        raise InputError(msg)
    return unit


def learn_floor(before: FloatArray, after: FloatArray, unit: str) -> Vector:
    """Return what is added to the amplitudes (pixels, bands) of each band, float64 (bands,)."""
    middle = np.median(np.concatenate([before, after]), axis=0)
    floor: Vector = FLOOR_SHARE * to_amplitude(middle, unit).astype(np.float64)
    floor[floor == 0] = FLOOR_SHARE
    return floor


def log_amplitude(pixels: FloatArray, floor: Vector, unit: str) -> FloatArray:
    """Return the natural logarithm of amplitude and ``floor``, which runs along the last axis.

    Examples
    --------
    >>> log_amplitude(np.array([[99.0]], np.float32), np.array([1.0]), "amplitude").round(3)
    array([[4.605]], dtype=float32)
    """
    amplitude = to_amplitude(pixels, unit)
    amplitude += floor.astype(np.float32)
    return np.log(amplitude, out=amplitude)


def to_amplitude(pixels: FloatArray, unit: str) -> FloatArray:
    """Return the amplitude of pixels in a settled unit; negative ones count as 0.

    Examples
    --------
    >>> to_amplitude(np.array([0, 20], np.float32), "db").round(3)
    array([ 1., 10.], dtype=float32)
    """
    if unit == "db":
        amplitude: FloatArray = pixels * np.float32(DECIBEL)
        return np.exp(amplitude, out=amplitude)
    amplitude = np.maximum(pixels, np.float32(0))
    if unit == "intensity":
        np.sqrt(amplitude, out=amplitude)
    return amplitude
