"""What is done to a chip: geometry that both dates share, radiometry that each has of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import FloatArray
from geochange.evaluation.counts import UNKNOWN
from geochange.training.chips.resampling import REACH, cubic_taps, interpolate, touches_invalid
from geochange.training.scenes.scene import Sample
from geochange.training.settings.chips import AugmentConfig

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a chip is cut out of its scene.

    Attributes
    ----------
    size_px : int
        Edge of the chip.
    scale : float
        Scene pixels per chip pixel.
    shift : tuple of float
        Rows and columns, in scene pixels, by which the after date is read beside the before date.
    turns : int
        Quarters of a turn.
    mirror : bool
    """

    size_px: int
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    turns: int = 0
    mirror: bool = False

    @property
    def exact(self) -> bool:
        """No pixel is interpolated."""
        return self.scale == 1.0 and self.shift == (0.0, 0.0)

    @property
    def margin_px(self) -> int:
        """Pixels that are read beyond the chip on every side."""
        if self.exact:
            return 0
        return int(np.ceil(max(map(abs, self.shift)) + REACH * max(self.scale, 1.0)))

    @property
    def extent_px(self) -> int:
        """Edge of the chip in pixels of the scene, without the margin."""
        return int(np.ceil(self.size_px * self.scale))


def draw_geometry(rng: np.random.Generator, config: AugmentConfig, size_px: int) -> Geometry:
    """Draw how a chip is cut out."""
    scale = float(np.exp(rng.uniform(-1, 1) * np.log(config.scale)))
    down, across = (float(v) for v in rng.uniform(-1, 1, 2) * config.shift_px)
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    if not config.flip:
        turns, mirror = 0, False
    return Geometry(size_px, scale if config.scale > 1 else 1.0, (down, across), turns, mirror)


def apply_geometry(sample: Sample, geometry: Geometry) -> Sample:
    """Cut a chip out of a sample that was read with :attr:`Geometry.margin_px`.

    The label stays with the before date; where a date is interpolated from invalid pixels nothing
    is known.
    """
    if not geometry.exact:
        sample = _interpolate(sample, geometry)
    return Sample(
        _turn(sample.before, geometry),
        _turn(sample.after, geometry),
        _turn(sample.label, geometry),
        _turn(sample.valid, geometry),
    )


def augment_sample(
    rng: np.random.Generator, sample: Sample, geometry: Geometry, config: AugmentConfig
) -> Sample:
    """Do to a scaled sample all that is drawn: geometry, radiometry of each date, bands, order."""
    sample = apply_geometry(sample, geometry)
    sample = perturb_dates(rng, sample, config)
    if config.drop_bands:
        sample = drop_bands(rng, sample, config.drop_bands)
    return exchange_by_chance(rng, sample, config.exchange)


def _interpolate(sample: Sample, geometry: Geometry) -> Sample:
    """Interpolate both dates once; labels are those of the nearest pixels."""
    size = sample.label.shape[0]
    steps = (np.arange(geometry.size_px) + 0.5) * geometry.scale - 0.5 + geometry.margin_px
    nearest = np.rint(steps).astype(np.int64)
    valid = sample.valid[np.ix_(nearest, nearest)]
    dates = []
    for date, shift in ((sample.before, (0.0, 0.0)), (sample.after, geometry.shift)):
        if geometry.scale == 1.0 and shift == (0.0, 0.0):
            dates.append(date[:, nearest[0] : nearest[-1] + 1, nearest[0] : nearest[-1] + 1])
            continue
        rows, cols = (cubic_taps(steps + by, size, geometry.scale) for by in shift)
        dates.append(interpolate(date, rows, cols))
        if not sample.valid.all():
            valid = valid & ~touches_invalid(~sample.valid, rows, cols)
    label = np.where(valid, sample.label[np.ix_(nearest, nearest)], UNKNOWN).astype(np.uint8)
    before, after = (np.where(valid, date, np.float32(0)) for date in dates)
    return Sample(before, after, label, valid)


def _turn(array: NDArray[T], geometry: Geometry) -> NDArray[T]:
    """Turn and mirror the last two axes."""
    turned = np.rot90(array, geometry.turns, axes=(-2, -1))
    return np.ascontiguousarray(turned[..., ::-1] if geometry.mirror else turned)


def exchange_dates(sample: Sample) -> Sample:
    """Return the sample with its dates in the other order."""
    return Sample(sample.after, sample.before, sample.label, sample.valid)


def exchange_by_chance(rng: np.random.Generator, sample: Sample, chance: float) -> Sample:
    """Exchange the dates, now and then, where they have the same number of bands."""
    drawn = rng.random() < chance
    return exchange_dates(sample) if drawn and len(sample.before) == len(sample.after) else sample


def perturb_radiometry(
    rng: np.random.Generator, image: FloatArray, config: AugmentConfig
) -> FloatArray:
    """Multiply, raise and roughen one date.

    Parameters
    ----------
    image : float32 (C, H, W)
        In standard deviations of each band.
    """
    common, own = rng.standard_normal(2), rng.standard_normal((2, len(image)))
    gain, offset = (common[:, None] + own) / np.sqrt(2)
    gain = np.exp(config.gain * gain)[:, None, None].astype(np.float32)
    changed: FloatArray = gain * image + (config.offset * offset)[:, None, None].astype(np.float32)
    if config.noise:
        strength = np.float32(rng.random() * config.noise)
        changed += strength * rng.standard_normal(image.shape, dtype=np.float32)
    return changed


def perturb_dates(rng: np.random.Generator, sample: Sample, config: AugmentConfig) -> Sample:
    """Perturb the radiometry of each date by itself; invalid pixels stay 0."""
    before, after = (
        np.where(sample.valid, perturb_radiometry(rng, date, config), np.float32(0))
        for date in (sample.before, sample.after)
    )
    return Sample(before.astype(np.float32), after.astype(np.float32), sample.label, sample.valid)


def drop_bands(rng: np.random.Generator, sample: Sample, share: float) -> Sample:
    """Set bands to 0, the mean of normalised ones; where the dates have the same number, the same.

    A sensor's noise, haze and season sit in other bands from place to place; a network that could
    not count on any single band relies less on them (after Srivastava et al. 2014, JMLR 15).
    """
    dates = sample.before, sample.after
    kept = [_keep_bands(rng, len(date), share) for date in dates]
    if len(dates[0]) == len(dates[1]):
        kept[1] = kept[0]
    before, after = (date * keep for date, keep in zip(dates, kept, strict=True))
    return Sample(before, after, sample.label, sample.valid)


def _keep_bands(rng: np.random.Generator, count: int, share: float) -> FloatArray:
    """Return 1 for bands that stay and 0 for others, float32 (C, 1, 1)."""
    keep = rng.random(count) >= share
    keep[rng.integers(count)] = True
    return keep.astype(np.float32)[:, None, None]
