"""The scenes that an oracle labels tile by tile, and those that networks are measured on."""

from __future__ import annotations

import functools
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from geochange.alignment.pair import open_pair
from geochange.annotation.queue import BINS, measure_uncertainty
from geochange.detectors.network import NetworkDetector
from geochange.exports.aligned import align
from geochange.pipeline import detect
from geochange.tiles import TilePlan, Window

TILE_PX = 128
POOL = 160
"""Tiles that can be asked for."""
UNLABELLED = 255
BANDS = {"aerial": ("Red", "Green", "Blue"), "oscd": ("B02", "B03", "B04", "B08")}
PLACES = {
    "aerial": ("szada2", "szada3", "szada4", "szada5", "szada6", "szada7",
               "tiszadob1", "tiszadob2", "tiszadob4", "tiszadob5"),
    "oscd": ("nantes", "bordeaux", "abudhabi", "mumbai", "hongkong", "beihai", "pisa", "beirut",
             "cupertino", "aguasclaras"),
}  # fmt: skip
HELD_OUT = {
    "aerial": (("szada3", "szada6", "tiszadob2"), ("szada2", "szada7", "tiszadob4"),
               ("szada4", "szada5", "tiszadob5")),
    "oscd": (("abudhabi", "mumbai", "pisa", "beirut"),
             ("hongkong", "beihai", "cupertino", "aguasclaras"),
             ("nantes", "bordeaux", "abudhabi", "mumbai")),
}  # fmt: skip
"""What each seed measures on: places that share no ground with the others."""


@dataclass(frozen=True)
class Pool:
    """Scenes to label and scenes to measure on.

    Attributes
    ----------
    scenes : dict of str to Path
        To label: name to folder with before, after, label and score.
    folder : Path
        For the labels so far and the network.
    held_out : list
        Sources of the scenes that networks are measured on.
    seed : int
        Of the choice of tiles.
    """

    scenes: Mapping[str, Path]
    folder: Path
    held_out: Sequence[Mapping[str, Any]]
    seed: int

    @functools.cached_property
    def tiles(self) -> list[tuple[str, Window]]:
        """Scene and window of every tile, at most ``POOL`` of them."""
        every = [
            (name, tile.core)
            for name in self.scenes
            for tile in TilePlan(self.truth[name].shape, TILE_PX)
            if tile.core.shape == (TILE_PX, TILE_PX)
        ]
        rng = np.random.default_rng([self.seed, POOL])
        chosen = np.sort(rng.permutation(len(every))[:POOL])
        return [every[index] for index in chosen]

    @functools.cached_property
    def truth(self) -> dict[str, np.ndarray]:
        """Labels of all scenes, uint8 (H, W): 0, 1."""
        return {name: read_band(folder / "label.tif") for name, folder in self.scenes.items()}

    @functools.cached_property
    def changed(self) -> np.ndarray:
        """Changed pixels of each tile."""
        return np.array([int(cut(self.truth[n], core).sum()) for n, core in self.tiles])

    def label(self, asked: Sequence[int]) -> list[dict[str, Any]]:
        """Write what is labelled so far and return the scenes to learn from."""
        masks = {name: np.full_like(truth, UNLABELLED) for name, truth in self.truth.items()}
        for index in asked:
            name, core = self.tiles[index]
            cut(masks[name], core)[:] = cut(self.truth[name], core)
        touched = sorted({self.tiles[index][0] for index in asked})
        sources = []
        for name in touched:
            path = self.folder / f"{name}.tif"
            with rasterio.open(self.scenes[name] / "label.tif") as like:
                profile = like.profile
            with rasterio.open(path, "w", **profile) as dataset:
                dataset.write(masks[name], 1)
            sources.append(describe_source(self.scenes[name], path))
        return sources

    def look(self, checkpoint: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return uncertainty and features of all tiles, by a network or by what needs none."""
        uncertainty = np.full(len(self.tiles), np.nan)
        features = np.zeros((len(self.tiles), BINS))
        for name, folder in self.scenes.items():
            numbers = [n for n, (scene, _) in enumerate(self.tiles) if scene == name]
            windows = [self.tiles[n][1] for n in numbers]
            found, threshold = (
                recall_scores(folder, windows)
                if checkpoint is None
                else score_tiles(folder, windows, checkpoint)
            )
            for number, score in zip(numbers, found, strict=True):
                values = score[np.isfinite(score)].astype(np.float32)
                if values.size:
                    uncertainty[number] = measure_uncertainty(values, threshold)
                    features[number] = np.histogram(values, BINS, (0, 1))[0] / values.size
        return uncertainty, features


def cut(array: np.ndarray, window: Window) -> np.ndarray:
    """Return a window of an array, not copied."""
    return array[window.row : window.stop_row, window.col : window.stop_col]


def recall_scores(folder: Path, windows: Sequence[Window]) -> tuple[list[np.ndarray], float]:
    """Return scores of tiles and the threshold of the method that needs no training."""
    score = np.load(folder / "score.npy", mmap_mode="r")
    return [cut(score, w) for w in windows], float((folder / "threshold.txt").read_text())


def score_tiles(
    folder: Path, windows: Sequence[Window], checkpoint: Path
) -> tuple[list[np.ndarray], float]:
    """Score tiles with a network and return its threshold too."""
    pair = open_pair(folder / "before.tif", folder / "after.tif")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = NetworkDetector(checkpoint=str(checkpoint), roles=pair.traits.roles)
    blocks = [pair.read_window(window) for window in windows]
    detector.fit(blocks)
    scores = [detector.score(b.before[None], b.after[None], b.valid[None])[0] for b in blocks]
    return scores, detector.card.threshold


def open_pool(data: Path, work: Path, name: str, seed: int, order: str) -> Pool:
    """Prepare the scenes of a set, once, and split them by place."""
    held = HELD_OUT[name][seed % len(HELD_OUT[name])]
    folders = {
        place: prepare(data / name / place, work / name / place, name) for place in PLACES[name]
    }
    folder = work / f"{name}-{order}-{seed}"
    folder.mkdir(exist_ok=True)
    scenes = {place: path for place, path in folders.items() if place not in held}
    judges = [describe_source(folders[p], folders[p] / "label.tif") for p in held]
    return Pool(scenes, folder, judges, seed)


def prepare(source: Path, target: Path, name: str) -> Path:
    """Bring a scene onto one grid and score it without training."""
    if (target / "threshold.txt").exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    before, after = (find_date(source, date) for date in ("before", "after"))
    align(before, after, target, register="off", threads=1)
    for date in ("before", "after"):
        pick_bands(target / f"{date}.tif", BANDS[name])
    truth = read_band(source / "label.tif")
    write_label(truth, target)
    dates = target / "before.tif", target / "after.tif"
    result = detect(*dates, target / "run", products=("score",), register="off", threads=1)
    np.save(target / "score.npy", result.open().to_numpy().squeeze().astype(np.float16))
    (target / "threshold.txt").write_text(str(result.threshold or 0.5))
    return target


def find_date(source: Path, date: str) -> str:
    """Return a date's file, or its folder of bands."""
    file = source / f"{date}.tif"
    return str(file if file.exists() else source / date)


def pick_bands(path: Path, wanted: Sequence[str]) -> None:
    """Keep the named bands of a file; files without names get them in order."""
    with rasterio.open(path) as dataset:
        profile = dataset.profile
        names = list(dataset.descriptions)
        known = all(any(w == n for n in names) for w in wanted)
        chosen = [names.index(w) + 1 for w in wanted] if known else list(range(1, len(wanted) + 1))
        pixels = dataset.read(chosen)
    plain = {
        k: v
        for k, v in profile.items()
        if k in ("crs", "transform", "height", "width", "dtype", "nodata")
    }
    with rasterio.open(path, "w", driver="GTiff", count=len(wanted), **plain) as dataset:
        dataset.write(pixels)
        dataset.descriptions = tuple(wanted)


def write_label(truth: np.ndarray, target: Path) -> None:
    """Write labels on the grid of the before date."""
    with rasterio.open(target / "before.tif") as like:
        facts = {
            "crs": like.crs,
            "transform": like.transform,
            "height": like.height,
            "width": like.width,
        }
    with rasterio.open(
        target / "label.tif",
        "w",
        driver="GTiff",
        count=1,
        dtype="uint8",
        compress="deflate",
        **facts,
    ) as dataset:
        dataset.write((truth[: facts["height"], : facts["width"]] > 0).astype(np.uint8), 1)


def read_band(path: Path) -> np.ndarray:
    """Read the first band."""
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def describe_source(folder: Path, label: Path) -> dict[str, Any]:
    """Return a scene as training takes it."""
    dates = {date: str((folder / f"{date}.tif").absolute()) for date in ("before", "after")}
    return {
        "layout": "pair",
        **dates,
        "label": str(label.absolute()),
        "changed": [1],
        "ignore": [UNLABELLED],
    }
