"""Labelled image series: seasons, clouds, gaps, noise and shifts, and objects that come and go.

``make_series`` returns arrays, for training and evaluation; ``make`` writes the committed sample.
Arrays need numpy and scipy alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BANDS = ("Blue", "Green", "Red", "NIR")
COVERS = {
    "forest": ((300, 550, 350, 3000), (40, 120, 90, 900), 0.05),
    "meadow": ((500, 850, 700, 3300), (60, 150, 260, 1100), 0.07),
    "crop": ((600, 900, 900, 3000), (120, 200, 500, 1700), 0.06),
    "soil": ((1000, 1350, 1700, 2300), (30, 40, 60, 120), 0.08),
    "town": ((1200, 1350, 1450, 1900), (20, 30, 40, 150), 0.22),
    "water": ((550, 480, 330, 180), (50, 60, 50, 20), 0.04),
}
"""Mean reflectance times 10 000, its swing over the year, and the contrast of the texture."""
OBJECTS = {
    "roof": (2600, 2700, 2800, 3000),
    "dark roof": (700, 720, 740, 900),
    "asphalt": (900, 950, 1000, 1200),
    "bare": (1100, 1500, 1950, 2500),
    "panels": (500, 560, 640, 1400),
}
NO_CHANGE = -1
SAMPLE_DATES, SAMPLE_SIZE = 18, 80
Array = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SeriesSample:
    """A series and what is true of it.

    Attributes
    ----------
    images : float32 (T, C, H, W)
        Reflectance times 10 000 in :data:`BANDS`.
    valid : bool (T, H, W)
        False in gaps and in clouds that a mask would know of.
    dates : tuple of datetime.date
    truth : int16 (H, W)
        Position of the first date that shows the change, :data:`NO_CHANGE` elsewhere.
    kinds : int16 (H, W)
        1 appeared, 2 faded, 3 moved away, 4 moved here; 0 elsewhere.
    """

    images: Array
    valid: Mask
    dates: tuple[date, ...]
    truth: NDArray[np.int16]
    kinds: NDArray[np.int16]


def make_series(
    seed: int,
    dates: int | Sequence[date] = 16,
    size: int | tuple[int, int] = 128,
    *,
    objects: int | None = None,
    clouds: float = 0.12,
    unmasked: float = 0.15,
    gaps: float = 0.03,
    noise: float = 45.0,
    shift_px: float = 0.25,
    contrast: float = 1.0,
) -> SeriesSample:
    """Make a series with known changes.

    Parameters
    ----------
    seed : int
        Of everything; the same seed gives the same arrays.
    dates : int or sequence of datetime.date
        Number of dates, about 24 days apart, or the dates.
    size : int or tuple of int
        ``(height, width)`` in pixels.
    objects : int, optional
        Number of changes. Default: one per 400 px.
    clouds : float
        Mean share of a date under clouds and their shadows.
    unmasked : float
        Share of the clouds that ``valid`` knows nothing of.
    gaps : float
        Mean share of a date without data.
    noise : float
        Standard deviation of the sensor's noise.
    shift_px : float
        Standard deviation of the shift of a date against the first one, along each axis.
    contrast : float
        1 paints objects as they are, less mixes them with what was there.

    Examples
    --------
    >>> sample = make_series(0, dates=12, size=64)
    >>> sample.images.shape, sample.valid.shape, len(sample.dates), sample.truth.shape
    ((12, 4, 64, 64), (12, 64, 64), 12, (64, 64))
    """
    rng = np.random.default_rng(seed)
    shape = (size, size) if isinstance(size, int) else size
    days = list_days(rng, dates) if isinstance(dates, int) else tuple(dates)
    ground = _paint_ground(rng, shape, days)
    count = max(3, shape[0] * shape[1] // 400) if objects is None else objects
    truth, kinds = _paint_objects(rng, ground, count, contrast)
    images, valid = [], []
    for position, image in enumerate(ground):
        drift = rng.normal(0, shift_px, 2) if position else np.zeros(2)
        seen = np.stack([ndimage.shift(b, drift, order=1, mode="nearest") for b in image])
        light = 1 + 0.03 * rng.standard_normal()
        haze = np.array([90, 60, 40, 15], np.float32) * rng.gamma(1.5, 0.6)
        seen = seen * np.float32(light) + haze[:, None, None].astype(np.float32)
        hidden = _draw_clouds(rng, seen, clouds, unmasked)
        seen += noise * rng.standard_normal(seen.shape) * (0.7 + seen / 5000)
        known = ~(hidden | _draw_gap(rng, shape, gaps))
        images.append(np.clip(np.rint(seen), 1, 16_000).astype(np.float32))
        valid.append(known)
    return SeriesSample(np.stack(images), np.stack(valid), days, truth, kinds)


def list_days(rng: np.random.Generator, count: int) -> tuple[date, ...]:
    """Return days about 24 apart, with a few acquisitions missing."""
    steps = rng.choice([16, 16, 24, 32, 48], count)
    start = date(2019, 3, 1) + timedelta(int(rng.integers(0, 60)))
    return tuple(start + timedelta(int(step)) for step in np.cumsum(steps) - steps[0])


def _smooth(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Array:
    field = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="reflect")
    return ((field - field.mean()) / field.std()).astype(np.float32)


def _paint_ground(rng: np.random.Generator, shape: tuple[int, int], days: Sequence[date]) -> Array:
    """Return what lies there at each date, float32 (T, C, H, W), before anything changes."""
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    warp = 0.12 * min(shape)
    rows = rows + warp * _smooth(rng, shape, min(shape) / 10) / 3
    cols = cols + warp * _smooth(rng, shape, min(shape) / 10) / 3
    plots = max(6, shape[0] * shape[1] // 500)
    seeds = rng.uniform((0, 0), shape, (plots, 2))
    apart = (rows[..., None] - seeds[:, 0]) ** 2 + (cols[..., None] - seeds[:, 1]) ** 2
    plot = apart.argmin(axis=-1)
    names = list(COVERS)
    cover = rng.choice(len(names), plots, p=[0.28, 0.2, 0.24, 0.06, 0.14, 0.08])[plot]
    phase = rng.normal(0, 0.25, plots)[plot] + np.where(cover == 2, 0.5, 0.0)
    tone = 1 + 0.07 * rng.standard_normal(plots)[plot]
    grain = 0.6 * _smooth(rng, shape, 0.7) + 0.4 * _smooth(rng, shape, 2.5)
    mean, swing, rough = (
        np.array([COVERS[name][part] for name in names], np.float32) for part in range(3)
    )
    tone = tone + rough[cover] * grain
    years = np.array([(day - date(2019, 1, 1)).days / 365.25 for day in days])
    rainy = rng.normal(1, 0.12, int(years.max()) + 3)
    dates = []
    for year in years:
        strength = np.interp(year - 0.5, np.arange(len(rainy)) - 1, rainy)
        season = np.cos(2 * np.pi * (year - 0.5) - phase) * strength
        green = np.array([-1, -0.6, -1, 1], np.float32)[:, None, None]
        image = mean[cover].transpose(2, 0, 1)
        image = image + green * swing[cover].transpose(2, 0, 1) * season / 2
        dates.append((image * tone).astype(np.float32))
    return np.clip(np.stack(dates), 60, None)


def _paint_objects(
    rng: np.random.Generator, ground: Array, count: int, contrast: float
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Put objects into the ground, in place; returns the truth and the kinds of change."""
    dates, _, height, width = ground.shape
    truth = np.full((height, width), NO_CHANGE, np.int16)
    kinds = np.zeros((height, width), np.int16)
    taken = np.zeros((height, width), np.bool_)
    for _ in range(count):
        kind = int(rng.choice([1, 1, 2, 3]))
        first = int(rng.integers(2, max(3, dates - 2)))
        here = _place_object(rng, taken)
        there = _place_object(rng, taken) if kind == 3 else None
        if here is None or (kind == 3 and there is None):
            continue
        colour = np.array(OBJECTS[str(rng.choice(list(OBJECTS)))], np.float32)
        colour = colour * np.float32(rng.normal(1, 0.06))
        share = np.zeros(dates, np.float32)
        share[first:] = 1
        if kind == 2:  # comes or goes over some dates; true where half is done
            length = int(rng.integers(2, 5))
            ramp = (np.arange(dates) - first + length / 2) / length
            share = np.clip(ramp, 0, 1).astype(np.float32)
        if kind == 3 and there is not None:
            _mix(ground, here, colour, (1 - share) * contrast)
            _mix(ground, there, colour, share * contrast)
            truth[here], truth[there] = first, first
            kinds[here], kinds[there] = 3, 4
        else:
            _mix(ground, here, colour, share * contrast)
            truth[here], kinds[here] = first, kind
    return truth, kinds


def _place_object(rng: np.random.Generator, taken: Mask) -> tuple[slice, slice] | None:
    """Find room for an object of a few to some dozens of pixels, away from the others."""
    height, width = taken.shape
    for _ in range(30):
        rows, cols = (
            int(n) for n in rng.choice([1, 2, 3, 4, 6, 9], 2, p=[0.08, 0.25, 0.27, 0.2, 0.12, 0.08])
        )
        row = int(rng.integers(2, height - rows - 2))
        col = int(rng.integers(2, width - cols - 2))
        around = np.s_[row - 2 : row + rows + 2, col - 2 : col + cols + 2]
        if not taken[around].any():
            taken[around] = True
            return np.s_[row : row + rows, col : col + cols]
    return None


def _mix(ground: Array, place: tuple[slice, slice], colour: Array, share: Array) -> None:
    part = ground[:, :, *place]
    weight = share[:, None, None, None]
    ground[:, :, *place] = part * (1 - weight) + colour[:, None, None] * weight


def _draw_clouds(rng: np.random.Generator, image: Array, share: float, unmasked: float) -> Mask:
    """Put clouds and shadows over an image, in place; returns where that is known."""
    shape = image.shape[1:]
    covered = np.zeros(shape, np.bool_)
    hidden = np.zeros(shape, np.bool_)
    wanted = share * rng.gamma(0.7, 1 / 0.7)
    for _ in range(8):
        if covered.mean() >= min(wanted, 0.9):
            break
        field = _smooth(rng, shape, rng.uniform(3, 9))
        row, col = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        rows, cols = np.ogrid[: shape[0], : shape[1]]
        radius = rng.uniform(0.06, 0.25) * min(shape)
        distance = np.hypot(rows - row, cols - col) / radius
        thick = np.clip(1.6 - distance + 0.35 * field, 0, 1).astype(np.float32)
        thick *= np.float32(rng.choice([1.0, 1.0, 0.35]))
        shade = ndimage.shift(thick, rng.uniform(4, 12, 2), order=1)
        image *= 1 - 0.55 * shade
        image += thick * (np.array([7200, 7000, 6900, 7100], np.float32)[:, None, None] - image)
        both = (thick > 0.08) | (shade > 0.15)
        covered |= both
        if rng.random() >= unmasked:
            hidden |= ndimage.binary_dilation(both, iterations=2)
    return hidden


def _draw_gap(rng: np.random.Generator, shape: tuple[int, int], share: float) -> Mask:
    """Return a wedge at an edge, or stripes, without data."""
    gap = np.zeros(shape, np.bool_)
    if rng.random() >= min(1.0, share * 6):
        return gap
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    if rng.random() < 0.5:
        gap = cols + 0.3 * rows < rng.uniform(0.05, 0.3) * shape[1]
    else:
        gap = (rows + 0.25 * cols + rng.uniform(0, 20)) % 20 < 3
    return gap


def make(folder: Path, seed: int) -> None:
    """Write the committed sample: 18 dates as GeoTIFF, nodata in gaps and known clouds, the truth.

    Parameters
    ----------
    folder : pathlib.Path
        Where to write.
    seed : int
        Seed of everything in it.
    """
    write_sample(folder, make_series(seed, dates=SAMPLE_DATES, size=SAMPLE_SIZE))


def write_sample(folder: Path, sample: SeriesSample) -> None:
    """Write a series: a GeoTIFF a date, nodata in gaps and known clouds, and ``truth.tif``."""
    from geofiles import Grid, write_raster
    from rasterio.crs import CRS

    height, width = sample.truth.shape
    grid = Grid(CRS.from_epsg(32633), 512_000.0, 5_394_000.0, 10.0, width, height)
    for day, image, known in zip(sample.dates, sample.images, sample.valid, strict=True):
        pixels = np.where(known, image, 0).astype(np.uint16)
        path = folder / f"{day}.tif"
        write_raster(path, pixels, grid, BANDS, nodata=0, date=f"{day}T10:00:00Z")
    write_raster(
        folder / "truth.tif",
        (sample.truth + 1).astype(np.uint8)[None],
        grid,
        ("first date of the change, counted from 1; 0 none",),
        tags={"DATES": ",".join(day.isoformat() for day in sample.dates)},
    )


def main() -> None:
    """Write labelled series to learn from, each of its own seed and each into its own folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=80, help="series; default 80")
    parser.add_argument("--dates", type=int, default=40, help="dates of each; default 40")
    parser.add_argument("--size", type=int, default=96, help="edge in pixels; default 96")
    parser.add_argument("--seed", type=int, default=1000, help="of the first one; default 1000")
    options = parser.parse_args()
    for seed in range(options.seed, options.seed + options.count):
        folder = options.folder / f"series-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        write_sample(folder, make_series(seed, options.dates, options.size))
        print(folder)


if __name__ == "__main__":
    main()
