"""What a method for series is: it says of every pixel when it changed, how surely and how much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray

IntArray = NDArray[np.int32]
Ordinals = NDArray[np.int64]
State = dict[str, NDArray[Any]]
"""All that a monitor knows of P pixels: arrays whose last axis counts them."""


@dataclass(frozen=True, slots=True)
class SeriesBlock:
    """The pixels of a window at all dates.

    Attributes
    ----------
    images : float32 (T, C, H, W)
    valid : bool (T, H, W)
    days : int64 (T,)
        Proleptic Gregorian ordinals, rising.
    """

    images: FloatArray
    valid: BoolArray
    days: Ordinals


@dataclass(frozen=True, slots=True)
class Found:
    """What a method says of the pixels of a window.

    Attributes
    ----------
    score : float32 (H, W)
        How surely a pixel changed, in [0, 1]; 0.5 is where the method itself decides. NaN where it
        cannot say.
    day : int32 (H, W)
        Ordinal of the first date that shows the change that is likeliest; 0 where there is none.
    since : int32 (H, W)
        Ordinal of the last valid date before that; the change lies between both.
    magnitude : float32 (C, H, W)
        How much each band changed, after minus before; 0 where nothing is known.
    """

    score: FloatArray
    day: IntArray
    since: IntArray
    magnitude: FloatArray

    def inner(self, rows: slice, cols: slice) -> Found:
        """Return a part of the window."""
        part = np.s_[..., rows, cols]
        return Found(self.score[part], self.day[part], self.since[part], self.magnitude[part])


@runtime_checkable
class SeriesDetector(Protocol):
    """Anything that finds change in a series, tile by tile.

    Attributes
    ----------
    halo : int
        Pixels that :meth:`score_series` must see around those it is asked for.
    threshold : str
        The threshold rule that suits the scores, see :func:`geochange.threshold`.
    least : int
        Dates without which it finds nothing.

    Notes
    -----
    Parameters are keyword-only and kept untouched by ``__init__``; what :meth:`fit` learns ends in
    an underscore and pickles.
    """

    @property
    def halo(self) -> int:
        """Margin in pixels."""
        ...

    @property
    def threshold(self) -> str:
        """Name or specification of a threshold rule."""
        ...

    @property
    def least(self) -> int:
        """Dates without which it finds nothing."""
        ...

    def fit(self, blocks: Iterable[SeriesBlock]) -> Self:
        """Learn what the scene is like from some of its windows."""
        ...

    def bytes_per_pixel(self, dates: int, bands: int) -> int:
        """Return what the work on a pixel may hold at a time, beside the images themselves."""
        ...

    def score_series(self, images: FloatArray, valid: BoolArray, days: Ordinals) -> Found:
        """Find change in a window.

        Parameters
        ----------
        images : float32 (T, C, H, W)
        valid : bool (T, H, W)
        days : int64 (T,)
            Ordinals, rising.
        """
        ...


@runtime_checkable
class Monitor(Protocol):
    """A series detector that takes one date after the other and needs none of them again.

    What it knows of a pixel is its *state*: plain arrays, so it can be stored, and a new
    acquisition updates it without the archive. ``score_series`` of a monitor is :func:`run_through`
    of all dates, so that both ways give the same, bit by bit.
    """

    def start(self, pixels: int, bands: int) -> State:
        """Return the state of pixels of which nothing was seen yet."""
        ...

    def update(self, state: State, values: FloatArray, valid: BoolArray, day: int) -> None:
        """Take in one date, in place.

        Parameters
        ----------
        state : State
        values : float32 (C, P)
        valid : bool (P,)
        day : int
            Ordinal, later than all before.
        """
        ...

    def report(self, state: State) -> Found:
        """Say what is known; the arrays of the result have the shape (P,) and (C, P)."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Return what was learned of the scene, plain enough for JSON; see :meth:`recall`."""
        ...

    def recall(self, described: Mapping[str, Any]) -> Self:
        """Take over what was learned before."""
        ...


def run_through(monitor: Monitor, images: FloatArray, valid: BoolArray, days: Ordinals) -> Found:
    """Show a monitor all dates of a window and return what it says of it."""
    bands, (height, width) = images.shape[1], images.shape[2:]
    state = monitor.start(height * width, bands)
    for image, known, day in zip(images, valid, days.tolist(), strict=True):
        monitor.update(state, image.reshape(bands, -1), known.ravel(), day)
    return unfold(monitor.report(state), (height, width))


def unfold(found: Found, shape: tuple[int, int]) -> Found:
    """Give what is known of (P,) pixels the shape of their window."""
    return Found(
        found.score.reshape(shape),
        found.day.reshape(shape),
        found.since.reshape(shape),
        found.magnitude.reshape(-1, *shape),
    )


def rate(statistic: NDArray[Any], limit: NDArray[Any] | float) -> FloatArray:
    """Turn a statistic that is 0 without change into a score that is 0.5 at its limit.

    Examples
    --------
    >>> rate(np.array([0.0, 5.0, 15.0]), 5.0)
    array([0.  , 0.5 , 0.75], dtype=float32)
    """
    score: FloatArray = (statistic / (statistic + limit)).astype(np.float32)
    return score
