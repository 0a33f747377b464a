"""Which files make which scene: pairs, folders of scenes, benchmark layouts, manifests."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from geochange.errors import InputError, InputNotFoundError
from geochange.training.scenes.layouts import (
    BEFORE,
    LABEL,
    SceneFiles,
    find_dates,
    find_part,
    is_wanted,
    list_images,
    list_parallel_folders,
    list_scene_folders,
)
from geochange.training.settings.data import SourceConfig

COLUMNS = ("before", "after")
FOLDER_LAYOUTS = ("scenes", "folders")


def list_scenes(sources: Iterable[SourceConfig], root: str | os.PathLike[str]) -> list[SceneFiles]:
    """List the scenes of all sources; reads names only.

    Raises
    ------
    InputNotFoundError, InputError
        A folder that is not there, files without a partner, or no scene at all.
    """
    scenes = [scene for source in sources for scene in _list_source(source, Path(root))]
    twice = [name for name, count in Counter(s.name for s in scenes).items() if count > 1]
    if twice:
        msg = f"scene {twice[0]} is listed twice ({len(twice)} such); name each scene once"
        raise InputError(msg)
    return scenes


def _list_source(source: SourceConfig, root: Path) -> list[SceneFiles]:
    layout = source.layout if source.layout != "auto" else _guess_layout(source, root)
    listers = {
        "pair": _list_pair,
        "scenes": list_scene_folders,
        "folders": list_parallel_folders,
        "manifest": _list_manifest,
    }
    if layout in FOLDER_LAYOUTS:
        _require_folder(root / source.path)
    scenes = [s for s in listers[layout](source, root) if is_wanted(s.name, source)]
    if not scenes:
        asked = ", ".join((*source.scenes, *(f"not {name}" for name in source.exclude)))
        fits = f" fits {asked}" if asked else ""
        msg = f"no scene in {root / source.path}{fits}; check path, scenes and exclude"
        raise InputNotFoundError(msg)
    part = _describe_part(source)
    return [replace(scene, name=scene.name + part) for scene in scenes]


def _describe_part(source: SourceConfig) -> str:
    """Say which part of each scene is taken, so that two parts of one have two names."""
    named = {"rows": source.rows, "cols": source.cols}
    parts = [f" {n} {p[0]:g}-{p[1]:g}" for n, p in named.items() if tuple(p) != (0.0, 1.0)]
    return "".join(parts)


def _guess_layout(source: SourceConfig, root: Path) -> str:
    if not source.path:
        return "pair"
    path = root / source.path
    if path.suffix.lower() == ".csv":
        return "manifest"
    _require_folder(path)
    label = find_part(path, (source.label,) if source.label else LABEL)
    if (label is not None and label.is_file()) or _holds_scenes(path, source):
        return "scenes"
    wanted = (source.before,) if source.before else BEFORE
    before = find_part(path, wanted, folder_only=True)
    return "folders" if before is not None and list_images(before) else "scenes"


def _require_folder(path: Path) -> None:
    if not path.is_dir():
        msg = f"no folder {path} to take scenes from; check data.root and the source's path"
        raise InputNotFoundError(msg)


def _holds_scenes(path: Path, source: SourceConfig) -> bool:
    """Tell whether a folder in a folder has both dates: a scene, also when it is called ``a``."""
    inner = (folder for folder in path.iterdir() if folder.is_dir())
    return any(all(find_dates(folder, source)) for folder in inner)


def _list_pair(source: SourceConfig, root: Path) -> list[SceneFiles]:
    if not (source.before and source.after):
        msg = "a source needs a path, or a before and an after file; give one of them"
        raise InputError(msg)
    row = {n: getattr(source, n) for n in ("before", "after", "label", "mask_before", "mask_after")}
    name = Path(source.before).parent.name or Path(source.before).stem
    return [_scene(name, row, root, source)]


def _scene(name: str, row: dict[str, str], folder: Path, source: SourceConfig) -> SceneFiles:
    """Make a scene of file names relative to a folder; all must be there."""
    given = {key: str(folder / value) for key, value in row.items() if value}
    for key, path in given.items():
        if not Path(path).exists():
            msg = f"scene {name}: no {key} at {path}; check data.root and the source"
            raise InputNotFoundError(msg)
    return SceneFiles(
        name,
        given["before"],
        given["after"],
        given.get("label", ""),
        source,
        mask_before=given.get("mask_before", ""),
        mask_after=given.get("mask_after", ""),
    )


def _list_manifest(source: SourceConfig, root: Path) -> list[SceneFiles]:
    """Scenes of a CSV file: id, before, after, label, mask_before, mask_after."""
    path = root / source.path
    if not path.is_file():
        msg = f"no manifest at {path}; check data.root and the source's path"
        raise InputNotFoundError(msg)
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    known = ("id", *COLUMNS, "label", "mask_before", "mask_after")
    if not rows or any(not row.get(column) for row in rows for column in COLUMNS):
        msg = f"{path} needs columns before and after, filled in every row (also {known[3:]})"
        raise InputError(msg)
    scenes = []
    for number, row in enumerate(rows, 1):
        files = {key: row.get(key) or "" for key in known[1:]}
        name = f"{path.stem}:{row.get('id') or number}"
        scenes.append(_scene(name, files, path.parent, source))
    return scenes
