"""What brings pixel values to what a network was trained on; arrays only, no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.errors import BandError, UsageError

LIMIT = 10.0
"""Normalised values are cut here: further out nothing was seen in training."""

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scaling:
    """``(x - centre) / spread`` for each band, cut at plus and minus :data:`LIMIT`.

    Attributes
    ----------
    centre, spread : tuple of float
        In pixel values, one for each band.

    Examples
    --------
    >>> Scaling((100.0,), (20.0,)).apply(np.array([[[60, 100, 120, 9999]]], np.float32))
    array([[[-2.,  0.,  1., 10.]]], dtype=float32)
    """

    centre: tuple[float, ...]
    spread: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = np.array([*self.centre, *self.spread], np.float64)
        if len(self.centre) != len(self.spread) or not np.isfinite(numbers).all():
            msg = "a scaling needs as many finite centres as spreads, one for each band"
            raise UsageError(msg)
        if not self.spread or min(self.spread) <= 0:
            msg = f"a scaling needs spreads above 0, got {self.spread}"
            raise UsageError(msg)

    def apply(self, pixels: FloatArray) -> FloatArray:
        """Scale float32 (..., C, H, W); NaN stays NaN.

        Raises
        ------
        BandError
            Other bands than the scaling has.
        """
        if pixels.shape[-3] != len(self.centre):
            msg = (
                f"the scaling is for {len(self.centre)} bands, the pixels have {pixels.shape[-3]}; "
                "choose the bands it was made for"
            )
            raise BandError(msg)
        centre, gain = self.columns()
        scaled = np.subtract(pixels, centre, dtype=np.float32)
        np.multiply(scaled, gain, out=scaled)
        return np.clip(scaled, -LIMIT, LIMIT, out=scaled)

    def columns(self) -> tuple[FloatArray, FloatArray]:
        """Return centre and 1 / spread, float32 (C, 1, 1) each."""
        centre = np.array(self.centre, np.float32)[:, None, None]
        gain = (1 / np.array(self.spread, np.float64)).astype(np.float32)[:, None, None]
        return centre, gain


@dataclass(frozen=True, slots=True)
class FixedNormalization:
    """The same scaling for every scene: for calibrated pixels such as reflectance.

    Attributes
    ----------
    before, after : Scaling
        Of the two dates.
    """

    before: Scaling
    after: Scaling

    @property
    def bands(self) -> tuple[int, int]:
        """Number of bands of the before and of the after date."""
        return len(self.before.centre), len(self.after.centre)

    def settle(self, before: FloatArray, after: FloatArray) -> tuple[Scaling, Scaling]:
        """Return both scalings, whatever the scene."""
        return self.before, self.after


@dataclass(frozen=True, slots=True)
class SceneNormalization:
    """Percentiles of each band of each date of the scene become -1 and 1.

    Attributes
    ----------
    low, high : float
        Percentiles in 0 to 100.

    Examples
    --------
    >>> ramp = np.arange(101, dtype=np.float32)[:, None]
    >>> SceneNormalization(10, 90).settle(ramp, ramp)[0]
    Scaling(centre=(50.0,), spread=(40.0,))
    """

    low: float = 2.0
    high: float = 98.0

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            msg = f"percentiles must rise within 0 to 100, got {self.low} and {self.high}"
            raise UsageError(msg)

    def settle(self, before: FloatArray, after: FloatArray) -> tuple[Scaling, Scaling]:
        """Return the scalings for a scene.

        Parameters
        ----------
        before, after : float32 (pixels, bands)
            A sample of the valid pixels, at least one.
        """
        return self._of(before), self._of(after)

    def _of(self, pixels: FloatArray) -> Scaling:
        low, high = np.percentile(pixels.astype(np.float64), [self.low, self.high], axis=0)
        spread = (high - low) / 2
        flat = spread <= 0
        spread[flat] = np.maximum(np.abs(high[flat]), 1.0)
        return Scaling(tuple(((low + high) / 2).tolist()), tuple(spread.tolist()))


Normalization = FixedNormalization | SceneNormalization
