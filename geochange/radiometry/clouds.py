"""What looks like cloud, haze or the shadow of a cloud, by the colour of the ground below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from geochange.blocks import BoolArray, FloatArray

NEEDED = ("blue", "green", "red")
USEFUL = (*NEEDED, "nir", "cirrus")
"""Roles of bands that tell of clouds."""
CLOUD_WIDTH_M, MOST_RADIUS_PX = 100.0, 12
"""Roofs are as bright and flat as clouds, but smaller."""
SHADOW_REACH_M, MOST_REACH_PX = 600.0, 40
BRIGHT = (0.20, 0.32)
"""Mean reflectance of the visible bands: surely no cloud, surely one."""
COLOURED = (0.15, 0.45)
"""Sum of the deviations of the visible bands from their mean, over it: surely white, surely not."""
HAZY = (0.07, 0.11)
"""Haze-optimised transform, blue less half of red: clear, hazy."""
THIN = (0.03, 0.07)
"""Reflectance by which haze lifts the darkest blue around a pixel against the other date."""
HAZE_WIDTHS = 3
"""Haze is wider than the least cloud by this factor."""
DIFFERS = (0.1, 0.3)
"""Difference of two dates' brightness, relative to the brighter: surely ground, surely not."""
CIRRUS = (0.010, 0.025)
DARK = (0.65, 0.40)
"""Near infrared in the shadow of a cloud, over that of the other date."""


@dataclass(frozen=True, slots=True)
class CloudModel:
    """How bands become a likelihood of cloud.

    Three signs, each from 0 to 1 between two reflectances; the strongest counts:

    - cloud: bright, white (Gomez-Chova et al. 2007) and blue for its red (Zhang et al. 2002), over
      at least 100 m, since roofs are like that too, and not equally so at both dates; or light in
      the cirrus band;
    - haze: the darkest blue around is lighter than at the other date by more than elsewhere in the
      scene (the dark object that atmospheric correction looks for, Chavez 1988);
    - shadow: the near infrared is darker than at the other date, as widely, near a cloud.

    Snow, salt, sand and large white roofs are taken for clouds, and change of a whole quarter from
    dark to bright for haze: it is a flag, not a mask, unless one is asked for.

    Attributes
    ----------
    blue, green, red : int
        Positions of the bands.
    nir, cirrus : int or None
    scales : tuple of float
        Turn values of the before and the after date into reflectance.
    lift : float
        Median by which the darkest blue around is lighter at the after date, in reflectance.
    radius_px, reach_px : int
        Half the least width of a cloud, and how far its shadow may lie.

    References
    ----------
    Zhang, Y., Guindon, B. and Cihlar, J. (2002). An image transform to characterize and
    compensate for spatial variations in thin cloud contamination of Landsat images. RSE 82,
    173-187. Gomez-Chova, L. et al. (2007). Cloud-screening algorithm for ENVISAT/MERIS
    multispectral images. IEEE TGRS 45(12), 4105-4118. Zhu, Z. and Woodcock, C. E. (2012).
    Object-based cloud and cloud shadow detection in Landsat imagery. RSE 118, 83-94. Chavez, P. S.
    (1988). An improved dark-object subtraction technique for atmospheric scattering correction of
    multispectral data. RSE 24, 459-479.

    Examples
    --------
    >>> model = CloudModel(0, 1, 2, radius_px=2)
    >>> clear = np.full((3, 30, 30), 0.08, np.float32)
    >>> cloudy = clear.copy()
    >>> cloudy[:, 10:20, 10:20] = 0.5
    >>> risk = model.find(clear, cloudy, np.ones((30, 30), bool))
    >>> float(risk[0].max()), float(risk[1, 15, 15]), float(risk[1, 2, 2])
    (0.0, 1.0, 0.0)
    """

    blue: int
    green: int
    red: int
    nir: int | None = None
    cirrus: int | None = None
    scales: tuple[float, float] = (1.0, 1.0)
    lift: float = 0.0
    radius_px: int = 6
    reach_px: int = 0

    @property
    def halo(self) -> int:
        """Margin in pixels that :meth:`find` must see."""
        return 3 * self.radius_px + self.reach_px + 1

    def find(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Return the likelihood of cloud, haze or shadow at both dates, float32 (2, H, W).

        Parameters
        ----------
        before, after : float32 (C, H, W)
        valid : bool (H, W)
            Of both dates; 0 is returned where it is not.
        """
        dates = [
            date * np.float32(scale)
            for date, scale in zip((before, after), self.scales, strict=True)
        ]
        lifted = self.compare_darkest(before, after, valid) - np.float32(self.lift)
        found = np.zeros((2, *valid.shape), np.float32)
        cloudy = self._tell_from_ground(dates, [self._find_cloud(date) for date in dates])
        for date, sign in enumerate((-1, 1)):
            if self.cirrus is not None:
                thin = _ramp(dates[date][self.cirrus], *CIRRUS)
                np.maximum(cloudy[date], thin, out=cloudy[date])
            cloud = self._widen(cloudy[date], valid)
            haze = _ramp(sign * lifted, *THIN)
            risk = np.maximum(cloud, haze)
            if self.nir is not None and self.reach_px:
                shadow = self._find_shadow(dates[date], dates[1 - date], cloud, valid)
                risk = np.maximum(risk, shadow)
            found[date] = np.where(valid, risk, np.float32(0))
        return found

    def compare_darkest(
        self, before: FloatArray, after: FloatArray, valid: BoolArray
    ) -> FloatArray:
        """Return by how much the darkest blue around is lighter at the after date, (H, W)."""
        size = 2 * HAZE_WIDTHS * self.radius_px + 1
        darkest = []
        for date, scale in zip((before, after), self.scales, strict=True):
            blue = np.where(valid, date[self.blue] * np.float32(scale), np.float32(np.inf))
            blue = ndimage.median_filter(blue, 3)  # dead pixels are no dark ground
            low = ndimage.minimum_filter(blue, size, mode="constant", cval=np.inf)
            low = np.where(np.isfinite(low), low, np.float32(0))
            darkest.append(low.astype(np.float32))
        lighter: FloatArray = darkest[1] - darkest[0]
        return lighter

    def _find_cloud(self, date: FloatArray) -> FloatArray:
        """Return how bright, white and blue for its red each pixel is, (H, W)."""
        visible = date[[self.blue, self.green, self.red]]
        mean = visible.mean(axis=0)
        colour = np.abs(visible - mean).sum(axis=0) / np.maximum(mean, np.float32(1e-6))
        haze = date[self.blue] - date[self.red] / 2
        cloud = _ramp(mean, *BRIGHT)
        for sign in (1 - _ramp(colour, *COLOURED), _ramp(haze, *HAZY)):
            np.minimum(cloud, sign, out=cloud)
        return cloud

    def _tell_from_ground(
        self, dates: list[FloatArray], likelihoods: list[FloatArray]
    ) -> list[FloatArray]:
        """Take back what is white at both dates and equally bright: that is ground."""
        first, second = (date[[self.blue, self.green, self.red]].mean(axis=0) for date in dates)
        brighter = np.maximum(np.maximum(first, second), np.float32(1e-6))
        differs = _ramp(np.abs(first - second) / brighter, *DIFFERS)
        return [
            own * np.maximum(1 - other, differs)
            for own, other in zip(likelihoods, likelihoods[::-1], strict=True)
        ]

    def _find_shadow(
        self, date: FloatArray, other: FloatArray, cloud: FloatArray, valid: BoolArray
    ) -> FloatArray:
        least = np.float32(1e-6)
        brighter = -date[self.nir] / np.maximum(other[self.nir], least)
        dark = self._widen(_ramp(brighter.astype(np.float32), -DARK[0], -DARK[1]), valid)
        near = ndimage.maximum_filter(cloud, 2 * self.reach_px + 1, mode="constant")
        shadow: FloatArray = np.minimum(dark, near)
        return shadow

    def _widen(self, likelihood: FloatArray, valid: BoolArray) -> FloatArray:
        """Keep what is as wide as a cloud (grey opening), and half as much around it for its edge.

        What is not known is no obstacle.
        """
        size, around = 2 * self.radius_px + 1, 4 * self.radius_px + 1
        known = np.where(valid, likelihood, np.float32(1))
        narrow = ndimage.minimum_filter(known, size, mode="constant", cval=1.0)
        narrow = np.where(valid, narrow, np.float32(0))
        wide: FloatArray = ndimage.maximum_filter(narrow, around, mode="constant", cval=0.0)
        return np.where(valid, wide, np.float32(0))

    def describe(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs, plain enough for JSON."""
        return asdict(self)

    @classmethod
    def restore(cls, described: Mapping[str, Any]) -> CloudModel:
        """Return the model that was described."""
        return cls(**{**described, "scales": tuple(described["scales"])})


def _ramp(values: FloatArray, low: float, high: float) -> FloatArray:
    """Return 0 up to ``low``, 1 from ``high`` on, and a straight line between."""
    share = (values - np.float32(low)) / np.float32(high - low)
    clipped: FloatArray = np.clip(share, 0, 1)
    return clipped
