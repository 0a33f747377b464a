"""A manifest of pairs: run them all, keep going when one fails, skip what is finished."""

from __future__ import annotations

import csv
import inspect
import io
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from geochange.alignment.pair import open_pair
from geochange.engine.stages import Progress
from geochange.errors import (
    GeochangeError,
    InputError,
    InputNotFoundError,
    OutputError,
    OutputExistsError,
)
from geochange.io.scene import Source
from geochange.pipeline import describe, detect, key_of

REQUIRED_COLUMNS = ("id", "before", "after")
PAIR_COLUMNS = ("aoi", "mask_before", "mask_after")
LOG_NAME = "batch.jsonl"
SUMMARY_NAME = "summary.csv"


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a manifest; paths are relative to the manifest's folder.

    Attributes
    ----------
    id : str
        Name of the pair's output folder.
    before, after : path or list of paths
    settings : dict
        Other columns: ``aoi``, ``mask_before``, ``mask_after``.
    """

    id: str
    before: Source
    after: Source
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of an item: ``done``, ``skipped`` (finished earlier), ``failed``, ``planned``."""

    id: str
    status: str
    message: str = ""
    changes: int | None = None
    area_m2: float | None = None
    seconds: float = 0.0


def read_manifest(path: str | os.PathLike[str]) -> list[Item]:
    """Read a CSV manifest with columns ``id, before, after`` and optional settings.

    Comma or semicolon, UTF-8. A date may name several files, separated by ``|``.

    Raises
    ------
    InputNotFoundError, InputError
        Missing file or column, unknown column, a broken row, an id twice, or one that is no plain
        name.
    """
    manifest = Path(path)
    if not manifest.is_file():
        msg = f"no such manifest: {manifest}; give a CSV file with columns id, before, after"
        raise InputNotFoundError(msg)
    try:
        text = manifest.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{manifest} is not UTF-8 text (byte {error.start}); save it as CSV in UTF-8"
        raise InputError(msg) from error
    header = text.partition("\n")[0]
    delimiter = ";" if ";" in header and "," not in header else ","
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    _check_columns(manifest, [name.strip() for name in reader.fieldnames or []])
    items = [_item(row, reader.line_num, manifest) for row in reader]
    ids = [item.id for item in items]
    repeated = sorted({name for name in ids if ids.count(name) > 1})
    if repeated:
        msg = f"{manifest}: ids must be unique, got {', '.join(repeated[:5])} more than once"
        raise InputError(msg)
    return items


def _check_columns(manifest: Path, columns: Sequence[str]) -> None:
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    unknown = [name for name in columns if name not in REQUIRED_COLUMNS + PAIR_COLUMNS]
    if missing or unknown:
        wrong = f"lacks {', '.join(missing)}" if missing else f"has unknown {', '.join(unknown)}"
        known = ", ".join(REQUIRED_COLUMNS + PAIR_COLUMNS)
        msg = f"{manifest} {wrong}; columns are {known}"
        raise InputError(msg)


def _item(row: Mapping[Any, Any], line: int, manifest: Path) -> Item:
    if None in row or None in row.values():
        msg = f"{manifest}, line {line}: the number of cells is not that of the columns"
        raise InputError(msg)
    cells = {str(name).strip(): str(value).strip() for name, value in row.items()}
    name = cells.pop("id")
    taken = (LOG_NAME, SUMMARY_NAME)
    if not name or name != Path(name).name or name.startswith(".") or name in taken:
        msg = f"{manifest}, line {line}: id '{name}' is not a plain folder name"
        raise InputError(msg)
    for column in ("before", "after"):
        if not cells[column]:
            msg = f"{manifest}, line {line}: item '{name}' has no {column}"
            raise InputError(msg)
    placed = {k: [_place(part, manifest.parent) for part in v.split("|")] for k, v in cells.items()}
    paths = {k: parts[0] if len(parts) == 1 else parts for k, parts in placed.items() if cells[k]}
    before, after = paths.pop("before"), paths.pop("after")
    return Item(name, before, after, {k: str(v) for k, v in paths.items()})


def _place(value: str, folder: Path) -> str:
    """Resolve a path against the manifest's folder; URLs, /vsi paths and boxes stay."""
    text = value.strip()
    is_box = re.fullmatch(r"[-+.\d\s,e]+", text) is not None
    if is_box or "://" in text or text.startswith("/vsi"):
        return text
    return str((folder / text).resolve())


def run_batch(
    items: list[Item],
    output: str | os.PathLike[str],
    settings: Mapping[str, object] | None = None,
    *,
    retry_failed: bool = True,
    on_progress: Callable[[str], Progress] | None = None,
) -> Iterator[ItemResult]:
    """Run ``detect`` on every item, each into a folder of its own; yields results as they come.

    A failing item never stops the others. Items whose finished output has the same inputs and
    settings are skipped, so running the same batch again resumes it. An output with other settings
    is kept, and the item fails, unless ``overwrite`` is among the settings: it may hold reviews.

    Parameters
    ----------
    items : list of Item
    output : path
        Folder for ``<id>/``, ``batch.jsonl`` (one line an event) and ``summary.csv``.
    settings : mapping, optional
        Parameters of :func:`geochange.detect` for every item.
    retry_failed : bool
        Run items again that failed before.
    on_progress : callable, optional
        Takes an item's id, returns the ``on_progress`` of its run.
    """
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cannot write {folder}: {error.strerror}; choose another output folder"
        raise OutputError(msg) from error
    log = folder / LOG_NAME
    failed_before = _failed_items(log) if not retry_failed else set()
    results = []
    for item in items:
        if item.id in failed_before:
            result = ItemResult(item.id, "failed", "failed before; not retried")
        else:
            progress = on_progress(item.id) if on_progress else None
            result = _run_item(item, folder, progress, settings or {})
        results.append(result)
        _append_log(log, result)
        _write_summary(folder / SUMMARY_NAME, results)
        yield result


def plan_batch(items: list[Item], settings: Mapping[str, object]) -> Iterator[ItemResult]:
    """Open every pair as ``run_batch`` would, without running it: ``planned`` or ``failed``."""
    names = set(inspect.signature(open_pair).parameters) - {"before", "after"}
    for item in items:
        arguments = {**settings, **item.settings}
        chosen = {name: value for name, value in arguments.items() if name in names}
        try:
            facts = describe(item.before, item.after, **chosen)
        except GeochangeError as error:
            yield ItemResult(item.id, "failed", str(error))
        else:
            yield ItemResult(item.id, "planned", "; ".join([*facts["method"], *facts["pair"]]))


def _run_item(
    item: Item, folder: Path, progress: Progress | None, settings: Mapping[str, object]
) -> ItemResult:
    start = time.perf_counter()
    target = folder / item.id
    arguments = {**settings, **item.settings}
    try:
        finished = _finished_key(target)
        if finished is not None and finished == key_of(item.before, item.after, arguments):
            return ItemResult(item.id, "skipped", "finished earlier")
        if finished is not None and not arguments.get("overwrite"):
            msg = f"{target} holds a result of other settings or inputs; overwrite it (--overwrite)"
            raise OutputExistsError(msg)
        extra = {"on_progress": progress} if progress else {}
        result = detect(item.before, item.after, target, **(arguments | extra))  # type: ignore[arg-type]
    except GeochangeError as error:
        return ItemResult(item.id, "failed", str(error), seconds=_since(start))
    except Exception as error:  # noqa: BLE001 - one broken pair must not stop the others
        message = f"unexpected {type(error).__name__}: {error}"
        return ItemResult(item.id, "failed", message, seconds=_since(start))
    return ItemResult(item.id, "done", "", result.count, result.area_m2, _since(start))


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 2)


def _finished_key(target: Path) -> str | None:
    """Return the fingerprint that a finished run stored, if one is there."""
    file = target / "run.json"
    if not file.exists():
        return None
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["fingerprint"])
    except (ValueError, KeyError):
        return "damaged"


def _failed_items(log: Path) -> set[str]:
    """Items whose last event in the log is a failure."""
    last: dict[str, str] = {}
    if log.exists():
        for line in log.read_text(encoding="utf-8").splitlines():
            try:
                event = json.loads(line)
            except ValueError:  # a line cut short when a run was killed
                continue
            last[event["id"]] = event["status"]
    return {name for name, status in last.items() if status == "failed"}


def _append_log(log: Path, result: ItemResult) -> None:
    event = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **asdict(result)}
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")


def _write_summary(path: Path, results: list[ItemResult]) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(asdict(results[0])))
        writer.writeheader()
        writer.writerows(asdict(result) for result in results)
    temporary.replace(path)
