"""How much the values of unchanged ground differ from one date to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import MAD_TO_SIGMA
from geochange.errors import InputError
from geochange.series.protocol import SeriesBlock

MOST_PIXELS = 4000
"""Of a block, taken evenly."""


class SceneNoise:
    """Learns the noise of a scene, the yardstick of methods that take one date after the other.

    Attributes
    ----------
    noise_ : float64 (C,)
        Of each band.
    """

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


def measure_noise(blocks: Iterable[SeriesBlock]) -> NDArray[np.float64]:
    """Return the noise of each band, float64 (C,), in the units of the images.

    For neighbouring dates the spread of their differences about the median difference of the
    scene, over the square root of two; then the median over the dates. Light that changes as a
    whole does not count, change of a minority of the pixels hardly.

    Raises
    ------
    InputError
        No pixel is valid at two neighbouring dates.
    """
    differences: list[list[NDArray[np.float32]]] = []
    for block in blocks:
        dates, bands = block.images.shape[:2]
        pixels = block.images.reshape(dates, bands, -1)
        valid = block.valid.reshape(dates, -1)
        step = max(1, pixels.shape[-1] // MOST_PIXELS)
        pixels, valid = pixels[..., ::step], valid[..., ::step]
        differences = differences or [[] for _ in range(dates - 1)]
        for position in range(dates - 1):
            both = valid[position] & valid[position + 1]
            apart = pixels[position + 1][:, both] - pixels[position][:, both]
            differences[position].append(apart)
    spreads = []
    for parts in differences:
        apart = np.concatenate(parts, axis=1)
        if apart.shape[1]:
            middle = np.median(apart, axis=1, keepdims=True)
            spreads.append(MAD_TO_SIGMA / np.sqrt(2) * np.median(np.abs(apart - middle), axis=1))
    if not spreads:
        msg = (
            "no pixel is valid at two neighbouring dates: all cloudy, masked or without data; "
            "check masks and nodata, or leave --mask-clouds out"
        )
        raise InputError(msg)
    noise: NDArray[np.float64] = np.median(np.array(spreads, np.float64), axis=0)
    tiny = 1e-6 * max(float(noise.max()), 1e-6)
    return np.maximum(noise, tiny)
