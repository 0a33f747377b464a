"""Batches: chips drawn, read, scaled, changed by synthesis and augmentation, stacked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from geochange.evaluation.counts import UNKNOWN
from geochange.training.chips.augmentation import Geometry, augment_sample, draw_geometry
from geochange.training.chips.sampling import PATCHES, REAL, UNCHANGED, Chip, ChipSampler
from geochange.training.chips.synthesis import exchange_patches, paste_objects, repeat_date
from geochange.training.chips.views import Views
from geochange.training.scenes.cache import SceneCache
from geochange.training.scenes.normalization import Scalings, scale, stack
from geochange.training.scenes.scene import Sample
from geochange.training.settings.config import TrainConfig

AHEAD = 2
"""Batches made ahead per thread."""
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Batch:
    """What a network trains on.

    Attributes
    ----------
    before, after : float32 (N, C, H, W)
        Scaled; 0 where invalid.
    label : uint8 (N, H, W)
        0 unchanged, 1 changed, 255 unknown.
    valid : bool (N, H, W)
    """

    before: torch.Tensor
    after: torch.Tensor
    label: torch.Tensor
    valid: torch.Tensor

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Batch:
        """Stack samples of one size."""
        arrays = (stack(samples, name) for name in ("before", "after", "label", "valid"))
        return cls(*(torch.from_numpy(array) for array in arrays))

    @property
    def parts(self) -> tuple[torch.Tensor, ...]:
        """What the network and its loss are given, in order."""
        return self.before, self.after, self.label, self.valid

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        return Batch(*(part.to(device, non_blocking=True) for part in self.parts))


@dataclass(frozen=True)
class Feed:
    """What one part of a step learns from.

    Attributes
    ----------
    labelled : Batch
    views : Views or None
        Of chips without labels.
    """

    labelled: Batch
    views: Views | None = None

    def to(self, device: torch.device) -> Feed:
        """Copy to a device."""
        views = None if self.views is None else self.views.to(device)
        return Feed(self.labelled.to(device), views)


@dataclass(frozen=True)
class ChipMaker:
    """Make chip ``index`` of step ``step``: the same one whoever asks, and whenever.

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

    def make_batch(self, step: int, indexes: Sequence[int]) -> Batch:
        """Make chips ``indexes`` of a step."""
        return Batch.of([self.make(step, index) for index in indexes])

    def make(self, step: int, index: int) -> Sample:
        """Make one chip; dates are scaled."""
        kind, chip, geometry, rng, sample = self._draw(step, index)
        sample = self._synthesise(rng, kind, chip, geometry, sample)
        return augment_sample(rng, sample, geometry, self.config.augment)

    def describe(self, step: int, indexes: Sequence[int]) -> str:
        """Say where the chips of a batch come from."""
        places = []
        for index in indexes:
            kind, chip, _, _, _ = self._draw(step, index)
            name = self.sampler.scenes[chip.scene].name
            places.append(f"{name} row {chip.window.row} col {chip.window.col} ({kind})")
        return "; ".join(places)

    def _draw(
        self, step: int, index: int
    ) -> tuple[str, Chip, Geometry, np.random.Generator, Sample]:
        """Draw and read a chip; one of which nothing is known is drawn again."""
        for attempt in range(self.config.chips.attempts):
            rng = np.random.default_rng([self.config.seed, step, index, attempt])
            geometry = draw_geometry(rng, self.config.augment, self.config.chips.size_px)
            kind, rich = self._draw_kind(rng)
            chip = self.sampler.draw(rng, geometry.extent_px, rich=rich)
            if kind == REAL and self.sampler.scenes[chip.scene].label is None:
                kind = PATCHES
            sample = self._read(chip, geometry)
            known = sample.label != UNKNOWN if kind == REAL else sample.valid
            if known.any():
                break
        return kind, chip, geometry, rng, sample

    def _draw_kind(self, rng: np.random.Generator) -> tuple[str, bool]:
        shares = self.config.synthesis
        place, rich = rng.random(), rng.random() < self.config.chips.rich_share
        if place < shares.unchanged:
            return UNCHANGED, False
        if place < shares.unchanged + shares.patches:
            return PATCHES, False
        return REAL, rich

    def _read(self, chip: Chip, geometry: Geometry) -> Sample:
        sample = self.cache.read(chip.scene, chip.window.pad(geometry.margin_px))
        return scale(sample, self.scalings[chip.scene])

    def _synthesise(
        self,
        rng: np.random.Generator,
        kind: str,
        chip: Chip,
        geometry: Geometry,
        sample: Sample,
    ) -> Sample:
        if kind == UNCHANGED:
            return repeat_date(rng, sample)
        if kind == PATCHES:
            donor = self.sampler.draw(rng, geometry.extent_px, rich=False)
            return exchange_patches(rng, sample, self._read(donor, geometry))
        if self.sampler.labelled and rng.random() < self.config.synthesis.copy_paste:
            donor = self.sampler.draw(rng, geometry.extent_px, rich=True)
            return paste_objects(rng, sample, self._read(donor, geometry))
        return sample


def run_ahead(task: Callable[[T], U], items: Iterable[T], workers: int) -> Generator[U]:
    """Yield ``task(item)`` in order, made ahead by threads; without threads when asked for.

    Examples
    --------
    >>> list(run_ahead(abs, [-1, -2, 3], workers=2))
    [1, 2, 3]
    """
    if not workers:
        yield from map(task, items)
        return
    queue: deque[Future[U]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="chips")
    try:
        for item in items:
            queue.append(pool.submit(task, item))
            if len(queue) > AHEAD * workers:
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
