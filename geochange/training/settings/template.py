"""A config to start from: every setting with its default and what it is for."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from geochange.training.settings.config import TrainConfig
from geochange.training.settings.data import DataConfig, SourceConfig
from geochange.training.settings.toml import to_table, write_toml

WIDTH = 96
EXAMPLE = TrainConfig(data=DataConfig(train=(SourceConfig(path="train"),)))
"""The defaults, with one source of scenes; without others for validation, folds are made."""
HEAD = """\
# A training of geochange. What is not given has the default that stands here: a whole config can be
# as short as
#     [[data.train]]
#     path = "train"
# Paths are relative to data.root, which is relative to this file.
"""
ENTRY = re.compile(r"(\w+(?:, \w+)*) : \S.*")


def write_template() -> str:
    """Return a config as TOML that holds all settings, each table and setting explained.

    Examples
    --------
    >>> print(write_template().splitlines()[-1])
    automatic = true
    """
    return HEAD + "\n".join(_write_table(EXAMPLE, "", "")) + "\n"


def _write_table(settings: Any, name: str, heading: str) -> Iterator[str]:
    """Write single settings first, as TOML demands, then tables of settings."""
    if heading:
        yield from ("", heading, *_comment(_summarise(settings)))
    values = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    tables = {key: value for key, value in values.items() if _is_table(value)}
    notes, said = read_notes(type(settings)), ""
    for key in [key for key in values if key not in tables]:
        note = notes.get(key, "")
        yield from _comment(note if note != said else "")
        said = note
        yield _write_setting(key, to_table(values[key]))
    for key, value in tables.items():
        place = f"{name}{key}"
        if dataclasses.is_dataclass(value):
            yield from _write_table(value, f"{place}.", f"[{place}]")
        else:
            for item in value:
                yield from _write_table(item, f"{place}.", f"[[{place}]]")


def _is_table(value: Any) -> bool:
    rows = isinstance(value, tuple) and bool(value) and dataclasses.is_dataclass(value[0])
    return rows or dataclasses.is_dataclass(value)


def _write_setting(key: str, value: Any) -> str:
    empty = isinstance(value, Mapping) and not value
    return f"{key} = {{}}" if empty else write_toml({key: value}).strip()


def _summarise(settings: Any) -> str:
    return (inspect.getdoc(type(settings)) or "").partition("\n")[0]


def read_notes(kind: type) -> dict[str, str]:
    """Return what the docstring of a dataclass says of its attributes, by name.

    Examples
    --------
    >>> from geochange.training.settings.chips import ChipConfig
    >>> read_notes(ChipConfig)["size_px"]
    'size_px, batch_size: Edge of a chip, and chips in a batch over all processes.'
    """
    _, _, listed = (inspect.getdoc(kind) or "").partition("Attributes\n----------\n")
    entries: dict[str, str] = {}
    names = ""
    for line in listed.splitlines():
        entry = ENTRY.fullmatch(line)
        if entry is not None:
            names = entry[1]
        elif line.startswith("    ") and names:
            entries[names] = f"{entries.get(names, f'{names}:')} {line.strip()}"
        else:
            names = ""
    return {name: _plain(note) for names, note in entries.items() for name in names.split(", ")}


def _plain(text: str) -> str:
    """Leave out what marks text up."""
    return re.sub(r":\w+:`[~.]*([^`]+)`", r"\1", text).replace("``", "")


def _comment(text: str) -> list[str]:
    return textwrap.wrap(_plain(text), WIDTH, initial_indent="# ", subsequent_indent="# ")
