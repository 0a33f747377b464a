"""What ``run.json`` says: which inputs, how, with what, found what."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from geochange.alignment.grid import describe_grid
from geochange.alignment.pair import Pair
from geochange.exports.runs.fingerprint import FILE_SETTINGS
from geochange.io.rasters.scene import Source
from geochange.maps.threshold import Threshold
from geochange.nn.checkpoints.shipped import is_shipped
from geochange.version import __version__, installed_versions


def describe_run(
    key: str,
    sources: tuple[Source, Source],
    pair: Pair,
    inputs: Mapping[str, Any],
    method: Mapping[str, object],
    threshold: Threshold,
    settings: Mapping[str, object],
) -> dict[str, Any]:
    """Return the provenance of a run, ready for JSON.

    Parameters
    ----------
    key : str
        Of :func:`geochange.exports.runs.fingerprint.fingerprint_inputs`.
    sources : tuple
        The two dates as the user gave them.
    inputs : mapping
        Of :func:`geochange.alignment.inputs.describe_inputs`.
    method : mapping
        ``name``, ``reason`` and ``options``.
    settings : mapping
        Parameters that change what is found, plain enough for JSON.
    """
    return {
        "geochange": __version__,
        "kind": "detect",
        "fingerprint": key,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": repeat_command(*sources, settings),
        "sources": locate_sources(*sources, method, settings),
        "inputs": dict(inputs),
        "grid": describe_grid(pair.geobox),
        "notes": list(pair.notes),
        "method": dict(method),
        "threshold": threshold.describe(),
        "settings": dict(settings),
        "versions": installed_versions(),
    }


def locate_sources(
    before: Source, after: Source, method: Mapping[str, object], settings: Mapping[str, object]
) -> dict[str, object]:
    """Return what a run read, local files by absolute paths, so that it can be opened again.

    A network that comes with geochange is known by its name and has no path here.
    """
    options = method.get("options")
    checkpoint = options.get("checkpoint") if isinstance(options, Mapping) else None
    named = {name: settings.get(name) for name in FILE_SETTINGS if name != "model"}
    if isinstance(checkpoint, str) and not is_shipped(checkpoint):
        named["checkpoint"] = checkpoint
    files = {name: given for name, given in named.items() if isinstance(given, str)}
    located = {name: _locate(given) for name, given in files.items() if Path(given).is_file()}
    return {"before": _locate(before), "after": _locate(after), **located}


def _locate(source: Source) -> str | list[str]:
    if isinstance(source, str | os.PathLike):
        return os.path.abspath(source) if Path(source).exists() else os.fspath(source)
    return [str(_locate(part)) for part in source]


def repeat_command(before: object, after: object, settings: Mapping[str, object]) -> str:
    """Return the command line that repeats a run."""
    words = ["geochange", "detect", *(_source(date) for date in (before, after)), "-o", "OUT"]
    for name, value in settings.items():
        if name == "options" and isinstance(value, Mapping):
            for option, setting in value.items():
                words += ["--set", f"{option}={setting}"]
        elif isinstance(value, bool):
            words += [f"--{name.replace('_', '-')}"] if value else []
        elif value is not None:
            text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            words += [f"--{name.replace('_', '-')}", text]
    return shlex.join(words)


def _source(source: object) -> str:
    return ",".join(map(str, source)) if isinstance(source, list | tuple) else str(source)
