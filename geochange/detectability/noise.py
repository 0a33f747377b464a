"""Noise of the unchanged pixels of a pair: the unit in which contrasts are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.alignment.pair import Pair
from geochange.blocks import PixelSample
from geochange.detectors.methods.context import fit_line, whiten
from geochange.detectors.statistics.samples import estimate_noise, require_pixels
from geochange.engine.scoring import FIT_MAX_PIXELS, FIT_TILE_PX, read_or_salvage
from geochange.engine.stages import Stages
from geochange.tiles import TilePlan

MAX_PIXELS = 100_000
KINDS = ("spectral", "brightness")


@dataclass(frozen=True)
class PairNoise:
    """Noise of the difference of unchanged pixels, once a line per band matched the dates.

    Attributes
    ----------
    sigma : float64 (B,)
        Robust standard deviation of each band, in units of the after date.
    mixing : float64 (B, B)
        Turns noise of unit covariance into noise of the difference.
    """

    sigma: NDArray[np.float64]
    mixing: NDArray[np.float64]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of change: with a single band there is only a brighter or a darker one."""
        return KINDS if len(self.sigma) > 1 else KINDS[1:]

    def draw(self, kind: str, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw the change of every band at a contrast of one sigma.

        Parameters
        ----------
        kind : {'spectral', 'brightness'}
            ``spectral``: a random direction of whitened space, ``sqrt(B)`` long, so that the root
            mean square over the whitened bands is one sigma. It is spread as the noise itself is
            and has no preferred direction. ``brightness``: all bands by their sigma, all brighter
            or all darker, as light, haze and shadow act.
        rng : numpy.random.Generator

        Returns
        -------
        float64 (B,)
        """
        if kind == "brightness":
            return self.sigma * (1 if rng.random() < 0.5 else -1)
        direction = rng.standard_normal(len(self.sigma))
        direction *= np.sqrt(direction.size) / np.linalg.norm(direction)
        change: NDArray[np.float64] = self.mixing @ direction
        return change

    def describe(self, bands: tuple[str, ...]) -> dict[str, Any]:
        """Return sigma by band."""
        return {band: float(value) for band, value in zip(bands, self.sigma, strict=True)}


def learn_noise(before: NDArray[np.floating[Any]], after: NDArray[np.floating[Any]]) -> PairNoise:
    """Learn the noise from pixels of both dates, (pixels, bands).

    Gain and offset of each band are a robust line, the standard deviation is 1.4826 times the
    median absolute deviation, correlations are those of a reweighted covariance: changed pixels
    have little say.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> before = rng.uniform(0, 100, (50_000, 2))
    >>> after = 2 * before + rng.normal(0, [3, 5], before.shape)
    >>> learn_noise(before, after).sigma.round(1)
    array([3., 5.])
    """
    x, y = before.astype(np.float64), after.astype(np.float64)
    lines = [fit_line(x[:, band], y[:, band]) for band in range(x.shape[1])]
    difference = y - np.array([gain for gain, _ in lines]) * x
    difference -= np.median(difference, axis=0)
    sigma = estimate_noise(difference, y)
    whitening = whiten(difference, y, np.zeros(len(sigma)), 0.0).astype(np.float64)
    return PairNoise(sigma, np.asarray(np.linalg.inv(whitening), np.float64))


def measure_noise(pair: Pair, stages: Stages) -> PairNoise:
    """Learn the noise of a pair from the tiles that detectors learn from.

    Raises
    ------
    InputError
        No pixel is valid at both dates.
    """
    plan = TilePlan(pair.shape, min(FIT_TILE_PX, max(pair.shape)))
    blocks = stages.run_here(
        lambda tile: read_or_salvage(pair, tile)[0], plan.sample(FIT_MAX_PIXELS), in_flight=2
    )
    before, after = PixelSample(MAX_PIXELS).gather(blocks)
    require_pixels(len(before))
    return learn_noise(before, after)
