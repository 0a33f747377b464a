"""The model of each pixel's present segment: sums of its observations and what fits them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import FloatArray
from geochange.series.buffer import Places
from geochange.series.protocol import State
from geochange.series.regression import TERMS, Doubles, combine, harmonic_terms, shrink

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
    for name in ("gram", "moments", "squares"):
        state[name][..., where] = 0
    state["count"][where] = 0
    state["first"][where] = state["days"][0, where]
    most = int(state["kept"][where].max())
    for position in range(most):
        has = where[state["kept"][where] > position]
        add_observation(state, has, state["days"][position, has], state["values"][position][:, has])


def add_observation(
    state: State, where: Places, days: NDArray[np.int32], values: FloatArray
) -> None:
    """Add an observation to the sums of pixels, values (C, n)."""
    terms = harmonic_terms(days, ORIGIN)
    exact = values.astype(np.float64)
    state["gram"][:, :, where] += terms[:, None] * terms[None]
    state["moments"][:, :, where] += terms[:, None] * exact[None]
    state["squares"][:, where] += exact**2
    state["count"][where] += 1
    state["last"][where] = days


def join(state: State, where: Places) -> None:
    """Take the oldest held observation into the model, which is fitted anew where that is due."""
    if not where.size:
        return
    add_observation(state, where, state["days"][0, where], state["values"][0][:, where])
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
    gram = state["gram"][:size, :size, where]
    moments = state["moments"][:size, :, where]
    squares, count = state["squares"][:, where], state["count"][where].astype(np.float64)
    found = shrink(gram, moments, count, PENALTY * state["variogram"][:, where])
    rest = squares.copy()
    for i in range(size):
        rest -= 2 * found[i] * moments[i]
        for j in range(size):
            rest += found[i] * found[j] * gram[i, j]
    freedom = np.maximum(count - size, 1)
    state["rmse"][:, where] = np.sqrt(np.maximum(rest, 0) / freedom)
    state["coefficients"][:, :, where] = 0
    state["coefficients"][:size, :, where] = found


def scale(state: State, where: Places) -> Doubles:
    """Return the yardstick of deviations, float64 (C, n)."""
    yardstick: Doubles = np.maximum(state["rmse"][:, where], state["variogram"][:, where])
    return yardstick


def deviate(state: State, where: Places, position: Any) -> Doubles:
    """Return observed minus predicted of a held observation, float64 (C, n)."""
    days = state["days"][position, where]
    terms = harmonic_terms(days, ORIGIN)
    values = state["values"][position, :, where].T
    deviation: Doubles = values - combine(terms, state["coefficients"][:, :, where])
    return deviation
