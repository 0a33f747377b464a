"""How cloudy a pair is, what that means for its polygons, and whether clouds are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from geochange.alignment.pair import Pair
from geochange.blocks import BoolArray, FloatArray
from geochange.errors import UsageError
from geochange.io.grids.displacement import Displacement
from geochange.radiometry.clouds import CloudModel
from geochange.tiles import Window

CLOUDY = 0.5
"""Likelihood from which on a pixel is counted, and left out where that is asked for."""
HAZY_SCENE = 0.02
"""Reflectance by which the haze of a whole scene lifts its darkest blue."""
SEEN = 0.001
"""Share of cloudy pixels below which a scene is taken as clear."""


@dataclass(frozen=True)
class CloudReader:
    """Likelihood of cloud of a pair, read from its pixels.

    Attributes
    ----------
    pair : Pair
        Of its bands alone, in the values of its files: not normalised, not smoothed.
    model : CloudModel
    """

    pair: Pair
    model: CloudModel

    def read(self, window: Window) -> FloatArray:
        """Return the likelihood that a pixel is clouded at either date, float32 (H, W)."""
        wide = window.pad(self.model.halo)
        block = self.pair.salvage(wide)
        risk = self.model.find(block.before, block.after, block.valid)
        higher: FloatArray = risk.max(axis=0)[window.slices_in(wide)]
        return higher


@dataclass(frozen=True)
class ClearSky:
    """What a scene without clouds has instead of a :class:`CloudReader`: nothing is read."""

    def read(self, window: Window) -> FloatArray:
        """Return zeros, float32 (H, W)."""
        return np.zeros(window.shape, np.float32)


@dataclass(frozen=True)
class CloudMask:
    """Masks what is likely to be clouded at either date: a ``Mask`` of ``io/rasters/masks.py``."""

    reader: CloudReader

    def read(self, window: Window) -> BoolArray:
        """Return bool (H, W), True where masked."""
        masked: BoolArray = self.reader.read(window) >= CLOUDY
        return masked

    def displace(self, displacement: Displacement) -> CloudMask:
        """Refuse: clouds are looked for in a pair that is registered already."""
        msg = "clouds are found after registration; register the pair first"
        raise UsageError(msg)


@dataclass(frozen=True)
class Clouds:
    """What was seen of clouds, haze and their shadows.

    Attributes
    ----------
    model : CloudModel or None
        None where they could not be looked for.
    bands : tuple of int
        Positions of the bands that the model looks at.
    shares : tuple of float
        Share of the sampled valid pixels of the before and the after date.
    masked : bool
        They are left out.
    said : str
        All this in one sentence.
    """

    model: CloudModel | None = None
    bands: tuple[int, ...] = ()
    shares: tuple[float, float] = (0.0, 0.0)
    masked: bool = False
    said: str = ""

    @property
    def seen(self) -> bool:
        """Whether there are any worth to speak of."""
        return self.model is not None and max(self.shares) >= SEEN

    def apply(self, pair: Pair) -> Pair:
        """Return the pair with a note, and without clouds where they are to be left out."""
        notes = (*pair.notes, self.said) if self.said else pair.notes
        reader = self.read(pair)
        if not (self.masked and isinstance(reader, CloudReader)):
            return replace(pair, notes=notes)
        after = replace(pair.after, masks=(*pair.after.masks, CloudMask(reader)))
        return replace(pair, after=after, notes=notes)

    def read(self, pair: Pair) -> CloudReader | ClearSky | None:
        """Return a reader of the likelihood over a registered pair; None where nobody looked."""
        if self.model is None:
            return None
        if not self.seen:
            return ClearSky()
        return CloudReader(pair.take(self.bands), self.model)

    def store(self) -> dict[str, Any]:
        """Return all of it, plain enough for JSON; see :meth:`recall`."""
        model = None if self.model is None else self.model.describe()
        return {
            "model": model,
            "bands": list(self.bands),
            "shares": list(self.shares),
            "masked": self.masked,
            "said": self.said,
        }

    @classmethod
    def recall(cls, stored: Mapping[str, Any]) -> Clouds:
        """Return what was stored."""
        model = None if stored["model"] is None else CloudModel.restore(stored["model"])
        before, after = (float(share) for share in stored["shares"])
        bands = tuple(int(band) for band in stored["bands"])
        return cls(model, bands, (before, after), bool(stored["masked"]), str(stored["said"]))


def say_clouds(shares: tuple[float, float], lift: float = 0.0, *, masked: bool) -> str:
    """Say what was seen.

    Parameters
    ----------
    shares : tuple of float
        Of pixels of the before and the after date that are likely to be clouded.
    lift : float
        Reflectance by which the darkest blue is lighter at the after date, all over the scene.
    masked : bool
        They are left out.

    Examples
    --------
    >>> say_clouds((0.0, 0.0004), masked=True)
    'clouds: none seen in the sampled tiles'
    >>> say_clouds((0.0, 0.12), masked=True)
    'clouds: 0.0 % of the before and 12.0 % of the after date look like cloud, haze or their \
shadow; left out'
    """
    haze = ""
    if abs(lift) >= HAZY_SCENE:
        when = "after" if lift > 0 else "before"
        haze = (
            f"; the {when} date is hazier all over (its darkest blue is lighter by {abs(lift):.3f})"
        )
    if max(shares) < SEEN:
        return f"clouds: none seen in the sampled tiles{haze}"
    before, after = (f"{100 * share:.1f} %" for share in shares)
    done = "left out" if masked else "nothing is left out, see cloud_risk of the changes"
    return (
        f"clouds: {before} of the before and {after} of the after date look like cloud, haze or "
        f"their shadow; {done}{haze}"
    )
