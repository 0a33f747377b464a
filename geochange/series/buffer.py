"""Observations that each pixel holds: in order of time, at the front of arrays of one size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray
from geochange.series.protocol import State

Places = NDArray[np.intp]
BUFFER = 64
"""Observations that a pixel keeps at most until it has a model."""


def pick(array: NDArray[Any], where: Places) -> NDArray[Any]:
    """Return what an array holds of some pixels, (..., n), the numbers of a row side by side.

    Indexing would put those of a pixel side by side, and all that follows would be slower.
    """
    return np.take(array, where, axis=-1)


def push(state: State, where: Places, values: FloatArray, day: int) -> None:
    """Put an observation, values (C, n), behind those that pixels hold."""
    at = state["kept"][where]
    state["days"][at, where] = day
    state["values"][at, :, where] = values.T
    state["kept"][where] = at + 1


def keep(state: State, where: Places, chosen: BoolArray) -> None:
    """Keep the chosen, bool (N, n), of the N oldest held observations, in order."""
    count = chosen.sum(axis=0)
    moved = (np.arange(len(chosen))[:, None] < count) != chosen
    some = moved.any(axis=0)
    state["kept"][where] = count
    where, most = where[some], len(chosen)
    if not where.size:
        return
    order = np.argsort(~chosen[:, some], axis=0, kind="stable")
    state["days"][:most, where] = np.take_along_axis(pick(state["days"][:most], where), order, 0)
    values = pick(state["values"][:most], where)
    state["values"][:most, :, where] = np.take_along_axis(values, order[:, None], 0)


def thin(state: State, where: Places) -> None:
    """Drop every other observation of pixels whose buffer is full before a year is."""
    full = where[state["kept"][where] >= BUFFER]
    if full.size:
        even = np.zeros((BUFFER, full.size), np.bool_)
        even[::2] = True
        keep(state, full, even)


def drop_oldest(state: State, where: Places, held: int) -> None:
    """Forget the oldest of ``held`` observations."""
    state["days"][: held - 1, where] = state["days"][1:held, where]
    state["values"][: held - 1, :, where] = state["values"][1:held, :, where]
    state["kept"][where] -= 1
