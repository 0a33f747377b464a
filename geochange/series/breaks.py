"""Breaks of a harmonic model of the seasons, found as observations come in: after CCDC and COLD."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from geochange.blocks import BoolArray, FloatArray
from geochange.errors import UsageError
from geochange.series.noise import SceneNoise
from geochange.series.protocol import Found, Ordinals, State, rate, run_through
from geochange.series.regression import (
    TERMS,
    YEAR,
    Doubles,
    add,
    combine,
    fit_robustly,
    harmonic_terms,
    masked_median,
    shrink,
)

BUFFER = 64
"""Observations that a pixel keeps at most until it has a model."""
GATHERING, WATCHING = 0, 1
SCREEN_SIGMAS = 4.42
"""Tmask: residual of a robust fit, in units of the variogram, of a cloud or its shadow."""
OUTLIER = 1e-6
"""Probability of a single observation so far off that is taken for an outlier."""
GROWTH = 1.33
"""A model is fitted anew when its time span has grown by this factor (Zhu et al. 2020)."""
FEW = 24
"""Up to so many observations it is fitted anew with each."""
PENALTY = 0.2
"""Of the lasso, in units of the noise: 20 for reflectance times 10 000 with a noise of 100."""
FLOOR = 0.3
"""Share of the noise of the scene below which no pixel's noise is believed."""


class HarmonicBreak(SceneNoise):
    """Harmonic regression with breaks, one observation after the other.

    Each pixel gathers observations until a year is covered, leaves out those that a robust fit
    finds to be clouds or shadows (Tmask), and fits level, trend and up to three harmonics of all
    bands by the lasso. From then on ``consecutive`` observations are held back: when all of them
    deviate together by more than chance (chi-square over the bands) and in one direction, the
    ground has changed at the first of them, and the pixel starts again there; when only the first
    does, it is an outlier; else it joins the model.

    Parameters
    ----------
    consecutive : int
        Observations that must agree on a change.
    confidence : float
        Probability that a deviation is not chance.
    least_observations : int
        For the first model.
    least_years : float
        Span of them.
    max_angle : float
        Mean angle in degrees between deviations in succession that still is one direction.

    References
    ----------
    Zhu, Z. and Woodcock, C. E. (2014). Continuous change detection and classification of land
    cover using all available Landsat data. RSE 144, 152-171. Zhu, Z. et al. (2020). Continuous
    monitoring of land disturbance based on Landsat time series. RSE 238, 111116. Ye, S. et al.
    (2021). A near-real-time approach for monitoring forest disturbance using Landsat time series:
    stochastic continuous change detection. RSE 252, 112167.

    Notes
    -----
    Unlike COLD, a model knows its past as sums of squares and products, so that new observations
    update it without the archive: the noise is that of the whole segment and not that of the
    24 observations nearest in season, the variogram is that of a segment's first observations and
    not of all, and observations before the first stable window are not taken in afterwards.

    Examples
    --------
    >>> from geochange.series.protocol import SeriesBlock
    >>> days = 730_000 + 16 * np.arange(120)
    >>> wave = np.cos(2 * np.pi * days / 365.25) + 0.05 * np.sin(7.0 * np.arange(120))
    >>> images = (wave + 3 * (np.arange(120) >= 80)).astype(np.float32)[:, None, None, None]
    >>> valid = np.ones((120, 1, 1), bool)
    >>> block = SeriesBlock(images, valid, days)
    >>> found = HarmonicBreak().fit([block]).score_series(images, valid, days)
    >>> int(found.day[0, 0] - days[80]), bool(found.score[0, 0] > 0.5)
    (0, True)
    """

    halo = 0
    threshold = "0.5"

    def __init__(
        self,
        *,
        consecutive: int = 6,
        confidence: float = 0.99,
        least_observations: int = 12,
        least_years: float = 1.0,
        max_angle: float = 45.0,
    ) -> None:
        if not 2 <= consecutive <= BUFFER // 2 or not 6 <= least_observations <= BUFFER:
            msg = (
                f"consecutive must be 2 to {BUFFER // 2} and least_observations 6 to {BUFFER}, got "
                f"{consecutive} and {least_observations}"
            )
            raise UsageError(msg)
        if not 0.5 <= confidence < 1:
            msg = f"confidence is a probability of 0.5 to below 1, got {confidence}"
            raise UsageError(msg)
        self.consecutive = consecutive
        self.confidence = confidence
        self.least_observations = least_observations
        self.least_years = least_years
        self.max_angle = max_angle

    @property
    def least(self) -> int:
        """Dates without which it finds nothing."""
        return self.least_observations + self.consecutive

    def bytes_per_pixel(self, dates: int, bands: int) -> int:
        """Return what the work on a pixel may hold at a time."""
        return 4 * (BUFFER * (bands + 1) * 4 + (64 + 24 * bands) * 8)

    def score_series(self, images: FloatArray, valid: BoolArray, days: Ordinals) -> Found:
        """Find the strongest break of every pixel; see :class:`SeriesDetector`."""
        return run_through(self, images, valid, days)

    def start(self, pixels: int, bands: int) -> State:
        """Return the state of pixels of which nothing was seen yet."""
        return {
            "phase": np.zeros(pixels, np.uint8),
            "kept": np.zeros(pixels, np.int16),
            "days": np.zeros((BUFFER, pixels), np.int32),
            "values": np.zeros((BUFFER, bands, pixels), np.float32),
            "gram": np.zeros((TERMS, TERMS, pixels)),
            "moments": np.zeros((TERMS, bands, pixels)),
            "squares": np.zeros((bands, pixels)),
            "count": np.zeros(pixels, np.int32),
            "coefficients": np.zeros((TERMS, bands, pixels)),
            "rmse": np.zeros((bands, pixels)),
            "variogram": np.zeros((bands, pixels)),
            "first": np.zeros(pixels, np.int32),
            "last": np.zeros(pixels, np.int32),
            "span": np.zeros(pixels, np.int32),
            "segments": np.zeros(pixels, np.int16),
            "seen": np.zeros(pixels, np.int32),
            "best": np.zeros(pixels),
            "best_day": np.zeros(pixels, np.int32),
            "best_since": np.zeros(pixels, np.int32),
            "best_change": np.zeros((bands, pixels), np.float32),
        }

    def update(self, state: State, values: FloatArray, valid: BoolArray, day: int) -> None:
        """Take in one date."""
        where = np.flatnonzero(valid)
        if not where.size:
            return
        state["seen"][where] += 1
        at = state["kept"][where]
        state["days"][at, where] = day
        state["values"][at, :, where] = values[:, where].T
        state["kept"][where] = at + 1
        watching = state["phase"][where] == WATCHING
        ready = where[watching]
        ready = ready[state["kept"][ready] >= self.consecutive]
        if ready.size:
            self._watch(state, ready)
        young = where[~watching]
        young = young[self._may_start(state, young)]
        if young.size:
            self._begin(state, young)
        self._thin(state, where)

    def report(self, state: State) -> Found:
        """Say which break of each pixel is the strongest, or what came nearest to one."""
        limit = float(np.sqrt(chdtri(state["squares"].shape[0], 1 - self.confidence)))
        score = rate(np.sqrt(state["best"]), limit)
        unknown = state["segments"] == 0
        score[unknown] = np.where(state["seen"][unknown] >= self.least_observations, 0.0, np.nan)
        return Found(
            score,
            state["best_day"].copy(),
            state["best_since"].copy(),
            state["best_change"].copy(),
        )

    def _may_start(self, state: State, where: NDArray[np.intp]) -> BoolArray:
        kept = state["kept"][where]
        span = state["days"][kept - 1, where] - state["days"][0, where]
        enough: BoolArray = (kept >= self.least_observations) & (span >= self.least_years * YEAR)
        return enough

    def _begin(self, state: State, where: NDArray[np.intp]) -> None:
        """Screen what was gathered, fit a first model, and keep it where it is stable."""
        kept = state["kept"][where]
        known = np.arange(BUFFER)[:, None] < kept
        days, values = state["days"][:, where], state["values"][:, :, where]
        variogram = self._measure_variogram(values, known)
        clear = known & ~self._screen(days, values, known, variogram)
        self._keep(state, where, clear)
        where, variogram = self._enough(state, where, variogram)
        if not where.size:
            return
        self._sum_up(state, where)
        state["variogram"][:, where] = variogram
        self._refit(state, where)
        stable = self._is_stable(state, where)
        good, bad = where[stable], where[~stable]
        state["phase"][good] = WATCHING
        state["segments"][good] += 1
        state["kept"][good] = 0
        if bad.size:  # slide: forget the oldest
            rest = np.arange(BUFFER)[:, None] < state["kept"][bad]
            rest[0] = False
            self._keep(state, bad, rest)

    def _enough(
        self, state: State, where: NDArray[np.intp], variogram: Doubles
    ) -> tuple[NDArray[np.intp], Doubles]:
        enough = self._may_start(state, where)
        return where[enough], variogram[:, enough]

    def _measure_variogram(self, values: FloatArray, known: BoolArray) -> Doubles:
        steps = np.abs(np.diff(values, axis=0)).astype(np.float64)
        both = known[1:] & known[:-1]
        median = masked_median(steps, both[:, None])
        least: Doubles = np.maximum(median, FLOOR * self.noise_[:, None])
        return least

    def _screen(
        self, days: NDArray[np.int32], values: FloatArray, known: BoolArray, variogram: Doubles
    ) -> BoolArray:
        """Find clouds and shadows: far from a robust fit in most bands."""
        terms = harmonic_terms(days, int(days[0].min()))[:4].transpose(1, 0, 2)
        most = int(known.sum(axis=0).max())
        _, residuals = fit_robustly(terms[:most], values[:most], known[:most])
        far = np.abs(residuals) > SCREEN_SIGMAS * variogram
        outlying = np.zeros(known.shape, np.bool_)
        outlying[:most] = far.sum(axis=1) >= max(1, (values.shape[1] + 1) // 2)
        return outlying

    def _keep(self, state: State, where: NDArray[np.intp], chosen: BoolArray) -> None:
        """Keep the chosen of the gathered observations, (BUFFER, n), in order."""
        order = np.argsort(~chosen, axis=0, kind="stable")
        state["days"][:, where] = np.take_along_axis(state["days"][:, where], order, 0)
        values = state["values"][:, :, where]
        state["values"][:, :, where] = np.take_along_axis(values, order[:, None], 0)
        state["kept"][where] = chosen.sum(axis=0)

    def _thin(self, state: State, where: NDArray[np.intp]) -> None:
        """Drop every other observation of pixels whose buffer is full before a year is."""
        full = where[state["kept"][where] >= BUFFER]
        if full.size:
            even = np.zeros((BUFFER, full.size), np.bool_)
            even[::2] = True
            self._keep(state, full, even)

    def _sum_up(self, state: State, where: NDArray[np.intp]) -> None:
        for name in ("gram", "moments", "squares"):
            state[name][..., where] = 0
        state["count"][where] = 0
        state["first"][where] = state["days"][0, where]
        most = int(state["kept"][where].max())
        for position in range(most):
            has = where[state["kept"][where] > position]
            self._add(state, has, state["days"][position, has], state["values"][position][:, has])

    def _add(
        self, state: State, where: NDArray[np.intp], days: NDArray[np.int32], values: FloatArray
    ) -> None:
        """Add an observation to the sums of pixels, values (C, n)."""
        terms = harmonic_terms(days, ORIGIN)
        exact = values.astype(np.float64)
        state["gram"][:, :, where] += terms[:, None] * terms[None]
        state["moments"][:, :, where] += terms[:, None] * exact[None]
        state["squares"][:, where] += exact**2
        state["count"][where] += 1
        state["last"][where] = days

    def _refit(self, state: State, where: NDArray[np.intp]) -> None:
        """Fit as many terms as the observations carry."""
        count = state["count"][where]
        for least, most, size in ((0, 18, 4), (18, 24, 6), (24, np.inf, TERMS)):
            some = where[(count >= least) & (count < most)]
            if some.size:
                self._fit_terms(state, some, size)
        state["span"][where] = state["last"][where] - state["first"][where]

    def _fit_terms(self, state: State, where: NDArray[np.intp], size: int) -> None:
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

    def _scale(self, state: State, where: NDArray[np.intp]) -> Doubles:
        scale: Doubles = np.maximum(state["rmse"][:, where], state["variogram"][:, where])
        return scale

    def _deviate(self, state: State, where: NDArray[np.intp], position: Any) -> Doubles:
        """Return observed minus predicted of a buffered observation, float64 (C, n)."""
        days = state["days"][position, where]
        terms = harmonic_terms(days, ORIGIN)
        values = state["values"][position, :, where].T
        deviation: Doubles = values - combine(terms, state["coefficients"][:, :, where])
        return deviation

    def _is_stable(self, state: State, where: NDArray[np.intp]) -> BoolArray:
        """Tell where trend, first and last observation are no change."""
        years = (state["last"][where] - state["first"][where]) / YEAR
        slope = np.abs(state["coefficients"][1, :, where].T) * years
        ends = [0, state["kept"][where] - 1]
        first, last = (np.abs(self._deviate(state, where, end)) for end in ends)
        worst = np.maximum(slope, np.maximum(first, last)) / self._scale(state, where)
        limit = chdtri(len(worst), 1 - self.confidence)
        stable: BoolArray = add(worst**2) <= limit
        return stable

    def _watch(self, state: State, where: NDArray[np.intp]) -> None:
        """Decide about the oldest of the observations that are held back."""
        scale = self._scale(state, where)
        raw = np.stack([self._deviate(state, where, p) for p in range(self.consecutive)])
        relative = raw / scale
        strength = np.stack([add(part**2) for part in relative])
        bands = raw.shape[1]
        limit = float(chdtri(bands, 1 - self.confidence))
        weakest = strength.min(axis=0)
        together = mean_angle(relative) <= self.max_angle
        changed = (weakest > limit) & together
        self._note(state, where, np.where(together, weakest, np.minimum(weakest, limit / 2)), raw)
        outlying = ~changed & (strength[0] > float(chdtri(bands, OUTLIER)))
        self._join(state, where[~changed & ~outlying])
        self._advance(state, where[~changed])
        state["phase"][where[changed]] = GATHERING

    def _note(self, state: State, where: NDArray[np.intp], strength: Doubles, raw: Doubles) -> None:
        """Remember the strongest of all deviations so far."""
        better = strength > state["best"][where]
        chosen = where[better]
        state["best"][chosen] = strength[better]
        state["best_day"][chosen] = state["days"][0, chosen]
        state["best_since"][chosen] = state["last"][chosen]
        state["best_change"][:, chosen] = np.median(raw[:, :, better], axis=0)

    def _join(self, state: State, where: NDArray[np.intp]) -> None:
        if not where.size:
            return
        self._add(state, where, state["days"][0, where], state["values"][0][:, where])
        span = state["last"][where] - state["first"][where]
        due = (state["count"][where] <= FEW) | (span >= GROWTH * state["span"][where])
        if due.any():
            self._refit(state, where[due])

    def _advance(self, state: State, where: NDArray[np.intp]) -> None:
        held = self.consecutive
        state["days"][: held - 1, where] = state["days"][1:held, where]
        state["values"][: held - 1, :, where] = state["values"][1:held, :, where]
        state["kept"][where] -= 1


ORIGIN = 719_163
"""Ordinal of 1970-01-01, from which trends count."""


def mean_angle(steps: Doubles) -> Doubles:
    """Return the mean angle in degrees between vectors in succession, (N, C, P) to (P,).

    Examples
    --------
    >>> steps = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])[..., None]
    >>> mean_angle(steps)
    array([45.])
    """
    length = np.sqrt(np.stack([add(step**2) for step in steps]))
    product = np.stack([add(one * two) for one, two in pairwise(steps)])
    cosine = product / np.maximum(length[1:] * length[:-1], 1e-12)
    angles: Doubles = add(np.degrees(np.arccos(np.clip(cosine, -1, 1)))) / len(cosine)
    return angles
