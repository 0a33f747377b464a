"""The folder of a training run: made, refused, cleared or gone on with."""

from __future__ import annotations

import fnmatch
import json
import shutil
from pathlib import Path
from typing import Any

from geochange.errors import InputError, OutputError, OutputExistsError, UsageError
from geochange.io.files.outputs import write_json
from geochange.training.histograms import HISTOGRAM
from geochange.training.logs import EVENTS, PICTURE, TABLE
from geochange.training.loop import MODEL, STATE
from geochange.training.settings.config import TrainConfig, parse_config
from geochange.training.settings.toml import read_toml, to_table

CONFIG, SUMMARY = "config.toml", "run.json"
OWN_NAMES = (CONFIG, SUMMARY, STATE, MODEL, HISTOGRAM, TABLE, EVENTS, PICTURE, ".*")
FREE = ("output", "compute.workers", "data.cache_mb", "log_every")
"""Settings that may differ when a run is resumed: they do not change its weights."""


def check_folder(config: TrainConfig, *, resume: bool, overwrite: bool) -> Path:
    """Return the output folder after checking that it may be written; changes nothing.

    Raises
    ------
    UsageError
        No output named, or a resumed run with another config.
    OutputExistsError
        The folder is there and may not be replaced.
    """
    if not config.output:
        msg = "a training needs an output folder; set output in the config, or give -o"
        raise UsageError(msg)
    folder = Path(config.output).resolve()
    if folder.exists():
        _check_existing(folder, config, resume=resume, overwrite=overwrite)
    return folder


def make_folder(folder: Path, config: TrainConfig, *, resume: bool) -> None:
    """Make the folder, empty unless a run in it is resumed, and write the whole config into it.

    Raises
    ------
    OutputError
        It cannot be made.
    """
    try:
        if folder.exists() and not resume:
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).write_text(config.to_toml(), encoding="utf-8")
    except OSError as error:
        msg = f"cannot write {folder}: {error.strerror or error}; choose another output folder"
        raise OutputError(msg) from error


def drop_folder(folder: Path) -> None:
    """Remove the folder of a run that failed before there was a state to go on from."""
    if not (folder / STATE).exists():
        shutil.rmtree(folder, ignore_errors=True)


def _check_existing(folder: Path, config: TrainConfig, *, resume: bool, overwrite: bool) -> None:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else [folder.name]
    foreign = [n for n in names if not any(fnmatch.fnmatch(n, own) for own in OWN_NAMES)]
    if foreign or (names and not (folder / CONFIG).is_file()):
        what = f"holds {foreign[0]}" if foreign else "is no training run"
        msg = f"{folder} {what}; choose another output folder"
        raise OutputExistsError(msg)
    if resume:
        if names:
            require_same(folder / CONFIG, config)
    elif names and not overwrite:
        msg = (
            f"{folder} exists; go on with --resume, replace it with --overwrite, or choose another"
        )
        raise OutputExistsError(msg)


def require_same(path: Path, config: TrainConfig) -> None:
    """Refuse to resume with settings that would change the weights.

    Raises
    ------
    UsageError
    """
    old, new = (_flatten(to_table(c)) for c in (parse_config(read_toml(path)), config))
    changed = [n for n in sorted(old | new) if old.get(n) != new.get(n) and n not in FREE]
    if changed:
        name, others = changed[0], len(changed) - 1
        more = f" (and {others} more settings differ)" if others else ""
        msg = (
            f"{path.parent} was trained with {name} = {old.get(name)!r}, now it is "
            f"{new.get(name)!r}{more}; use the old config, start anew, or go on from "
            f"{path.parent / MODEL} with `geochange finetune`"
        )
        raise UsageError(msg)


def _flatten(table: dict[str, Any], where: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        dotted = f"{where}{name}"
        flat |= _flatten(value, f"{dotted}.") if isinstance(value, dict) else {dotted: value}
    return flat


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Return what a finished run says of itself; None while it is not finished.

    Raises
    ------
    InputError
        The file is damaged.
    """
    path = folder / SUMMARY
    if not path.exists():
        return None
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} is damaged ({error}); remove it and resume"
        raise InputError(msg) from error
    return summary if isinstance(summary, dict) else None


def write_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Write what a finished run says of itself."""
    write_json(folder / SUMMARY, summary)
