"""Measure what a fitted detector finds of changes that are put into a pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.alignment.pair import Pair
from geochange.detectability.design import Design
from geochange.detectability.noise import PairNoise, measure_noise
from geochange.detectability.probing import Levels, Prober, probe
from geochange.detectability.rates import NEVER, level_at_rate, share_above
from geochange.detectors.base import Detector
from geochange.engine.stages import Stages
from geochange.errors import InputError, UsageError
from geochange.io.stores.score import SCORE_LEVELS, SCORE_SCALE
from geochange.maps.clean import least_level
from geochange.maps.threshold import ScoreAtP, Threshold, choose_threshold

Histogram = NDArray[np.int64]
FALSE_ALARMS, OWN = "false alarms", "run"
"""Names of the two thresholds: at a stated false-alarm rate, and the run's own."""


@dataclass(frozen=True)
class Cut:
    """A threshold that changes are held against.

    Attributes
    ----------
    name : str
        ``false alarms`` or ``run``.
    level : int
        Least stored score that counts.
    share : float
        Share of the pixels of the pair as it is that reach it.
    rule : str
        What chose it.
    """

    name: str
    level: int
    share: float
    rule: str

    @property
    def score(self) -> float | None:
        """The threshold as a score; None where no score reaches it."""
        return None if self.level >= NEVER else self.level * SCORE_SCALE


@dataclass(frozen=True)
class Measured:
    """How many changes were found.

    Attributes
    ----------
    design : Design
    noise : PairNoise
    bands : tuple of str
    cuts : tuple of Cut
    tried : int64 (cuts, sizes)
        Places whose footprint does not reach the threshold without a change.
    found : int64 (cuts, kinds, sizes, contrasts)
        Of those, where it does with the change.
    """

    design: Design
    noise: PairNoise
    bands: tuple[str, ...]
    cuts: tuple[Cut, ...]
    tried: NDArray[np.int64]
    found: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Probability of detection, float64 (cuts, kinds, sizes, contrasts); NaN untried."""
        tried = self.tried[:, None, :, None].astype(np.float64)
        unknown = np.full(self.found.shape, np.nan)
        shares: NDArray[np.float64] = np.divide(self.found, tried, out=unknown, where=tried > 0)
        return shares


def check_rate(rate: float) -> None:
    """Raise :class:`geochange.errors.UsageError` for what is no false-alarm rate."""
    if not 0 < rate < 1:
        msg = f"a false-alarm rate lies between 0 and 1, got {rate:g}; 1e-4 is usual"
        raise UsageError(msg)


def choose_cuts(
    histogram: Histogram, rate: float, own: Threshold, *, score_at_p: ScoreAtP | None = None
) -> tuple[Cut, ...]:
    """Return the threshold at a false-alarm rate and the run's own.

    Where the run found that nothing changed, its own threshold is the one that its rule chooses
    when a single pixel has the highest score.

    Parameters
    ----------
    histogram : int64 (65535,)
        Of the stored scores of the pair as it is.
    rate : float
    own : Threshold
    score_at_p : callable, optional
        Of the detector.
    """
    if own.value is None:
        changed = histogram.copy()
        changed[SCORE_LEVELS - 1] += 1
        own = choose_threshold(changed, own.method, score_at_p=score_at_p)
    levels = {FALSE_ALARMS: level_at_rate(histogram, rate), OWN: least_level(own.value)}
    rules = {FALSE_ALARMS: f"reached by at most a share of {rate:g} of the pixels", OWN: own.method}
    return tuple(
        Cut(name, level, share_above(histogram, level), rules[name])
        for name, level in levels.items()
    )


def measure(
    pair: Pair, detector: Detector, design: Design, cuts: tuple[Cut, ...], stages: Stages
) -> Measured:
    """Put changes of every size and contrast into a pair and count those that are found.

    Parameters
    ----------
    pair : Pair
        Registered, as the detector saw it.
    detector : Detector
        Fitted.
    design : Design
    cuts : tuple of Cut
    stages : Stages

    Raises
    ------
    InputError
        There is no place where a change could be put in.
    """
    noise = measure_noise(pair, stages)
    prober = Prober(pair, detector, noise, design)
    sizes, contrasts = len(design.sizes_px), len(design.contrasts)
    tried = np.zeros((len(cuts), sizes), np.int64)
    found = np.zeros((len(cuts), len(noise.kinds), sizes, contrasts), np.int64)
    for size in range(sizes):
        levels = probe(prober, size, stages)
        for number, cut in enumerate(cuts):
            tried[number, size], counts = _count(levels, cut.level)
            found[number, :, size] = counts.reshape(len(noise.kinds), contrasts)
    if not tried.any():
        height, width = pair.shape
        msg = (
            f"the {height} x {width} px have no place where a change could be put in: all pixels "
            "are invalid, or called change already; check masks and the threshold"
        )
        raise InputError(msg)
    return Measured(design, noise, pair.before.bands, cuts, tried, found)


def _count(levels: Levels, cut: int) -> tuple[int, NDArray[np.int64]]:
    """Return the places that are below a level without a change, and how many changes reach it."""
    quiet = levels[levels[:, 0] < cut]
    return len(quiet), np.count_nonzero(quiet[:, 1:] >= cut, axis=0)
