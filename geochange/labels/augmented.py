"""More chips of those to train on: turned, shifted, in another light, as training does it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.blocks import FloatArray
from geochange.evaluation.counts import UNKNOWN
from geochange.labels.chipfiles import stored_as
from geochange.labels.mask import LabelMask
from geochange.nn.normalization import FixedNormalization, Scaling
from geochange.tiles import Window
from geochange.training.chips.augmentation import augment_sample, draw_geometry
from geochange.training.scenes.cache import SceneCache
from geochange.training.scenes.normalization import Scalings, measure, scale
from geochange.training.scenes.scene import Sample, TrainingScene
from geochange.training.settings.chips import AugmentConfig

STATISTICS = "set"
"""One mean and deviation per band for both dates, so that exchanged dates keep their values."""


@dataclass(frozen=True)
class MaskReference:
    """Labels as training asks for them: a :class:`~geochange.evaluation.reference.Reference`."""

    mask: LabelMask

    @property
    def geobox(self) -> GeoBox:
        """Grid of the labels."""
        return self.mask.geobox

    def read(self, window: Window) -> tuple[NDArray[np.uint8], None]:
        """Return the classes, uint8 (H, W); connected pixels are one object."""
        return self.mask.read(window), None


@dataclass(frozen=True)
class Augmenter:
    """Makes copies of scenes, the same ones for the same seed.

    Attributes
    ----------
    config : AugmentConfig
    scalings : two Scaling, or None
        What a deviation of each band is; None where no light is changed.
    seed : int
    """

    config: AugmentConfig
    scalings: Scalings | None
    seed: int = 0

    def copies(self, scene: TrainingScene, index: int, count: int) -> Iterator[Sample]:
        """Yield copies of a scene; nothing outside it is read, so what is missing is unknown.

        Parameters
        ----------
        scene : TrainingScene
            As large as a chip.
        index : int
            Of the scene: another one has other random numbers.
        count : int
        """
        size = max(scene.shape)
        for number in range(1, count + 1):
            rng = np.random.default_rng([self.seed, index, number])
            geometry = draw_geometry(rng, self.config, size)
            spare = (size - geometry.extent_px) // 2
            extent = geometry.extent_px
            window = Window(spare, spare, extent, extent).pad(geometry.margin_px)
            sample = scene.read(window)
            if self.scalings is None:
                yield augment_sample(rng, sample, geometry, self.config)
                continue
            made = augment_sample(rng, scale(sample, self.scalings), geometry, self.config)
            yield unscale(made, self.scalings)


def make_augmenter(
    config: AugmentConfig, scenes: Sequence[TrainingScene], seed: int = 0
) -> Augmenter:
    """Return what copies scenes; their own statistics say how strong a change of light is."""
    if scenes and len({stored_as(d) for d in (scenes[0].pair.before, scenes[0].pair.after)}) > 1:
        config = replace(config, exchange=0.0)  # one date's type may not hold the other's pixels
    still = not (config.gain or config.offset or config.noise or config.drop_bands)
    if still or not scenes:
        return Augmenter(config, None, seed)
    found = measure(SceneCache(scenes, 0), STATISTICS, seed)
    fixed = found if isinstance(found, FixedNormalization) else None
    return Augmenter(config, None if fixed is None else (fixed.before, fixed.after), seed)


def unscale(sample: Sample, scalings: Scalings) -> Sample:
    """Invert :func:`geochange.training.scenes.normalization.scale`; invalid pixels are 0."""
    before, after = (
        np.where(sample.valid, _restore(date, scaling), np.float32(0))
        for date, scaling in zip((sample.before, sample.after), scalings, strict=True)
    )
    label = np.where(sample.valid, sample.label, UNKNOWN).astype(np.uint8)
    return Sample(before, after, label, sample.valid)


def _restore(pixels: FloatArray, scaling: Scaling) -> FloatArray:
    centre, spread = (
        np.array(part, np.float32)[:, None, None] for part in (scaling.centre, scaling.spread)
    )
    restored: FloatArray = pixels * spread + centre
    return restored
