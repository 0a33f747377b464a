"""The one step that splits a series best: for few dates, and without seasons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from geochange.blocks import BoolArray, FloatArray
from geochange.errors import UsageError
from geochange.series.levels import measure_levels
from geochange.series.noise import measure_noise
from geochange.series.protocol import Found, IntArray, Ordinals, SeriesBlock, rate
from geochange.series.regression import YEAR, Doubles, add, harmonic_terms, solve
from geochange.series.smoothing import find_spikes

BELIEF = 8.0
"""Degrees of freedom that the noise of the scene has beside a pixel's own spread."""
SEASON_DATES, SEASON_YEARS = 14, 1.2
"""Dates, and years that they span, from which on a season is fitted beside the step."""
MANY_DATES = 10
LEAST_OWN = 0.3
"""Of a step that a level and a season nearly explain, nothing can be said: the sum of squares that
is its own, in observations."""


class Step:
    """Best single break of level, by an F test of all bands.

    For every place between two valid dates a step is fitted, beside a wave of the year where there
    are dates enough, and held against the spread around it: the pixel's own and the scene's
    together, so a pixel that swings back and forth has no step, and one that is steady by chance
    does not pass for a sure one. The place with the largest ratio is the step; the more places were
    tried, the larger it must be. Before that the scene's own level is taken out of each date, so
    light and haze are no step, and single dates that stand out from both sides are left out.

    Parameters
    ----------
    false_alarms : float
        Probability that an unchanged pixel reaches a score of 0.5.
    confirm : int
        Valid dates on each side of a step. What only the last date shows may be a cloud that no
        mask knows of, and with 1 it is taken for change. 0 chooses: 1 for fewer than ten dates,
        else 2.
    relative : bool
        Take the median of the scene out of every date.
    season : bool
        Fit one wave a year beside the step, where there are dates enough for it.

    References
    ----------
    Worsley, K. J. (1979). On the likelihood ratio test for a shift in location of normal
    populations. JASA 74, 365-367. Smyth, G. K. (2004). Linear models and empirical Bayes methods.
    Statistical Applications in Genetics and Molecular Biology 3(1), 3.

    Examples
    --------
    >>> images = np.zeros((8, 2, 3, 3), np.float32)
    >>> images[5:] = 1
    >>> images += 0.05 * np.random.default_rng(0).standard_normal(images.shape)
    >>> days, valid = 730_000 + 365 * np.arange(8), np.ones((8, 3, 3), bool)
    >>> step = Step(relative=False).fit([SeriesBlock(images, valid, days)])
    >>> found = step.score_series(images, valid, days)
    >>> int(found.day[0, 0] - days[5]), bool(found.score[0, 0] > 0.5)
    (0, True)
    """

    halo = 0
    threshold = "0.5"
    least = 3

    def __init__(
        self,
        *,
        false_alarms: float = 1e-4,
        confirm: int = 0,
        relative: bool = True,
        season: bool = True,
    ) -> None:
        if not 0 < false_alarms < 0.5:
            msg = f"false_alarms is a probability below 0.5, got {false_alarms}"
            raise UsageError(msg)
        self.false_alarms = false_alarms
        if confirm < 0:
            msg = f"confirm is a number of dates, 0 to choose it, got {confirm}"
            raise UsageError(msg)
        self.confirm = confirm
        self.relative = relative
        self.season = season

    def fit(self, blocks: Iterable[SeriesBlock]) -> Self:
        """Learn the noise of the scene and the level of each date."""
        kept = list(blocks)
        self.noise_ = measure_noise(kept)
        self.levels_ = measure_levels(kept) if self.relative else None
        return self

    def bytes_per_pixel(self, dates: int, bands: int) -> int:
        """Return what the work on a pixel may hold at a time."""
        return 56 * dates * (bands + 1)

    def score_series(self, images: FloatArray, valid: BoolArray, days: Ordinals) -> Found:
        """Find the best step of every pixel; see :class:`SeriesDetector`."""
        dates, bands, height, width = images.shape
        pixels = images.reshape(dates, bands, -1).astype(np.float64)
        if self.levels_ is not None:
            pixels -= self.levels_[:, :, None]
        known = valid.reshape(dates, -1)
        known = known & ~find_spikes(pixels, known, self.noise_)
        units = pixels / self.noise_[:, None]
        terms = self._choose_terms(days)
        confirm = self.confirm or (1 if dates < MANY_DATES else 2)
        statistic, place, change = split(units, known, terms, confirm)
        count = known.sum(axis=0)
        score = rate(statistic, self._limit(count, len(terms)))
        score[count < 2] = np.nan
        day, since = _date(place, known, days)
        change = np.where(place > 0, change, 0.0) * self.noise_[:, None]
        shape = (height, width)
        return Found(
            score.reshape(shape),
            day.reshape(shape),
            since.reshape(shape),
            change.astype(np.float32).reshape(bands, *shape),
        )

    def _choose_terms(self, days: Ordinals) -> Doubles:
        """Return the predictors beside the step, float64 (K, T): a level, and a season."""
        terms = harmonic_terms(days, 0)
        seasonal = len(days) >= SEASON_DATES and days[-1] - days[0] >= SEASON_YEARS * YEAR
        return terms[[0, 2, 3]] if seasonal and self.season else terms[:1]

    def _limit(self, count: NDArray[np.intp], terms: int) -> Doubles:
        """Return the root of the ratio that unchanged pixels exceed as rarely as is asked for.

        Bands are taken to go together, which is never too bold: then their mean ratio is that of
        one of them.
        """
        table = np.ones(int(count.max(initial=2)) + 1)
        for dates in range(2, len(table)):
            chance = self.false_alarms / (dates - 1)
            freedom = BELIEF + max(dates - terms - 1, 0)
            table[dates] = np.sqrt(fdtri(1.0, freedom, 1 - chance))
        limits: Doubles = table[count]
        return limits


def split(
    units: Doubles, known: BoolArray, terms: Doubles, confirm: int = 1
) -> tuple[Doubles, Doubles, Doubles]:
    """Try a step at every date beside other predictors and keep the best.

    Parameters
    ----------
    units : float64 (T, C, P)
        Values in sigmas of the noise.
    known : bool (T, P)
    terms : float64 (K, T)
        The first is a level.
    confirm : int
        Valid dates that there must be on each side.

    Returns
    -------
    root : float64 (P,)
        Of the ratio between what the step explains and the spread around it, mean of the bands.
    place : float64 (P,)
        First date after the step; 0 where none is possible.
    change : float64 (C, P)
        Height of the step, in sigmas.

    Notes
    -----
    After Frisch, Waugh and Lovell: what a step explains beside other predictors is what its part
    that they do not explain says of the residuals, so running sums over the dates are enough.
    """
    dates, bands, pixels = units.shape
    weight = known.astype(np.float64)
    size = len(terms)
    gram = np.zeros((size, size, pixels))
    moments = np.zeros((size, bands, pixels))
    for date in range(dates):
        gram += (terms[:, None, date] * terms[None, :, date])[..., None] * weight[date]
        moments += terms[:, date][:, None, None] * (units[date] * weight[date])
    fitted = solve(gram, moments, 1e-9)
    rest = [
        (units[date] - add(terms[:, date][:, None, None] * fitted)) * weight[date]
        for date in range(dates)
    ]
    square = add(np.stack([add(part**2) for part in rest]))
    whole = weight.sum(axis=0)
    freedom = np.maximum(whole - size - 1, 0)
    best, place = np.zeros(pixels), np.zeros(pixels)
    change = np.zeros((bands, pixels))
    overlap = np.zeros((size, 1, pixels))
    moment, count = np.zeros((bands, pixels)), np.zeros(pixels)
    for date in reversed(range(1, dates)):
        moment += rest[date]
        count += weight[date]
        overlap += terms[:, date][:, None, None] * weight[date]
        own = count - add(overlap * solve(gram, overlap, 1e-9))[0]
        possible = known[date] & (own > LEAST_OWN)
        possible &= (count >= confirm) & (whole - count >= confirm)
        explained = add(moment**2) / np.where(possible, own, 1.0)
        inside = np.maximum(square - explained, 0.0)
        spread = (BELIEF + inside / bands) / (BELIEF + freedom)
        ratio = np.where(possible, explained / bands / spread, 0.0)
        better = ratio > best
        best = np.where(better, ratio, best)
        place = np.where(better, date, place)
        change = np.where(better, moment / np.where(possible, own, 1.0), change)
    return np.sqrt(best), place, change


def _date(place: Doubles, known: BoolArray, days: Ordinals) -> tuple[IntArray, IntArray]:
    """Return the first day that shows the step and the last valid one before, int32 (P,)."""
    position = place.astype(np.intp)
    stepped = position > 0
    day = np.where(stepped, days[position], 0).astype(np.int32)
    order = np.where(known, np.arange(len(days))[:, None], -1)
    latest = np.maximum.accumulate(order, axis=0)
    before = np.take_along_axis(latest, np.maximum(position - 1, 0)[None], 0)[0]
    since = np.where(stepped & (before >= 0), days[np.maximum(before, 0)], 0).astype(np.int32)
    return day, since
