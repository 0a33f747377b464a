"""Folders of scenes: one folder a scene, or the A, B, label layout of benchmarks."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from geochange.errors import DataWarning, InputError, InputNotFoundError
from geochange.training.settings.data import SourceConfig

BEFORE = ("before", "a", "time1", "t1", "im1", "image1", "pre")
AFTER = ("after", "b", "time2", "t2", "im2", "image2", "post")
LABEL = ("label", "labels", "out", "gt", "cd", "mask", "masks", "change", "truth")
"""What the parts of a scene are called in LEVIR, WHU, SYSU, CDD, OSCD and friends."""
IMAGES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".jp2", ".vrt", ".img")
VECTORS = (".gpkg", ".geojson", ".json", ".shp", ".fgb", ".parquet")


@dataclass(frozen=True)
class SceneFiles:
    """The files of one scene and what its source says about them.

    Attributes
    ----------
    name : str
        Unique among the scenes of a run.
    before, after : str
        A file, or a folder of single-band files.
    label : str
        Label raster or polygons; empty for a scene without labels.
    mask_before, mask_after : str
    source : SourceConfig
    parallel : bool
        One of many images in parallel folders, as benchmarks have them.
    """

    name: str
    before: str
    after: str
    label: str
    source: SourceConfig
    mask_before: str = ""
    mask_after: str = ""
    parallel: bool = False


def list_scene_folders(source: SourceConfig, root: Path) -> list[SceneFiles]:
    """Scenes as ``<path>/<scene>/{before,after,label}``, each a file or a folder of bands.

    A folder without such scenes in it may be one itself.

    Warns
    -----
    DataWarning
        Folders beside scenes hold one of two dates, and are left out.
    """
    folder = root / source.path
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    found = [scene for scene in (_read_scene(path, source) for path in inner) if scene is not None]
    if not found:
        own = _read_scene(folder, source)
        return [own] if own is not None else []
    halves = [
        path.name
        for path in inner
        if is_wanted(path.name, source) and find_dates(path, source).count(None) == 1
    ]
    if halves:
        msg = (
            f"{folder}: {len(halves)} of {len(inner)} folders hold one date only, such as "
            f"{halves[0]}, and are left out; add the other date"
        )
        warnings.warn(msg, DataWarning, stacklevel=2)
    return found


def is_wanted(name: str, source: SourceConfig) -> bool:
    """Tell whether a source takes a scene, by the part of its name after the colon.

    Examples
    --------
    >>> is_wanted("set:paris", SourceConfig(scenes=("par*",), exclude=("parma",)))
    True
    """
    short = name.rpartition(":")[2]
    chosen = not source.scenes or any(fnmatch.fnmatch(short, p) for p in source.scenes)
    return chosen and not any(fnmatch.fnmatch(short, p) for p in source.exclude)


def find_dates(folder: Path, source: SourceConfig) -> tuple[Path | None, Path | None]:
    """Return what a folder holds of the before and of the after date."""
    before = find_part(folder, (source.before,) if source.before else BEFORE)
    return before, find_part(folder, (source.after,) if source.after else AFTER)


def _read_scene(folder: Path, source: SourceConfig) -> SceneFiles | None:
    before, after = find_dates(folder, source)
    if before is None or after is None:
        return None
    label = find_part(folder, (source.label,) if source.label else LABEL)
    name = f"{Path(source.path).name}:{folder.name}"
    return SceneFiles(name, str(before), str(after), str(label or ""), source)


def find_part(folder: Path, names: Iterable[str], *, folder_only: bool = False) -> Path | None:
    """Return the file or folder with one of the names; rasters go before vectors."""
    names = [name.lower() for name in names]
    found = {}
    for path in sorted(folder.iterdir()):
        stem = path.stem if path.is_file() else path.name
        suffix = path.suffix.lower()
        fits = path.is_dir() or (not folder_only and suffix in (*IMAGES, *VECTORS))
        if fits and stem.lower() in names and not path.name.startswith("."):
            found[names.index(stem.lower()), suffix in VECTORS, path.name] = path
    return found[min(found)] if found else None


def list_images(folder: Path) -> dict[str, Path]:
    """Image files of a folder by stem."""
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGES)
    return {p.stem: p for p in paths if not p.name.startswith(".")}


def list_parallel_folders(source: SourceConfig, root: Path) -> list[SceneFiles]:
    """Scenes as ``<path>/{A,B,label}/<name>``, matched by name."""
    folder = root / source.path
    wanted = {"before": BEFORE, "after": AFTER, "label": LABEL}
    parts: dict[str, dict[str, Path]] = {}
    for key, names in wanted.items():
        named = getattr(source, key)
        part = find_part(folder, (named,) if named else names, folder_only=True)
        if part is None and (named or key != "label"):
            there = ", ".join(sorted(p.name for p in folder.iterdir() if p.is_dir())[:6])
            msg = (
                f"{folder} has no folder {named or ' or '.join(names[:3])} of {key} images, but "
                f"{there or 'no folders'}; name it in the source"
            )
            raise InputNotFoundError(msg)
        parts[key] = list_images(part) if part else {}
    chosen = _read_names(folder / source.names_file) if source.names_file else None
    listed = sorted(parts["before"]) if chosen is None else chosen
    scenes = [name for name in listed if is_wanted(name, source)]
    _check_partners(folder, scenes, {k: v for k, v in parts.items() if v or k != "label"})
    label = parts["label"]
    prefix = "/".join(Path(source.path).parts[-2:])
    return [
        SceneFiles(
            f"{prefix}:{name}",
            str(parts["before"][name]),
            str(parts["after"][name]),
            str(label[name]) if label else "",
            source,
            parallel=True,
        )
        for name in scenes
    ]


def _read_names(path: Path) -> list[str]:
    if not path.is_file():
        msg = f"no list of names at {path}; check names_file of the source"
        raise InputNotFoundError(msg)
    names = [Path(line.strip()) for line in path.read_text(encoding="utf-8").splitlines()]
    return [n.stem if n.suffix.lower() in IMAGES else n.name for n in names if n.name]


def _check_partners(folder: Path, names: list[str], parts: dict[str, dict[str, Path]]) -> None:
    for key, files in parts.items():
        missing = [name for name in names if name not in files]
        if missing:
            msg = (
                f"{folder}: {len(missing)} of {len(names)} scenes have no {key} image, such as "
                f"{missing[0]}; add the files or leave the scenes out"
            )
            raise InputError(msg)
