"""The model of each pixel's present segment: sums of its observations and what fits them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import FloatArray
from geochange.series.buffer import Places, pick
from geochange.series.lasso import shrink
from geochange.series.protocol import State
from geochange.series.regression import (
    TERMS,
    Doubles,
    combine,
    contract,
    harmonic_terms,
)

ORIGIN = 719_163
"""Ordinal of 1970-01-01, from which trends count."""
GROWTH = 1.33
"""A model is fitted anew when its time span has grown by this factor (Zhu et al. 2020)."""
FEW = 24
"""Up to so many observations it is fitted anew with each."""
PENALTY = 0.2
"""Of the lasso, in units of the noise: 20 for reflectance times 10 000 with a noise of 100."""


def sum_up(state: State, where: Places) -> None:
    """Start segments from the observations that pixels hold."""
    kept = state["kept"][where]
    most = int(kept.max())
    known = np.arange(most)[:, None] < kept
    days = pick(state["days"][:most], where)
    terms = np.where(known, harmonic_terms(np.where(known, days, days[0]), ORIGIN), 0)
    values = np.where(known[:, None], pick(state["values"][:most], where), 0).astype(np.float64)
    state["gram"][:, :, where] = contract("itp,jtp->ijp", terms, terms)
    state["moments"][:, :, where] = contract("itp,tcp->icp", terms, values)
    state["squares"][:, where] = contract("tcp,tcp->cp", values, values)
    state["count"][where] = kept
    state["first"][where] = days[0]
    state["last"][where] = days[kept - 1, np.arange(where.size)]


def add_observation(
    state: State, where: Places, days: NDArray[np.int32], values: FloatArray
) -> None:
    """Add an observation to the sums of pixels, values (C, n)."""
    pixels = state["count"].size
    terms, exact = np.zeros((TERMS, pixels)), np.zeros((len(values), pixels))
    terms[:, where], exact[:, where] = harmonic_terms(days, ORIGIN), values
    for number, term in enumerate(terms):  # all pixels: cheaper than to pick those that gain by it
        state["gram"][number] += term * terms
        state["moments"][number] += term * exact
    state["squares"] += exact**2
    state["count"][where] += 1
    state["last"][where] = days


def join(state: State, where: Places) -> None:
    """Take the oldest held observation into the model, which is fitted anew where that is due."""
    if not where.size:
        return
    add_observation(state, where, state["days"][0, where], pick(state["values"][0], where))
    span = state["last"][where] - state["first"][where]
    due = (state["count"][where] <= FEW) | (span >= GROWTH * state["span"][where])
    if due.any():
        refit(state, where[due])


def refit(state: State, where: Places) -> None:
    """Fit as many terms as the observations carry."""
    count = state["count"][where]
    for least, most, size in ((0, 18, 4), (18, 24, 6), (24, np.inf, TERMS)):
        some = where[(count >= least) & (count < most)]
        if some.size:
            _fit_terms(state, some, size)
    state["span"][where] = state["last"][where] - state["first"][where]


def _fit_terms(state: State, where: Places, size: int) -> None:
    gram = pick(state["gram"][:size, :size], where)
    moments = pick(state["moments"][:size], where)
    squares, count = pick(state["squares"], where), state["count"][where].astype(np.float64)
    found = shrink(gram, moments, count, PENALTY * pick(state["variogram"], where))
    rest = squares.copy()
    for i in range(size):
        rest += found[i] * (combine(gram[i], found) - 2 * moments[i])
    freedom = np.maximum(count - size, 1)
    state["rmse"][:, where] = np.sqrt(np.maximum(rest, 0) / freedom)
    state["coefficients"][:, :, where] = 0
    state["coefficients"][:size, :, where] = found


def scale(state: State, where: Places) -> Doubles:
    """Return the yardstick of deviations, float64 (C, n)."""
    yardstick: Doubles = np.maximum(pick(state["rmse"], where), pick(state["variogram"], where))
    return yardstick


def deviate(state: State, where: Places, positions: Any) -> Doubles:
    """Return observed minus predicted of held observations, float64 (m, C, n).

    Parameters
    ----------
    positions : int (m, n) or (m, 1)
        Which of those that each pixel holds.
    """
    days = state["days"][positions, where]
    values = np.ascontiguousarray(state["values"][positions, :, where].transpose(0, 2, 1))
    terms = harmonic_terms(days, ORIGIN)
    coefficients = pick(state["coefficients"], where)
    deviation: Doubles = values - contract("kmp,kcp->mcp", terms, coefficients)
    return deviation
