"""Control charts: dates after a history are held against what the history foretells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import MAD_TO_SIGMA, BoolArray, FloatArray
from geochange.errors import UsageError
from geochange.series.noise import SceneNoise
from geochange.series.protocol import Found, Ordinals, State, rate, run_through
from geochange.series.regression import (
    YEAR,
    Doubles,
    add,
    combine,
    harmonic_terms,
)
from geochange.series.robust import fit_robustly, masked_median

BELIEF = 8
"""Observations that the noise of the scene counts as, beside those of a pixel's own history."""
MOST_SIGMAS = 4.0
"""A single observation counts no more than this: clouds that no mask knows of."""
SEASON_FROM, SEASON_YEARS = 10, 0.7
"""Observations and years of history from which on a season is fitted."""
LEVEL, SEASON = (0,), (0, 2, 3)
"""Positions of the terms of a history without and with a season."""
Places = NDArray[np.intp]


class Chart(SceneNoise, ABC):
    """A monitor that learns level and, given a year, season of each pixel from its first dates.

    Parameters
    ----------
    history : int
        Valid observations of each pixel that are taken for its stable past.
    """

    halo = 0
    threshold = "0.5"
    own: ClassVar[tuple[str, ...]] = ()
    """Arrays (C, P) and (P,) that the state of a chart adds: names beginning with ``band_`` have
    bands."""

    def __init__(self, *, history: int = 12) -> None:
        if history < 2:
            msg = f"history is a number of dates from 2 on, got {history}"
            raise UsageError(msg)
        self.history = history

    @property
    @abstractmethod
    def limit(self) -> float:
        """Statistic from which on it is change."""

    @abstractmethod
    def weigh(
        self, state: State, where: Places, units: Doubles, day: int
    ) -> tuple[Doubles, BoolArray, BoolArray]:
        """Take in deviations; return the statistic, where nothing is under way, where it begins.

        Parameters
        ----------
        state : State
        where : intp (n,)
        units : float64 (C, n)
            Deviations in noise sigmas over the square root of the number of bands.
        day : int
        """

    @property
    def least(self) -> int:
        """Dates without which it finds nothing."""
        return self.history + 1

    def bytes_per_pixel(self, dates: int, bands: int) -> int:
        """Return what the work on a pixel may hold at a time."""
        return 32 * (self.history + 12) * (bands + 2)

    def score_series(self, images: FloatArray, valid: BoolArray, days: Ordinals) -> Found:
        """Find the strongest change of every pixel; see :class:`SeriesDetector`."""
        return run_through(self, images, valid, days)

    def start(self, pixels: int, bands: int) -> State:
        """Return the state of pixels of which nothing was seen yet."""
        state: State = {
            "kept": np.zeros(pixels, np.int16),
            "days": np.zeros((self.history, pixels), np.int32),
            "values": np.zeros((self.history, bands, pixels), np.float32),
            "coefficients": np.zeros((len(SEASON), bands, pixels)),
            "sigma": np.zeros((bands, pixels)),
            "last": np.zeros(pixels, np.int32),
            "onset": np.zeros(pixels, np.int32),
            "onset_since": np.zeros(pixels, np.int32),
            "run": np.zeros(pixels, np.int32),
            "run_sum": np.zeros((bands, pixels)),
            "best": np.full(pixels, np.nan),
            "best_day": np.zeros(pixels, np.int32),
            "best_since": np.zeros(pixels, np.int32),
            "best_change": np.zeros((bands, pixels), np.float32),
        }
        for name in self.own:
            shape = (bands, pixels) if name.startswith("band_") else (pixels,)
            state[name] = np.zeros(shape)
        return state

    def update(self, state: State, values: FloatArray, valid: BoolArray, day: int) -> None:
        """Take in one date."""
        where = np.flatnonzero(valid)
        learning = state["kept"][where] < self.history
        young, old = where[learning], where[~learning]
        if old.size:
            self._monitor(state, old, values[:, old], day)
        if young.size:
            at = state["kept"][young]
            state["days"][at, young] = day
            state["values"][at, :, young] = values[:, young].T
            state["kept"][young] = at + 1
            self._learn(state, young[at + 1 == self.history])
        state["last"][where] = day

    def report(self, state: State) -> Found:
        """Say when the chart was farthest out, and when that had begun."""
        score = rate(state["best"], self.limit)
        parts = (state[name].copy() for name in ("best_day", "best_since", "best_change"))
        return Found(score, *parts)

    def _learn(self, state: State, where: Places) -> None:
        """Fit the history of pixels that have all of it."""
        if not where.size:
            return
        days, values = state["days"][:, where], state["values"][:, :, where]
        years = (days[-1] - days[0]) / YEAR
        seasonal = (years >= SEASON_YEARS) & (self.history >= SEASON_FROM)
        for chosen, places in ((seasonal, SEASON), (~seasonal, LEVEL)):
            if chosen.any():
                self._fit_history(
                    state, where[chosen], days[:, chosen], values[:, :, chosen], places
                )
        state["best"][where] = 0.0

    def _fit_history(
        self,
        state: State,
        where: Places,
        days: NDArray[np.int32],
        values: FloatArray,
        places: tuple[int, ...],
    ) -> None:
        terms = harmonic_terms(days, 0)[list(places)].transpose(1, 0, 2)
        known = np.ones(days.shape, np.bool_)
        found, residuals = fit_robustly(terms, values, known)
        freedom = max(1, self.history - len(places))
        spread = MAD_TO_SIGMA * masked_median(np.abs(residuals), known[:, None])
        spread *= np.sqrt(self.history / freedom)
        scene = self.noise_[:, None]
        pooled = (BELIEF * scene**2 + freedom * spread**2) / (BELIEF + freedom)
        state["coefficients"][: len(places), :, where] = found
        state["sigma"][:, where] = np.sqrt(pooled)

    def _monitor(self, state: State, where: Places, values: FloatArray, day: int) -> None:
        terms = harmonic_terms(np.array([day]), 0)[list(SEASON)]
        raw = values - combine(terms, state["coefficients"][:, :, where])
        units = np.clip(raw / state["sigma"][:, where], -MOST_SIGMAS, MOST_SIGMAS)
        statistic, quiet, fresh = self.weigh(state, where, units / np.sqrt(len(raw)), day)
        anew = where[fresh]
        state["run"][anew], state["run_sum"][:, anew] = 0, 0.0
        state["run"][where] += 1
        state["run_sum"][:, where] += raw
        begun = where[(state["run"][where] == 1) & ~quiet]
        state["onset"][begun], state["onset_since"][begun] = day, state["last"][begun]
        better = (statistic > state["best"][where]) & ~quiet
        chosen = where[better]
        state["best"][chosen] = statistic[better]
        state["best_day"][chosen] = state["onset"][chosen]
        state["best_since"][chosen] = state["onset_since"][chosen]
        state["best_change"][:, chosen] = state["run_sum"][:, chosen] / state["run"][chosen]
        calm = where[quiet]
        state["run"][calm], state["run_sum"][:, calm] = 0, 0.0


def is_fresh(known: Doubles, newest: Doubles) -> BoolArray:
    """Tell where the newest deviation is twice all that was under way: the change begins there.

    Parameters
    ----------
    known, newest : float64 (C, P)
    """
    fresh: BoolArray = add(newest**2) > 4 * add(known**2)
    return fresh
