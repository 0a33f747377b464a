"""Whether the latest observations of a pixel fit its model, are outliers or a break."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import chdtri

from geochange.series.buffer import Places, drop_oldest
from geochange.series.gathering import GATHERING
from geochange.series.protocol import State
from geochange.series.regression import Doubles, add
from geochange.series.segments import deviate, join, scale

OUTLIER = 1e-6
"""Probability of a single observation so far off that is taken for an outlier."""


@dataclass(frozen=True)
class Watching:
    """When observations in succession are a break.

    Attributes
    ----------
    consecutive : int
    confidence : float
    max_angle : float
        In degrees.
    """

    consecutive: int
    confidence: float
    max_angle: float

    def decide(self, state: State, where: Places) -> None:
        """Decide about the oldest of the observations that are held back, where all are there."""
        where = where[state["kept"][where] >= self.consecutive]
        if not where.size:
            return
        raw = deviate(state, where, np.arange(self.consecutive)[:, None])
        relative = raw / scale(state, where)
        strength = np.stack([add(part**2) for part in relative])
        bands = raw.shape[1]
        limit = float(chdtri(bands, 1 - self.confidence))
        weakest = strength.min(axis=0)
        together = mean_angle(relative) <= self.max_angle
        changed = (weakest > limit) & together
        note(state, where, np.where(together, weakest, np.minimum(weakest, limit / 2)), raw)
        outlying = ~changed & (strength[0] > float(chdtri(bands, OUTLIER)))
        join(state, where[~changed & ~outlying])
        drop_oldest(state, where[~changed], self.consecutive)
        state["phase"][where[changed]] = GATHERING


def note(state: State, where: Places, strength: Doubles, raw: Doubles) -> None:
    """Remember the strongest of all deviations so far."""
    better = strength > state["best"][where]
    chosen = where[better]
    state["best"][chosen] = strength[better]
    state["best_day"][chosen] = state["days"][0, chosen]
    state["best_since"][chosen] = state["last"][chosen]
    state["best_change"][:, chosen] = np.median(raw[:, :, better], axis=0)


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
