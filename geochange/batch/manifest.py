"""What a batch is asked to do: one row a pair."""

from __future__ import annotations

import csv
import fnmatch
import io
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geochange.errors import InputError, InputNotFoundError
from geochange.io.rasters.scene import Source

REQUIRED_COLUMNS = ("id", "before", "after")
PATH_COLUMNS = ("before", "after", "aoi", "mask_before", "mask_after")
COLUMNS = ("id", *PATH_COLUMNS, "date_before", "date_after")
TAKEN_NAMES = ("batch*.jsonl", "summary*.csv", "summary*.gpkg", "collection.json")
"""Files that a batch writes beside its outputs."""
TAKEN_SUFFIXES = (".partial", ".old")
"""Folders that a run makes beside its output."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a manifest; paths are relative to the manifest's folder.

    Attributes
    ----------
    id : str
        Name of the pair's output folder.
    before, after : path or list of paths
    settings : dict
        Other columns that are not empty: ``aoi``, ``mask_before``, ``mask_after``,
        ``date_before``, ``date_after``.
    """

    id: str
    before: Source
    after: Source
    settings: Mapping[str, str]


def read_manifest(path: str | os.PathLike[str]) -> list[Item]:
    """Read a CSV manifest with columns ``id, before, after`` and optional settings.

    Comma or semicolon, UTF-8. A date may name several files, separated by ``|``.

    Raises
    ------
    InputNotFoundError, InputError
        Missing file or column, unknown column, a broken row, an id twice, or one that is no plain
        name.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> manifest = Path(mkdtemp()) / "pairs.csv"
    >>> _ = manifest.write_text("id,before,after\\nlisbon,2020.tif,2024.tif\\n")
    >>> [item.id for item in read_manifest(manifest)]
    ['lisbon']
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
    counts = Counter(item.id for item in items)
    repeated = sorted(name for name, count in counts.items() if count > 1)
    if repeated:
        msg = f"{manifest}: ids must be unique, got {', '.join(repeated[:5])} more than once"
        raise InputError(msg)
    return items


def _check_columns(manifest: Path, columns: Sequence[str]) -> None:
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    unknown = [name for name in columns if name not in COLUMNS]
    if missing or unknown:
        wrong = f"lacks {', '.join(missing)}" if missing else f"has unknown {', '.join(unknown)}"
        msg = f"{manifest} {wrong}; columns are {', '.join(COLUMNS)}"
        raise InputError(msg)


def _item(row: Mapping[Any, Any], line: int, manifest: Path) -> Item:
    if None in row or None in row.values():
        msg = f"{manifest}, line {line}: the number of cells is not that of the columns"
        raise InputError(msg)
    cells = {str(name).strip(): str(value).strip() for name, value in row.items()}
    name = cells.pop("id")
    if not _is_folder_name(name):
        msg = f"{manifest}, line {line}: id '{name}' is not a plain folder name"
        raise InputError(msg)
    for column in ("before", "after"):
        if not cells[column]:
            msg = f"{manifest}, line {line}: item '{name}' has no {column}"
            raise InputError(msg)
    before, after = (_place_all(cells.pop(date), manifest.parent) for date in ("before", "after"))
    settings = {column: value for column, value in cells.items() if value}
    for column in settings.keys() & set(PATH_COLUMNS):
        settings[column] = _place(settings[column], manifest.parent)
    return Item(name, before, after, settings)


def _place_all(cell: str, folder: Path) -> str | list[str]:
    paths = [_place(part, folder) for part in cell.split("|")]
    return paths[0] if len(paths) == 1 else paths


def _is_folder_name(name: str) -> bool:
    """Tell whether an id can name an output folder that is in nobody's way."""
    taken = any(fnmatch.fnmatch(name, pattern) for pattern in TAKEN_NAMES)
    plain = bool(name) and name == Path(name).name and not name.startswith(".")
    return plain and not taken and not name.endswith(TAKEN_SUFFIXES)


def _place(value: str, folder: Path) -> str:
    """Resolve a path against the manifest's folder; URLs, /vsi paths and boxes stay."""
    text = value.strip()
    is_box = re.fullmatch(r"[-+.\d\s,e]+", text) is not None
    if is_box or "://" in text or text.startswith("/vsi"):
        return text
    return str((folder / text).resolve())
