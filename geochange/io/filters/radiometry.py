"""How pixel values of one date become those that the other date would have recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray

Knots = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class BandMap:
    """A monotone map of the values of one band: a straight line, or straight between knots.

    Attributes
    ----------
    gain, offset : float
        ``gain * value + offset``; with knots, the slope beyond the first and the last one.
    knots : tuple of (value, mapped)
        Strictly rising values; empty for a straight line.

    Examples
    --------
    >>> BandMap(2.0, 1.0).apply(np.array([3.0], np.float32))
    array([7.], dtype=float32)
    >>> BandMap(1.0, knots=((0.0, 10.0), (4.0, 12.0))).apply(np.array([-1, 2, 5], np.float32))
    array([ 9., 11., 13.], dtype=float32)
    """

    gain: float = 1.0
    offset: float = 0.0
    knots: Knots = ()

    @property
    def is_identity(self) -> bool:
        """Whether values stay as they are."""
        return (self.gain, self.offset, self.knots) == (1.0, 0.0, ())

    def apply(self, pixels: FloatArray) -> FloatArray:
        """Return mapped pixels, float32 of any shape; a pixel depends on its own value alone."""
        if not self.knots:
            line: FloatArray = pixels * np.float32(self.gain) + np.float32(self.offset)
            return line
        values, mapped = np.array(self.knots).T
        inner = np.interp(pixels, values, mapped)
        inner += self.gain * (
            np.minimum(pixels - values[0], 0) + np.maximum(pixels - values[-1], 0)
        )
        mapped_pixels: FloatArray = inner.astype(np.float32)
        return mapped_pixels

    def invert(self) -> BandMap:
        """Return the map back.

        Examples
        --------
        >>> BandMap(2.0, 1.0).invert()
        BandMap(gain=0.5, offset=-0.5, knots=())
        """
        knots = tuple((mapped, value) for value, mapped in self.knots)
        return BandMap(1 / self.gain, -self.offset / self.gain, knots)

    def describe(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs, plain enough for JSON."""
        return {
            "gain": self.gain,
            "offset": self.offset,
            "knots": [list(knot) for knot in self.knots],
        }

    @classmethod
    def restore(cls, described: Mapping[str, Any]) -> BandMap:
        """Return the map that was described."""
        knots = tuple((float(value), float(mapped)) for value, mapped in described["knots"])
        return cls(float(described["gain"]), float(described["offset"]), knots)


AS_IS = BandMap()
"""The map that changes nothing."""


def map_bands(pixels: FloatArray, valid: BoolArray, maps: Sequence[BandMap]) -> FloatArray:
    """Return the bands of an image mapped, float32 (C, H, W); invalid pixels stay 0.

    Parameters
    ----------
    pixels : float32 (C, H, W)
    valid : bool (H, W)
    maps : sequence of BandMap
        One a band.
    """
    mapped = np.stack([to.apply(band) for to, band in zip(maps, pixels, strict=True)])
    if not valid.all():
        np.copyto(mapped, np.float32(0), where=~valid)
    return mapped


def invert_limits(
    limits: Sequence[tuple[float, float]], maps: Sequence[BandMap]
) -> list[tuple[float, float]]:
    """Return ranges of mapped values as ranges of the values that the files hold."""
    ends = zip(maps, np.asarray(limits, np.float32), strict=True)
    return [_as_range(to.invert().apply(pair)) for to, pair in ends]


def _as_range(pair: NDArray[np.float32]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
