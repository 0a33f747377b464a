"""Sets of public scenes in a data folder: pairs of dates, most with a label."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TRAIN_CHIPS = 40
"""Chips of the large building set that are measured, spread evenly."""


@dataclass(frozen=True)
class Scene:
    """Two dates of one place; ``label`` is None when nobody knows what changed."""

    name: str
    before: Path
    after: Path
    label: Path | None = None
    changed: int | None = None
    ignore: int | None = None


@dataclass(frozen=True)
class SceneSet:
    """Scenes whose pixels are pooled."""

    name: str
    scenes: tuple[Scene, ...]


def list_sets(data: Path) -> list[SceneSet]:
    """List the sets that exist in a data folder."""
    sets = [
        SceneSet(
            "landsat_nanjing", tuple(find_scenes(data / "landsat_nanjing", changed=1, ignore=0))
        ),
        SceneSet("oscd", tuple(find_folders(data / "oscd"))),
        SceneSet("building/train", tuple(find_chips(data / "building/train", TRAIN_CHIPS))),
        SceneSet("building/val", tuple(find_chips(data / "building/val"))),
        SceneSet("aerial", tuple(find_folders(data / "aerial"))),
        *(SceneSet(f"sar/{scene.name}", (scene,)) for scene in find_folders(data / "sar")),
        SceneSet("vhr_samples/levir", tuple(find_folders(data / "vhr_samples/levir"))),
        SceneSet("vhr_samples/whu", tuple(find_folders(data / "vhr_samples/whu"))),
        SceneSet("series_pucallpa", tuple(find_series(data / "series_pucallpa"))),
        SceneSet("misc", tuple(find_series(data / "misc"))),
    ]
    return [scenes for scenes in sets if scenes.scenes]


def find_date(folder: Path, date: str) -> Path:
    """Return the file of a date, or the folder of its bands."""
    file = folder / f"{date}.tif"
    return file if file.exists() else folder / date


def find_scenes(
    folder: Path, changed: int | None = None, ignore: int | None = None
) -> Iterator[Scene]:
    """Yield the one scene of a folder with ``before``, ``after`` and ``label.tif``."""
    if (folder / "label.tif").exists():
        before, after = find_date(folder, "before"), find_date(folder, "after")
        yield Scene(folder.name, before, after, folder / "label.tif", changed, ignore)


def find_folders(folder: Path) -> Iterator[Scene]:
    """Yield the scenes of a folder of folders."""
    for child in sorted(folder.glob("*/")):
        yield from find_scenes(child)


def find_chips(folder: Path, count: int | None = None) -> Iterator[Scene]:
    """Yield ``count`` chips spread evenly over ``{before,after,label}/<tile>.tif``."""
    names = sorted(path.name for path in (folder / "label").glob("*.tif"))
    chosen = np.linspace(0, len(names) - 1, min(count or len(names), len(names))).astype(int)
    for i in chosen:
        dates = (folder / part / names[i] for part in ("before", "after", "label"))
        yield Scene(Path(names[i]).stem, *dates)


def find_series(folder: Path) -> Iterator[Scene]:
    """Yield consecutive dates of a folder of rasters."""
    dates = sorted(folder.glob("*.tif"))
    for before, after in itertools.pairwise(dates):
        yield Scene(f"{before.stem}-{after.stem}", before, after)


def choose_sets(sets: list[SceneSet], names: str | None) -> list[SceneSet]:
    """Keep the sets that are, or lie in a folder that is, in a comma-separated list."""
    if names is None:
        return sets
    wanted = names.split(",")
    kept = [s for s in sets if any(s.name == w or s.name.startswith(f"{w}/") for w in wanted)]
    if not kept:
        sys.exit(f"no set named {names}; there are {', '.join(s.name for s in sets)}")
    return kept
