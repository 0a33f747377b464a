"""From the first observations of a pixel to its first stable model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from geochange.blocks import BoolArray, FloatArray
from geochange.series.buffer import Places, keep, pick
from geochange.series.protocol import State
from geochange.series.regression import YEAR, Doubles, add, harmonic_terms
from geochange.series.robust import fit_robustly, masked_median
from geochange.series.segments import deviate, refit, scale, sum_up

GATHERING, WATCHING = 0, 1
"""Phases of a pixel."""
SCREEN_SIGMAS = 4.42
"""Tmask: residual of a robust fit, in units of the variogram, of a cloud or its shadow."""
FLOOR = 0.3
"""Share of the noise of the scene below which no pixel's noise is believed."""


@dataclass(frozen=True)
class Gathering:
    """When gathered observations carry a model.

    Attributes
    ----------
    least_observations : int
    least_years : float
    confidence : float
    noise : float64 (C,)
        Of the scene.
    """

    least_observations: int
    least_years: float
    confidence: float
    noise: Doubles

    def begin(self, state: State, where: Places) -> None:
        """Screen what was gathered, fit a first model, and keep it where it is stable."""
        where = where[self._may_start(state, where)]
        if not where.size:
            return
        most = int(state["kept"][where].max())
        known = np.arange(most)[:, None] < state["kept"][where]
        days, values = pick(state["days"][:most], where), pick(state["values"][:most], where)
        variogram = self._measure_variogram(values, known)
        clear = known & ~screen(days, values, known, variogram)
        keep(state, where, clear)
        enough = self._may_start(state, where)
        where, variogram = where[enough], variogram[:, enough]
        if not where.size:
            return
        sum_up(state, where)
        state["variogram"][:, where] = variogram
        refit(state, where)
        stable = self._is_stable(state, where)
        good, bad = where[stable], where[~stable]
        state["phase"][good] = WATCHING
        state["segments"][good] += 1
        state["kept"][good] = 0
        if bad.size:  # slide: forget the oldest
            rest = np.arange(state["kept"][bad].max())[:, None] < state["kept"][bad]
            rest[0] = False
            keep(state, bad, rest)

    def _may_start(self, state: State, where: Places) -> BoolArray:
        kept = state["kept"][where]
        span = state["days"][kept - 1, where] - state["days"][0, where]
        enough: BoolArray = (kept >= self.least_observations) & (span >= self.least_years * YEAR)
        return enough

    def _measure_variogram(self, values: FloatArray, known: BoolArray) -> Doubles:
        steps = np.abs(np.diff(values, axis=0)).astype(np.float64)
        both = known[1:] & known[:-1]
        median = masked_median(steps, both[:, None])
        least: Doubles = np.maximum(median, FLOOR * self.noise[:, None])
        return least

    def _is_stable(self, state: State, where: Places) -> BoolArray:
        """Tell where trend, first and last observation are no change."""
        years = (state["last"][where] - state["first"][where]) / YEAR
        slope = np.abs(state["coefficients"][1, :, where].T) * years
        newest = state["kept"][where].astype(np.intp) - 1
        first, last = np.abs(deviate(state, where, np.stack([np.zeros_like(newest), newest])))
        worst = np.maximum(slope, np.maximum(first, last)) / scale(state, where)
        limit = chdtri(len(worst), 1 - self.confidence)
        stable: BoolArray = add(worst**2) <= limit
        return stable


def screen(
    days: NDArray[np.int32], values: FloatArray, known: BoolArray, variogram: Doubles
) -> BoolArray:
    """Find clouds and shadows, bool (N, n): far from a robust fit in most bands."""
    terms = harmonic_terms(days, int(days[0].min()))[:4].transpose(1, 0, 2)
    _, residuals = fit_robustly(terms, values, known)
    far = np.abs(residuals) > SCREEN_SIGMAS * variogram
    outlying: BoolArray = far.sum(axis=1) >= max(1, (values.shape[1] + 1) // 2)
    return outlying
