"""The images that guide a refinement: a few bands of both dates on one scale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import FloatArray, PairBlock

Array64 = NDArray[np.float64]
LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Guide:
    """Bands of both dates, each brought to a mean of 0 and a spread of 1 over the scene.

    Attributes
    ----------
    bands : tuple of int
        Positions of the bands that are taken of each date.
    centre, spread : float64 (2, B)
        Of each date and band.
    """

    bands: tuple[int, ...]
    centre: Array64
    spread: Array64

    @classmethod
    def learn(cls, blocks: Iterable[PairBlock], bands: tuple[int, ...]) -> Guide:
        """Measure means and spreads over the owned pixels of blocks, in one pass.

        Parameters
        ----------
        blocks : iterable of PairBlock
        bands : tuple of int
        """
        count, sums, squares = 0, np.zeros((2, len(bands))), np.zeros((2, len(bands)))
        for block in blocks:
            owned = block.owned
            count += int(owned.sum())
            for date, image in enumerate((block.before, block.after)):
                pixels = image[list(bands)][:, owned].astype(np.float64)
                sums[date] += pixels.sum(axis=1)
                squares[date] += (pixels**2).sum(axis=1)
        centre = sums / max(count, 1)
        spread = np.sqrt(np.maximum(squares / max(count, 1) - centre**2, 0.0))
        return cls(bands, centre, np.where(spread > LEAST_SPREAD, spread, 1.0))

    def see(self, block: PairBlock) -> FloatArray:
        """Return the guide of a block, float32 (2 * B, H, W); 0 where invalid."""
        chosen = list(self.bands)
        dates = np.stack([block.before[chosen], block.after[chosen]])
        scaled = (dates - self.centre[..., None, None]) / self.spread[..., None, None]
        seen = scaled.reshape(-1, *block.valid.shape).astype(np.float32)
        seen[:, ~block.valid] = 0
        return seen
