"""Which runs are the same: inputs, and the settings that change what is found, as one key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geochange.alignment.inputs import describe_files
from geochange.io.provenance import describe_file, hash_run, plain
from geochange.io.rasters.scene import Source, describe_date
from geochange.version import __version__

FILE_SETTINGS = ("mask_before", "mask_after", "aoi", "grid", "model", "screen")
"""Settings that may name a file, whose content then counts."""
NOT_SETTINGS = (
    "before",
    "after",
    "output",
    "tile_size",
    "workers",
    "threads",
    "scheduler",
    "memory_limit",
    "overwrite",
    "resume",
    "runner",
    "on_progress",
    "products",
)
"""Parameters of ``detect`` that do not change what it finds."""


def list_settings(parameters: Mapping[str, object]) -> dict[str, object]:
    """Return those parameters of ``detect`` that change what it finds, plain enough for JSON."""
    kept = {name: plain(value) for name, value in parameters.items() if name not in NOT_SETTINGS}
    return kept | {"options": kept["options"] or {}}


def fingerprint_inputs(inputs: Mapping[str, Any], settings: Mapping[str, object]) -> str:
    """Return the key of a run with these described inputs and (plain) settings."""
    return _key([inputs[when]["files"] for when in ("before", "after")], settings)


def fingerprint_run(before: Source, after: Source, settings: Mapping[str, object]) -> str:
    """Return the key that a run with these inputs and (plain) settings would store."""
    return _key([describe_files(describe_date(date)) for date in (before, after)], settings)


def _key(inputs: list[list[dict[str, object]]], settings: Mapping[str, object]) -> str:
    contents = dict(settings)
    options = settings.get("options")
    checkpoint = options.get("checkpoint") if isinstance(options, Mapping) else None
    named = {name: settings.get(name) for name in FILE_SETTINGS} | {"checkpoint": checkpoint}
    for name, given in named.items():
        if isinstance(given, str) and Path(given).is_file():
            contents[name] = describe_file(given)
    return hash_run(inputs, contents, __version__)
