"""Chips of many dates: drawn, read, scaled, changed, turned and stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray
from geochange.nn.normalization import Scaling
from geochange.nn.temporal.inputs import YEAR_DAYS
from geochange.tiles import Window
from geochange.training.series.cache import StackCache
from geochange.training.series.exchange import exchange_ground
from geochange.training.series.stacks import Stack, crop
from geochange.training.series.truth import (
    NO_CHANGE,
    UNKNOWN_DATE,
    Truth,
    show_first,
    take_dates,
)
from geochange.training.settings.config import TrainConfig

PER_DATE = 0.3
"""Part of the radiometric augmentation that each date has of its own."""
RUNS = 0.5
"""Share of the chips whose dates follow each other; the others leave some out."""


@dataclass(frozen=True)
class DatedChip:
    """Some dates of a window.

    Attributes
    ----------
    images : float32 (T, C, H, W)
        Scaled; 0 where invalid.
    valid : bool (T, H, W)
    days : float32 (T,)
    truth : int16 (H, W)
    """

    images: FloatArray
    valid: BoolArray
    days: NDArray[np.float32]
    truth: Truth


@dataclass(frozen=True)
class SeriesBatch:
    """What a network for series trains on; see :class:`DatedChip`.

    Attributes
    ----------
    images : float32 (N, T, C, H, W)
    valid : bool (N, T, H, W)
    days : float32 (N, T)
    truth : int64 (N, H, W)
    """

    images: torch.Tensor
    valid: torch.Tensor
    days: torch.Tensor
    truth: torch.Tensor

    @classmethod
    def of(cls, chips: Sequence[DatedChip]) -> SeriesBatch:
        """Stack chips of one size and number of dates."""
        names = ("images", "valid", "days", "truth")
        arrays = (np.stack([getattr(chip, name) for chip in chips]) for name in names)
        images, valid, days, truth = (torch.from_numpy(array) for array in arrays)
        return cls(images, valid, days, truth.long())

    @property
    def parts(self) -> tuple[torch.Tensor, ...]:
        """What the network and its loss are given, in order."""
        return self.images, self.valid, self.days, self.truth

    def to(self, device: torch.device) -> SeriesBatch:
        """Copy to a device."""
        return SeriesBatch(*(part.to(device, non_blocking=True) for part in self.parts))


@dataclass(frozen=True)
class SeriesChipMaker:
    """Make chip ``index`` of step ``step``: the same one whoever asks, and whenever.

    Attributes
    ----------
    cache : StackCache
    scalings : sequence of Scaling
        One for each stack.
    config : TrainConfig
    """

    cache: StackCache
    scalings: Sequence[Scaling]
    config: TrainConfig

    def make_batch(self, step: int, indexes: Sequence[int]) -> SeriesBatch:
        """Make chips ``indexes`` of a step, all of one number of dates."""
        least, most = self.config.series.dates
        rng = np.random.default_rng([self.config.seed, step])
        dates = int(rng.integers(least, most + 1))
        return SeriesBatch.of([self.make(step, index, dates) for index in indexes])

    def describe(self, step: int, indexes: Sequence[int]) -> str:
        """Say where the chips of a batch come from."""
        places = []
        for index in indexes:
            rng = np.random.default_rng([self.config.seed, step, index])
            stack, window = self._draw(rng)
            name = self.cache.scenes[stack].name
            places.append(f"{name} row {window.row} col {window.col}")
        return "; ".join(places)

    def make(self, step: int, index: int, dates: int) -> DatedChip:
        """Make one chip."""
        rng = np.random.default_rng([self.config.seed, step, index])
        number, window = self._draw(rng)
        stack, settings = self.cache.scenes[number], self.config.series
        chosen = choose_dates(rng, len(stack.series), dates)
        reverse = bool(rng.random() < settings.reverse)
        paste = stack.truth is None or rng.random() < settings.paste
        chip = cut(self.cache, number, self.scalings[number], window, chosen, reverse=reverse)
        if paste:
            exchange_ground(rng, chip.images, chip.valid, chip.truth, settings.density)
        return pad_dates(self._augment(rng, finish(chip)), dates)

    def _draw(self, rng: np.random.Generator) -> tuple[int, Window]:
        """Choose a stack, and a window evenly or around a changed pixel."""
        weights = np.array([stack.weight * stack.pixels for stack in self.cache.scenes])
        number = int(rng.choice(len(weights), p=weights / weights.sum()))
        stack, size = self.cache.scenes[number], self.config.chips.size_px
        rich = rng.random() < self.config.chips.rich_share and stack.truth is not None
        part = stack.window
        corners = [
            int(rng.integers(0, max(1, edge - size + 1))) for edge in (part.height, part.width)
        ]
        if rich and len(stack.changed):
            middle = stack.changed[rng.integers(len(stack.changed))]
            spread = rng.integers(0, size, 2)
            corners = [
                int(np.clip(at - off, 0, max(0, edge - size)))
                for at, off, edge in zip(middle, spread, (part.height, part.width), strict=True)
            ]
        return number, Window(part.row + corners[0], part.col + corners[1], size, size)

    def _augment(self, rng: np.random.Generator, chip: DatedChip) -> DatedChip:
        """Turn a chip, change its light, and begin the year anywhere."""
        settings, (dates, bands) = self.config.augment, chip.images.shape[:2]
        turns, mirrored = (int(n) for n in rng.integers((4, 2)) * settings.flip)
        valid, truth = (_turn(part, turns, mirrored) for part in (chip.valid, chip.truth))
        gain = _draw_light(rng, settings.gain, dates, bands)
        offset = _draw_light(rng, settings.offset, dates, bands)
        images = _turn(chip.images, turns, mirrored) * np.exp(gain) + offset
        if settings.noise:
            noise = settings.noise * rng.random() * rng.standard_normal(images.shape)
            images = images + noise.astype(np.float32)
        images = np.where(valid[:, None], images, np.float32(0))
        days = chip.days + np.float32(rng.uniform(0, YEAR_DAYS))
        return DatedChip(images, valid, days, truth)


def choose_dates(rng: np.random.Generator, there: int, wanted: int) -> NDArray[np.intp]:
    """Choose which dates of a stack a chip has, in order: a run, or some out of a longer one."""
    count = min(there, wanted)
    span = count if rng.random() < RUNS else int(rng.integers(count, there + 1))
    start = int(rng.integers(0, there - span + 1))
    return start + np.sort(rng.choice(span, count, replace=False))


def cut(
    cache: StackCache,
    number: int,
    scaling: Scaling,
    window: Window,
    chosen: NDArray[np.intp],
    *,
    reverse: bool = False,
) -> DatedChip:
    """Read some dates of a window, in order or backwards."""
    stack: Stack = cache.scenes[number]
    images, valid = cache.read(number, window)
    days = stack.series.ordinals[chosen]
    images, valid = images[chosen], valid[chosen]
    if reverse:
        images, valid, days = images[::-1], valid[::-1], days[0] + days[-1] - days[::-1]
    truth = take_dates(crop(stack, window), chosen, reverse=reverse)
    scaled = np.where(valid[:, None], scaling.apply(images), np.float32(0))
    return DatedChip(scaled, valid.copy(), (days - days[0]).astype(np.float32), truth)


def finish(chip: DatedChip) -> DatedChip:
    """Let each change show at the first valid date; what never shows there is unknown."""
    truth = show_first(chip.truth, chip.valid)
    truth = np.where(chip.valid.any(axis=0), truth, np.int16(UNKNOWN_DATE))
    never = (chip.valid.sum(axis=0) < 2) & (truth == NO_CHANGE)
    truth = np.where(never, np.int16(UNKNOWN_DATE), truth)
    images = np.where(chip.valid[:, None], chip.images, np.float32(0))
    return DatedChip(images, chip.valid, chip.days, truth)


def pad_dates(chip: DatedChip, dates: int) -> DatedChip:
    """Add invalid dates at the end, up to a number of them."""
    more = dates - len(chip.days)
    if more <= 0:
        return chip
    later = chip.days[-1] + 1 + np.arange(more, dtype=np.float32)
    around = [(0, more), (0, 0), (0, 0)]
    return DatedChip(
        np.pad(chip.images, [around[0], (0, 0), *around[1:]]),
        np.pad(chip.valid, around),
        np.concatenate([chip.days, later]),
        chip.truth,
    )


def _turn(array: NDArray[Any], turns: int, mirrored: int) -> NDArray[Any]:
    """Mirror and turn by quarters."""
    flipped = array[..., ::-1] if mirrored else array
    return np.ascontiguousarray(np.rot90(flipped, turns, (-2, -1)))


def _draw_light(rng: np.random.Generator, spread: float, dates: int, bands: int) -> FloatArray:
    """Return something common to all dates, and a smaller part of each one, (T, C, 1, 1)."""
    common = rng.normal(0, spread, (1, bands, 1, 1))
    own = rng.normal(0, spread * PER_DATE, (dates, 1, 1, 1))
    light: FloatArray = (common + own).astype(np.float32)
    return light
