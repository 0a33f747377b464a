"""A manifest of pairs: run them all, keep going when one fails, skip what is finished."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from geochange.engine.stages import Progress
from geochange.errors import GeochangeError, InputError, InputNotFoundError
from geochange.pipeline import detect, key_of

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
    before, after : str
    settings : dict
        Other columns: ``aoi``, ``mask_before``, ``mask_after``.
    """

    id: str
    before: str
    after: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item: ``done``, ``skipped`` (finished earlier) or ``failed``."""

    id: str
    status: str
    message: str = ""
    changes: int | None = None
    area_m2: float | None = None
    seconds: float = 0.0


def read_manifest(path: str | os.PathLike[str]) -> list[Item]:
    """Read a CSV manifest with columns ``id, before, after`` and optional settings.

    Raises
    ------
    InputNotFoundError, InputError
        Missing file or column, unknown column, an id twice, or one that is no plain name.
    """
    manifest = Path(path)
    if not manifest.is_file():
        msg = f"no such manifest: {manifest}; give a CSV file with columns id, before, after"
        raise InputNotFoundError(msg)
    with manifest.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        _check_columns(manifest, reader.fieldnames or [])
        items = [_item(row, manifest) for row in reader]
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


def _item(row: Mapping[str, str], manifest: Path) -> Item:
    name = (row["id"] or "").strip()
    if not name or name != Path(name).name or name.startswith("."):
        msg = f"{manifest}: id '{name}' is not a plain folder name"
        raise InputError(msg)
    paths = {k: _place(v.strip(), manifest.parent) for k, v in row.items() if k != "id" and v}
    for column in ("before", "after"):
        if column not in paths:
            msg = f"{manifest}: item '{name}' has no {column}"
            raise InputError(msg)
    before, after = paths.pop("before"), paths.pop("after")
    return Item(name, before, after, paths)


def _place(value: str, folder: Path) -> str:
    """Resolve a path against the manifest's folder; URLs, /vsi paths and boxes stay."""
    relative = folder / value
    return str(relative) if relative.exists() else value


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
    settings are skipped, so running the same batch again resumes it.

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
    folder.mkdir(parents=True, exist_ok=True)
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


def _run_item(
    item: Item, folder: Path, progress: Progress | None, settings: Mapping[str, object]
) -> ItemResult:
    start = time.perf_counter()
    target = folder / item.id
    arguments = {**settings, **item.settings}
    try:
        key = key_of(item.before, item.after, arguments)
        if _finished_key(target) == key:
            return ItemResult(item.id, "skipped", "finished earlier")
        overwrite = {"overwrite": True} if _finished_key(target) else {}
        extra = {"on_progress": progress} if progress else {}
        result = detect(item.before, item.after, target, **(arguments | overwrite | extra))  # type: ignore[arg-type]
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
            event = json.loads(line)
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
