"""Control charts: dates after a history are held against what the history foretells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray
from geochange.errors import UsageError
from geochange.series.noise import measure_noise
from geochange.series.protocol import Found, Ordinals, SeriesBlock, State, rate, run_through
from geochange.series.regression import (
    MAD_TO_SIGMA,
    YEAR,
    Doubles,
    add,
    combine,
    fit_robustly,
    harmonic_terms,
    masked_median,
)

BELIEF = 8
"""Observations that the noise of the scene counts as, beside those of a pixel's own history."""
MOST_SIGMAS = 4.0
"""A single observation counts no more than this: clouds that no mask knows of."""
SEASON_FROM, SEASON_YEARS = 10, 0.7
"""Observations and years of history from which on a season is fitted."""
LEVEL, SEASON = (0,), (0, 2, 3)
"""Positions of the terms of a history without and with a season."""
Places = NDArray[np.intp]


class Chart(ABC):
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

    def fit(self, blocks: Iterable[SeriesBlock]) -> Self:
        """Learn the noise of the scene."""
        self.noise_ = measure_noise(blocks)
        return self

    def describe(self) -> Mapping[str, Any]:
        """Return the noise of the scene."""
        return {"noise": self.noise_.tolist()}

    def recall(self, described: Mapping[str, Any]) -> Self:
        """Take over the noise of the scene."""
        self.noise_ = np.array(described["noise"], np.float64)
        return self

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


class Cusum(Chart):
    """Multivariate cumulative sum: small persistent changes add up.

    Parameters
    ----------
    history : int
        Valid observations of each pixel that are taken for its stable past.
    slack : float
        Sigmas of every observation that do not count.
    limit_sigmas : float
        Sum from which on it is change.

    References
    ----------
    Page, E. S. (1954). Continuous inspection schemes. Biometrika 41, 100-115. Crosier, R. B.
    (1988). Multivariate generalizations of cumulative sum quality-control schemes. Technometrics
    30(3), 291-303.

    Examples
    --------
    >>> images = (np.arange(30) >= 20).astype(np.float32)[:, None, None, None]
    >>> images[::2] += 0.1
    >>> days, valid = 730_000 + 16 * np.arange(30), np.ones((30, 1, 1), bool)
    >>> found = Cusum().fit([SeriesBlock(images, valid, days)]).score_series(images, valid, days)
    >>> int(found.day[0, 0] - days[20]), bool(found.score[0, 0] > 0.5)
    (0, True)
    """

    own = ("band_sum",)

    def __init__(
        self, *, history: int = 12, slack: float = 0.75, limit_sigmas: float = 10.0
    ) -> None:
        super().__init__(history=history)
        if slack < 0 or limit_sigmas <= 0:
            msg = f"slack is 0 or more and limit_sigmas above 0, got {slack} and {limit_sigmas}"
            raise UsageError(msg)
        self.slack = slack
        self.limit_sigmas = limit_sigmas

    @property
    def limit(self) -> float:
        """Sum from which on it is change."""
        return self.limit_sigmas

    def weigh(
        self, state: State, where: Places, units: Doubles, day: int
    ) -> tuple[Doubles, BoolArray, BoolArray]:
        """Add up what exceeds the slack; nothing is under way where nothing does."""
        known = state["band_sum"][:, where]
        total = known + units
        length = np.sqrt(add(total**2))
        left = np.maximum(1 - self.slack / np.maximum(length, 1e-12), 0)
        state["band_sum"][:, where] = total * left
        return length * left, left <= 0, is_fresh(known, units)


class Ewma(Chart):
    """Multivariate exponentially weighted moving average of the deviations.

    Parameters
    ----------
    history : int
        Valid observations of each pixel that are taken for its stable past.
    weight : float
        Of the newest observation.
    limit_sigmas : float
        Average, in its own standard deviations, from which on it is change.

    References
    ----------
    Roberts, S. W. (1959). Control chart tests based on geometric moving averages. Technometrics 1,
    239-250. Lowry, C. A. et al. (1992). A multivariate exponentially weighted moving average
    control chart. Technometrics 34, 46-53. Brooks, E. B. et al. (2014). On-the-fly massively
    multitemporal change detection using statistical quality control charts and Landsat data. IEEE
    TGRS 52(6), 3316-3332.

    Examples
    --------
    >>> images = (np.arange(30) >= 20).astype(np.float32)[:, None, None, None]
    >>> images[::2] += 0.1
    >>> days, valid = 730_000 + 16 * np.arange(30), np.ones((30, 1, 1), bool)
    >>> found = Ewma().fit([SeriesBlock(images, valid, days)]).score_series(images, valid, days)
    >>> int(found.day[0, 0] - days[20]), bool(found.score[0, 0] > 0.5)
    (0, True)
    """

    own = ("band_mean", "steps")
    calm_sigmas = 1.5
    """An average below this tells that nothing is under way."""

    def __init__(
        self, *, history: int = 12, weight: float = 0.3, limit_sigmas: float = 6.0
    ) -> None:
        super().__init__(history=history)
        if not 0 < weight <= 1 or limit_sigmas <= 0:
            msg = f"weight is above 0 to 1 and limit_sigmas above 0, got {weight}, {limit_sigmas}"
            raise UsageError(msg)
        self.weight = weight
        self.limit_sigmas = limit_sigmas

    @property
    def limit(self) -> float:
        """Sigmas from which on it is change."""
        return self.limit_sigmas

    def weigh(
        self, state: State, where: Places, units: Doubles, day: int
    ) -> tuple[Doubles, BoolArray, BoolArray]:
        """Average the deviations; nothing is under way while the average is small."""
        keep = 1 - self.weight
        known = keep * state["band_mean"][:, where]
        mean = known + self.weight * units
        state["band_mean"][:, where] = mean
        state["steps"][where] += 1
        settled = self.weight / (1 + keep) * (1 - keep ** (2 * state["steps"][where]))
        statistic = np.sqrt(add(mean**2) / settled)
        return statistic, statistic < self.calm_sigmas, is_fresh(known, self.weight * units)


class MovingSum(Chart):
    """Moving sum of the deviations against a boundary that widens in time: BFAST monitor.

    Parameters
    ----------
    history : int
        Valid observations of each pixel that are taken for its stable past.
    window : float
        Observations in the sum, as a share of the history: 0.25, 0.5 or 1.
    false_alarms : float
        Share of unchanged pixels that ever cross the boundary, up to ten times the history: 0.05,
        0.01 or 0.001.

    References
    ----------
    Verbesselt, J., Zeileis, A. and Herold, M. (2012). Near real-time disturbance detection using
    satellite image time series. RSE 123, 98-108. Zeileis, A. et al. (2005). Monitoring structural
    change in dynamic econometric models. Journal of Applied Econometrics 20, 99-121.

    Notes
    -----
    Bands are summed as a vector whose length counts, over the square root of their number: for
    bands that go together that is the test of one of them. The history is taken as given, it is
    not searched for its stable end.

    Examples
    --------
    >>> images = (np.arange(30) >= 20).astype(np.float32)[:, None, None, None]
    >>> images[::2] += 0.1
    >>> days, valid = 730_000 + 16 * np.arange(30), np.ones((30, 1, 1), bool)
    >>> block = SeriesBlock(images, valid, days)
    >>> found = MovingSum().fit([block]).score_series(images, valid, days)
    >>> int(found.day[0, 0] - days[20]), bool(found.score[0, 0] > 0.5)
    (0, True)
    """

    own = ("steps",)

    def __init__(
        self, *, history: int = 12, window: float = 0.5, false_alarms: float = 0.01
    ) -> None:
        super().__init__(history=history)
        if (window, false_alarms) not in BOUNDARIES:
            windows = sorted({width for width, _ in BOUNDARIES})
            rates = sorted({share for _, share in BOUNDARIES})
            msg = (
                f"boundaries are known for window {windows} and false_alarms {rates}, got "
                f"{window} and {false_alarms}"
            )
            raise UsageError(msg)
        self.window = window
        self.false_alarms = false_alarms

    @property
    def limit(self) -> float:
        """Height of the boundary at its beginning."""
        return BOUNDARIES[self.window, self.false_alarms]

    @property
    def width(self) -> int:
        """Observations in the sum."""
        return max(2, round(self.window * self.history))

    def start(self, pixels: int, bands: int) -> State:
        """Return the state of pixels of which nothing was seen yet."""
        ring = np.zeros((self.width, bands, pixels))
        return {**super().start(pixels, bands), "ring": ring}

    def weigh(
        self, state: State, where: Places, units: Doubles, day: int
    ) -> tuple[Doubles, BoolArray, BoolArray]:
        """Sum the last deviations; nothing is under way while the sum is small."""
        steps = state["steps"][where].astype(np.intp)
        state["ring"][steps % self.width, :, where] = units.T
        state["steps"][where] += 1
        total = add(state["ring"][:, :, where])
        length = np.sqrt(add(total**2) / self.history)
        ratio = 1 + (steps + 1) / self.history
        boundary = np.sqrt(np.where(ratio > np.e, np.log(ratio), 1.0))
        statistic: Doubles = length / boundary
        return statistic, statistic < self.limit / 3, is_fresh(total - units, units)


BOUNDARIES = {
    (0.25, 0.05): 1.86, (0.25, 0.01): 2.13, (0.25, 0.001): 2.32,
    (0.5, 0.05): 2.64, (0.5, 0.01): 3.14, (0.5, 0.001): 3.58,
    (1.0, 0.05): 3.85, (1.0, 0.01): 4.63, (1.0, 0.001): 5.80,
}  # fmt: skip
"""Critical values by window and share of false alarms, for histories of a level and a horizon of
ten histories: quantiles of 4 000 simulated series (see ``tests/series/test_charts.py``)."""
