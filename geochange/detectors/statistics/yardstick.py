"""How far a misfit lies above the bulk of a scene, whatever its unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from geochange.blocks import MAD_TO_SIGMA, FloatArray
from geochange.detectors.base import SIGMA_AT_HALF


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Median and robust standard deviation of a sample of misfits, which are at least 0.

    Examples
    --------
    >>> yardstick = Yardstick.learn(np.array([1, 2, 3, 4, 5], np.float32))
    >>> yardstick.middle, round(yardstick.spread, 2)
    (3.0, 1.48)
    >>> yardstick.score(np.array([0, 3 + 3 * yardstick.spread], np.float32))
    array([0. , 0.5], dtype=float32)
    """

    middle: float
    spread: float

    @classmethod
    def learn(cls, misfits: FloatArray) -> Self:
        """Return the yardstick of a sample; its spread is 1 where all misfits are equal."""
        middle = float(np.median(misfits))
        spread = MAD_TO_SIGMA * float(np.median(np.abs(misfits - middle)))
        return cls(middle, spread if spread > 0 else 1.0)

    def score(self, misfits: FloatArray) -> FloatArray:
        """Return scores: 0.5 three standard deviations above the median.

        Lower misfits are not cut off, so that the rule ``auto`` sees how wide their bulk is:
        misfits have a long tail, which three standard deviations do not always leave behind.
        """
        limit = self.middle + SIGMA_AT_HALF * self.spread
        score: FloatArray = misfits / (misfits + np.float32(limit))
        return score

    def count_sigmas(self, misfits: FloatArray) -> FloatArray:
        """Return how many standard deviations misfits lie above the median, at least 0."""
        sigma: FloatArray = (misfits - np.float32(self.middle)) / np.float32(self.spread)
        return np.maximum(sigma, 0, out=sigma)
