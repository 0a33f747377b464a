"""Scenes against disturbed copies of themselves, where a map should show nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import rasterio
from scenes import SceneSet
from scipy import ndimage

import geochange
from geochange.errors import GeochangeError

MAX_SCENES = 14
"""Scenes of one set that are measured."""


def add_noise(pixels: np.ndarray, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """Add noise of 2 % of the contrast, at least half a level."""
    return pixels + rng.normal(0, max(0.02 * pixels.std(), 0.5), pixels.shape)


def change_gain(pixels: np.ndarray, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """Darken by 15 % and lift by 10 % of the mean: another sun and haze."""
    return 0.85 * pixels + 0.1 * pixels.mean()


def shift_half(pixels: np.ndarray, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """Move by half a pixel of the finest band, down and right, with a cubic spline."""
    return ndimage.shift(pixels, 0.5 * ratio, order=3, mode="nearest")


def change_all(pixels: np.ndarray, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """Shift, then gain, then noise."""
    return add_noise(change_gain(shift_half(pixels, ratio, rng), ratio, rng), ratio, rng)


Disturbance = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
DISTURBANCES: dict[str, Disturbance] = {
    "noise": add_noise,
    "gain and offset": change_gain,
    "0.5 px shift": shift_half,
    "all three": change_all,
}


def write_disturbed(date: Path, target: Path, disturb: Disturbance) -> Path:
    """Write a disturbed copy of a date (a file, or a folder of bands) and return its path."""
    files = sorted(date.glob("*.tif")) if date.is_dir() else [date]
    finest = min(abs(open_profile(file)["transform"].a) for file in files)
    target.mkdir(parents=True)
    for seed, file in enumerate(files):
        profile = open_profile(file)
        ratio = finest / abs(profile["transform"].a)
        with (
            rasterio.open(file) as source,
            rasterio.open(target / file.name, "w", **profile) as out,
        ):
            out.descriptions = source.descriptions
            for index in source.indexes:
                rng = np.random.default_rng([seed, index])
                out.write(
                    disturb_band(source.read(index), source.nodata, disturb, ratio, rng), index
                )
    return target if date.is_dir() else target / date.name


def disturb_band(
    pixels: np.ndarray,
    nodata: float | None,
    disturb: Disturbance,
    ratio: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Disturb one band (H, W), keep its type and its nodata."""
    kind = np.iinfo(pixels.dtype)
    disturbed = np.rint(disturb(pixels.astype(np.float32), ratio, rng)).clip(kind.min, kind.max)
    if nodata is not None:
        disturbed[disturbed == nodata] += 1
        disturbed[pixels == nodata] = nodata
    return disturbed.astype(pixels.dtype)


def open_profile(file: Path) -> dict[str, object]:
    """Return what a lossless copy of a raster is created with."""
    with rasterio.open(file) as source:
        kept = ("height", "width", "count", "dtype", "crs", "transform", "nodata")
        return {"driver": "GTiff", **{key: source.profile[key] for key in kept}}


def measure_no_change(scenes: SceneSet, failures: list[str]) -> Iterator[dict[str, str]]:
    """Yield a row per disturbance: the worst and the pooled scene of a set against itself."""
    for name, disturb in DISTURBANCES.items():
        shares, largest = [], 0
        for scene in scenes.scenes[:MAX_SCENES]:
            try:
                mask = map_itself(scene.before, disturb)
            except GeochangeError as error:
                failures.append(f"{scenes.name} {scene.name}, {name}: {error}")
                continue
            shares.append((np.count_nonzero(mask == 1), np.count_nonzero(mask != 255)))
            objects = np.bincount(ndimage.label(mask == 1, np.ones((3, 3)))[0].ravel())
            largest = max(largest, int(objects[1:].max(initial=0)))
        if shares:
            called, valid = np.array(shares, float).T
            yield {
                "set": scenes.name,
                "disturbance": name,
                "scenes": str(len(shares)),
                "changed %": f"{100 * called.sum() / valid.sum():.4f}",
                "worst scene %": f"{100 * (called / np.maximum(valid, 1)).max():.4f}",
                "largest polygon px": str(largest),
            }


def map_itself(date: Path, disturb: Disturbance) -> np.ndarray:
    """Return the mask (H, W) of a date against its disturbed copy, by ``auto``."""
    with tempfile.TemporaryDirectory() as folder:
        copy = write_disturbed(date, Path(folder) / "copy", disturb)
        geochange.detect(date, copy, Path(folder) / "out", products=("score", "mask"))
        with rasterio.open(Path(folder) / "out/mask.tif") as dataset:
            return dataset.read(1)
