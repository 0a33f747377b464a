"""Noise and gaps along time: spikes, median and Savitzky-Golay filters, filling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray
from geochange.errors import UsageError, suggest
from geochange.series.protocol import Ordinals
from geochange.series.regression import add, solve

FILTERS = ("none", "median", "savgol")
FILLINGS = ("none", "linear", "previous")
SPIKE_SIGMAS = 4.0
"""A date that stands out this far from the valid dates on both sides of it is a spike."""
DEGREE = 2
"""Of the polynomials of the Savitzky-Golay filter."""


@dataclass(frozen=True, slots=True)
class TimeFilter:
    """What is done to the values of a pixel along time before they are compared.

    Attributes
    ----------
    denoise : str
        One of :data:`FILTERS`.
    window : int
        Valid dates that a filter looks at, odd.
    fill : str
        One of :data:`FILLINGS`: how dates without data between two with data get values. Filled
        dates count as valid; before the first and after the last valid date nothing is filled.
    """

    denoise: str = "none"
    window: int = 5
    fill: str = "none"

    def __post_init__(self) -> None:
        for given, known, what in (
            (self.denoise, FILTERS, "temporal filter"),
            (self.fill, FILLINGS, "filling of gaps"),
        ):
            if given not in known:
                msg = f"unknown {what} '{given}'{suggest(given, known)}"
                raise UsageError(msg)
        if self.window < 3 or self.window % 2 == 0:
            msg = f"the window along time is an odd number of dates from 3 on, got {self.window}"
            raise UsageError(msg)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is done."""
        return self.denoise == "none" and self.fill == "none"

    def apply(
        self, images: FloatArray, valid: BoolArray, days: Ordinals
    ) -> tuple[FloatArray, BoolArray]:
        """Return images (T, C, H, W) and validity (T, H, W), smoothed, then filled.

        Examples
        --------
        >>> images = np.array([1, 1, 9, 1, 0, 1], np.float32).reshape(6, 1, 1, 1)
        >>> valid = np.array([1, 1, 1, 1, 0, 1], bool).reshape(6, 1, 1)
        >>> smooth, known = TimeFilter("median", 3, "linear").apply(images, valid, np.arange(6))
        >>> smooth.ravel().tolist(), bool(known.all())
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0], True)
        """
        if self.denoise != "none":
            images = _filter(images, valid, days, self.denoise, self.window)
        if self.fill != "none":
            images, valid = _fill(images, valid, days, self.fill)
        return images, valid


def _filter(
    images: FloatArray, valid: BoolArray, days: Ordinals, kind: str, window: int
) -> FloatArray:
    """Filter the valid dates of each pixel; there are as many pixels as patterns of validity."""
    dates, bands = images.shape[:2]
    known = valid.reshape(dates, -1)
    pixels = images.reshape(dates, bands, -1)
    out = pixels.copy()
    order = np.argsort(~known, axis=0, kind="stable")  # valid dates first, in order
    count = known.sum(axis=0)
    packed = np.take_along_axis(pixels, order[:, None], 0)
    times = days[order].astype(np.float64)
    half = window // 2
    for position in range(int(count.max(initial=0))):
        has = np.flatnonzero(count > position)
        first = np.clip(position - half, 0, np.maximum(count[has] - window, 0))
        rows = first + np.arange(window)[:, None]
        inside = rows < count[has]
        rows = np.minimum(rows, dates - 1)
        values = packed[rows[:, None], np.arange(bands)[:, None], has]
        if kind == "median":
            found = _median(values, inside)
        else:
            found = _polynomial(values, inside, times[rows, has], times[position, has])
        out[order[position, has], :, has] = found.T.astype(np.float32)
    return out.reshape(images.shape)


def _median(values: NDArray[Any], inside: BoolArray) -> NDArray[Any]:
    ordered = np.sort(np.where(inside[:, None], values, np.inf), axis=0)
    count = inside.sum(axis=0)
    pair = [
        np.take_along_axis(ordered, np.broadcast_to(at, ordered.shape[1:])[None], 0)[0]
        for at in ((count - 1) // 2, count // 2)
    ]
    middle: NDArray[Any] = (pair[0] + pair[1]) / 2
    return middle


def _polynomial(
    values: NDArray[Any], inside: BoolArray, times: NDArray[Any], at: NDArray[Any]
) -> NDArray[Any]:
    """Fit a parabola over uneven dates and return its value at one (Savitzky and Golay 1964)."""
    apart = (times - at) / 365.25
    scale = np.maximum(np.where(inside, np.abs(apart), 0).max(axis=0), 1e-6)
    apart = np.where(inside, apart / scale, 0.0)
    size = DEGREE + 1
    powers = np.stack([apart**k for k in range(size)]) * inside
    gram = np.stack([[(a * b).sum(axis=0) for a in powers] for b in powers])
    moments = np.stack([(a[:, None] * values).sum(axis=0) for a in powers])
    level: NDArray[Any] = solve(gram, moments, 1e-6)[0]
    return level


def _fill(
    images: FloatArray, valid: BoolArray, days: Ordinals, kind: str
) -> tuple[FloatArray, BoolArray]:
    before, after = find_neighbours(valid)
    between = ~valid & (before >= 0) & (after < len(days))
    out = images.copy()
    for date in range(len(days)):
        rows, cols = np.nonzero(between[date])
        if not rows.size:
            continue
        first, last = before[date, rows, cols], after[date, rows, cols]
        low = images[first, :, rows, cols]
        if kind == "linear":
            share = (days[date] - days[first]) / (days[last] - days[first])
            low = low + (images[last, :, rows, cols] - low) * share[:, None]
        out[date, :, rows, cols] = low.astype(np.float32)
    return out, valid | between


def find_neighbours(valid: BoolArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the last valid date before and the first after each date, like ``valid``.

    -1 and T stand where there is none.

    Examples
    --------
    >>> before, after = find_neighbours(np.array([[True], [False], [True]]))
    >>> before.ravel().tolist(), after.ravel().tolist()
    ([-1, 0, 0], [2, 2, 3])
    """
    dates = len(valid)
    before = np.full(valid.shape, -1, np.intp)
    after = np.full(valid.shape, dates, np.intp)
    for date in range(1, dates):
        before[date] = np.where(valid[date - 1], date - 1, before[date - 1])
    for date in reversed(range(dates - 1)):
        after[date] = np.where(valid[date + 1], date + 1, after[date + 1])
    return before, after


def find_spikes(
    pixels: NDArray[Any], known: BoolArray, sigma: Sequence[float] | NDArray[Any]
) -> BoolArray:
    """Find dates that stand out from the valid dates on both sides: clouds, shadows, faults.

    A step is none: it stays. The first and the last valid date have one side only and are none.

    Parameters
    ----------
    pixels : (T, C, P)
    known : bool (T, P)
    sigma : (C,)
        Noise of each band.

    Returns
    -------
    bool (T, P)

    Examples
    --------
    >>> pixels = np.array([0, 0, 9, 0, 9, 9], float)[:, None, None]
    >>> find_spikes(pixels, np.ones((6, 1), bool), [1.0]).ravel().tolist()
    [False, False, True, False, False, False]
    """
    before, after = find_neighbours(known)
    inner = known & (before >= 0) & (after < len(known))
    sides = [
        pixels - np.take_along_axis(pixels, np.clip(at, 0, len(known) - 1)[:, None], 0)
        for at in (before, after)
    ]
    sides = [side / np.asarray(sigma)[:, None] for side in sides]
    same = np.sign(sides[0]) == np.sign(sides[1])
    out = np.where(same, np.minimum(np.abs(sides[0]), np.abs(sides[1])), 0)
    strength = np.stack([add(part**2) for part in out])
    spikes: BoolArray = inner & (strength > SPIKE_SIGMAS**2 * pixels.shape[1])
    gone = np.zeros_like(spikes)
    for date in range(1, len(known)):  # of two in a row, the return is no spike of its own
        gone[date] = spikes[date] & ~gone[date - 1]
    return gone
