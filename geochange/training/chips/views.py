"""Two views of chips without labels: a weak one for the teacher, a strong one for the student."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from geochange.blocks import BoolArray
from geochange.training.chips.augmentation import (
    apply_geometry,
    draw_geometry,
    exchange_by_chance,
    perturb_dates,
)
from geochange.training.chips.sampling import ChipSampler
from geochange.training.scenes.cache import SceneCache
from geochange.training.scenes.normalization import Scalings, scale, stack
from geochange.training.scenes.scene import Sample
from geochange.training.settings.chips import AugmentConfig
from geochange.training.settings.config import TrainConfig

STREAM = 1
"""Tells these random numbers from those of the labelled chips of the same step."""
BOX_SHARES = (0.1, 0.5)
"""Least and greatest share of a chip that a rectangle of another one covers."""


@dataclass(frozen=True)
class Views:
    """A batch of chips without labels.

    Attributes
    ----------
    weak_before, weak_after : float32 (N, C, H, W)
        Scaled; 0 where invalid.
    strong_before, strong_after : float32 (N, C, H, W)
        The same ground pixel by pixel, but where ``pasted``.
    weak_valid, valid : bool (N, H, W)
        Of the weak and of the strong view.
    pasted : bool (N, H, W)
        Pixels of the strong view that are those of the next chip, for the last one of the first.
    """

    weak_before: torch.Tensor
    weak_after: torch.Tensor
    strong_before: torch.Tensor
    strong_after: torch.Tensor
    weak_valid: torch.Tensor
    valid: torch.Tensor
    pasted: torch.Tensor

    def to(self, device: torch.device) -> Views:
        """Copy to a device."""
        return Views(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))


@dataclass(frozen=True)
class ViewMaker:
    """Make the views of chip ``index`` of step ``step``: the same ones whoever asks.

    What is pasted comes from a chip of the same call, so it is the same for the same indexes.

    Attributes
    ----------
    cache : SceneCache
    sampler : ChipSampler
    scalings : sequence of two Scaling
        One pair per scene.
    config : TrainConfig
    """

    cache: SceneCache
    sampler: ChipSampler
    scalings: Sequence[Scalings]
    config: TrainConfig

    def make_views(self, step: int, indexes: Sequence[int]) -> Views:
        """Make the views of chips ``indexes`` of a step."""
        made = [self._make(step, index) for index in indexes]
        weak, strong = [chip[0] for chip in made], [chip[1] for chip in made]
        pasted = np.stack([box for _, _, box in made])
        parts = [stack(weak, "before"), stack(weak, "after")]
        for name in ("before", "after"):
            dates = stack(strong, name)
            parts.append(np.where(pasted[:, None], np.roll(dates, -1, axis=0), dates))
        weak_valid = stack(weak, "valid")
        valid = np.where(pasted, np.roll(weak_valid, -1, axis=0), weak_valid)
        return Views(*(torch.from_numpy(part) for part in (*parts, weak_valid, valid, pasted)))

    def _make(self, step: int, index: int) -> tuple[Sample, Sample, BoolArray]:
        """Make the weak and the strong view of a chip, and the rectangle that is another's."""
        rng, weak = self._draw(step, index)
        weak = exchange_by_chance(rng, weak, self.config.augment.exchange)
        chosen = self.config.unlabelled
        radiometry = AugmentConfig(gain=chosen.gain, offset=chosen.offset, noise=chosen.noise)
        strong = perturb_dates(rng, weak, radiometry)
        return weak, strong, draw_box(rng, weak.valid.shape, chosen.cutmix)

    def _draw(self, step: int, index: int) -> tuple[np.random.Generator, Sample]:
        """Draw and read a chip; one without a valid pixel is drawn again."""
        augment, chips = self.config.augment, self.config.chips
        for attempt in range(chips.attempts):
            rng = np.random.default_rng([self.config.seed, step, index, attempt, STREAM])
            geometry = draw_geometry(rng, augment, chips.size_px)
            chip = self.sampler.draw(rng, geometry.extent_px, rich=False)
            sample = self.cache.read(chip.scene, chip.window.pad(geometry.margin_px))
            sample = apply_geometry(scale(sample, self.scalings[chip.scene]), geometry)
            if sample.valid.any():
                break
        return rng, sample


def draw_box(rng: np.random.Generator, shape: tuple[int, ...], chance: float) -> BoolArray:
    """Draw a rectangle of CutMix (Yun et al. 2019, arXiv 1905.04899), bool (H, W), perhaps none.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> bool(0.05 < draw_box(rng, (64, 64), 1.0).mean() < 0.55)
    True
    """
    box = np.zeros(shape, np.bool_)
    share, ratio = rng.uniform(*BOX_SHARES), np.exp(rng.uniform(-0.5, 0.5))
    sides = np.sqrt(share * ratio), np.sqrt(share / ratio)
    places = []
    for length, side in zip(shape, sides, strict=True):
        size = min(length, round(length * float(side)))
        start = int(rng.integers(length - size + 1))
        places.append(slice(start, start + size))
    if rng.random() < chance:
        box[tuple(places)] = True
    return box
