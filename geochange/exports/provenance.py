"""What ``run.json`` says: which inputs, how, with what, found what."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from geochange.alignment.grid import gsd_m
from geochange.alignment.pair import Pair
from geochange.exports.products import repeat_command
from geochange.io.provenance import describe_file, hash_run
from geochange.io.scene import Source, describe_date
from geochange.maps.threshold import Threshold
from geochange.version import __version__, installed_versions


def describe_run(
    sources: tuple[Source, Source],
    pair: Pair,
    method: Mapping[str, object],
    threshold: Threshold,
    settings: Mapping[str, object],
) -> dict[str, Any]:
    """Return the provenance of a run, ready for JSON.

    Parameters
    ----------
    sources : tuple
        The two dates as the user gave them.
    method : mapping
        ``name``, ``reason`` and ``options``.
    settings : mapping
        Parameters that change what is found.
    """
    inputs = describe_inputs(pair)
    plain = {name: _plain(value) for name, value in settings.items()}
    height, width = pair.shape
    return {
        "geochange": __version__,
        "fingerprint": _key([*inputs["before"]["files"], *inputs["after"]["files"]], plain),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": repeat_command(*sources, plain),
        "inputs": inputs,
        "grid": {
            "crs": None if pair.geobox.crs is None else str(pair.geobox.crs),
            "affine": list(pair.geobox.affine)[:6],
            "height": height,
            "width": width,
            "gsd_m": gsd_m(pair.geobox),
        },
        "notes": list(pair.notes),
        "method": dict(method),
        "threshold": {
            "value": threshold.value,
            "low": threshold.low,
            "rule": threshold.method,
            "reason": threshold.reason,
        },
        "settings": plain,
        "versions": installed_versions(),
    }


def describe_inputs(pair: Pair) -> dict[str, Any]:
    """Return date, bands and files (with size and hash) of both dates."""
    return {
        when: {
            "date": scene.date,
            "bands": list(reader.bands),
            "files": [describe_file(file.path) for file in scene.files],
        }
        for when, scene, reader in zip(
            ("before", "after"), pair.scenes, (pair.before, pair.after), strict=True
        )
    }


def fingerprint_run(before: Source, after: Source, settings: Mapping[str, object]) -> str:
    """Return the key that a run with these inputs and settings would store."""
    scenes = describe_date(before), describe_date(after)
    files = [describe_file(file.path) for scene in scenes for file in scene.files]
    return _key(files, {name: _plain(value) for name, value in settings.items()})


def _key(files: list[dict[str, object]], settings: Mapping[str, object]) -> str:
    contents = dict(settings)
    for name in ("mask_before", "mask_after", "aoi", "grid"):
        if Path(str(settings.get(name) or "-")).is_file():
            contents[name] = describe_file(str(settings[name]))
    return hash_run(files, contents, __version__)


def _plain(value: object) -> object:
    """Turn a setting into something JSON holds."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value
