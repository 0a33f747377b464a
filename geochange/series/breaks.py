"""Breaks of a harmonic model of the seasons, found as observations come in: after CCDC and COLD."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtri

from geochange.blocks import BoolArray, FloatArray
from geochange.errors import UsageError
from geochange.series.buffer import BUFFER, push, thin
from geochange.series.gathering import WATCHING, Gathering
from geochange.series.noise import SceneNoise
from geochange.series.protocol import Found, Ordinals, State, rate, run_through
from geochange.series.regression import TERMS
from geochange.series.watching import Watching


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
        push(state, where, values[:, where], day)
        watching = state["phase"][where] == WATCHING
        Watching(self.consecutive, self.confidence, self.max_angle).decide(state, where[watching])
        Gathering(self.least_observations, self.least_years, self.confidence, self.noise_).begin(
            state, where[~watching]
        )
        thin(state, where)

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
