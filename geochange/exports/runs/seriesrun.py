"""What ``run.json`` says of a series: which inputs, how, with what, found what."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from geochange.alignment.grid import describe_grid
from geochange.io.provenance import describe_file, describe_raster_files, hash_run
from geochange.io.rasters.scene import Scene
from geochange.maps.threshold import Threshold
from geochange.series.memory import StateFacts
from geochange.series.stack import Series
from geochange.version import __version__, installed_versions

OF_AN_ADDITION = ("dates", "masks")
"""Settings that are given anew with the dates that are added to a state."""


def fingerprint_series(
    series: Series, settings: Mapping[str, Any], known: StateFacts | None
) -> tuple[list[dict[str, Any]], str]:
    """Return day, source and hashed files of every date, and the key of a run with them.

    Parameters
    ----------
    series : Series
    settings : mapping
        Plain enough for JSON.
    known : StateFacts or None
        State to which the dates are added.
    """
    inputs: list[dict[str, Any]] = [
        {
            "date": day.isoformat(),
            "source": _name_source(scene),
            "files": [fact for file in scene.files for fact in describe_raster_files(file.path)],
        }
        for day, scene in zip(series.days, series.scenes, strict=True)
    ]
    contents: dict[str, Any] = {**settings, "dates": [one["date"] for one in inputs]}
    contents["known"] = None if known is None else known.store()
    for name in ("aoi", "masks"):
        given = settings.get(name)
        listed = given if isinstance(given, list) else [given]
        contents[f"{name} files"] = [
            describe_file(one) for one in listed if isinstance(one, str) and Path(one).is_file()
        ]
    return inputs, hash_run([one["files"] for one in inputs], contents, __version__)


def _name_source(scene: Scene) -> str | list[str]:
    names = [file.path for file in scene.files]
    return names[0] if len(names) == 1 else names


def describe_series_run(
    key: str,
    method: Mapping[str, Any],
    threshold: Threshold,
    settings: Mapping[str, Any],
    geobox: Any,
    days: Sequence[Any],
    inputs: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
    state: str | None,
) -> dict[str, Any]:
    """Return the provenance of a run over a series, ready for JSON.

    Parameters
    ----------
    key : str
    method : mapping
        ``name``, ``reason``, ``options`` and what was learned.
    threshold : Threshold
    settings : mapping
        ``masks`` in the order of the dates.
    geobox : GeoBox
    days : sequence of date
        All that the result speaks of.
    inputs : sequence of mapping
        Of :func:`fingerprint_series`: the dates that were read.
    notes : sequence of str
    state : str or None
        State to which the dates were added.
    """
    return {
        "geochange": __version__,
        "kind": "series",
        "fingerprint": key,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": repeat_series([one["source"] for one in inputs], settings, state),
        "days": [day.isoformat() for day in days],
        "inputs": list(inputs),
        "grid": describe_grid(geobox),
        "notes": list(notes),
        "method": dict(method),
        "threshold": threshold.describe(),
        "settings": dict(settings),
        "versions": installed_versions(),
    }


def repeat_series(sources: Sequence[Any], settings: Mapping[str, Any], state: str | None) -> str:
    """Return the command line that repeats a run.

    Parameters
    ----------
    sources : sequence of path or list of paths
        What each date was read from.
    settings : mapping
    state : str or None
        State to which the dates were added.

    Examples
    --------
    >>> repeat_series([["B3.tif", "B4.tif"], "b.tif"], {"masks": [None, "clouds.tif"]}, None)
    'geochange series B3.tif,B4.tif b.tif -o OUT --masks -,clouds.tif'
    """
    files = [one if isinstance(one, str) else ",".join(one) for one in sources]
    if state is not None:
        added = [word for name in files for word in ("--add", name)]
        words = ["geochange", "series", "--state", state, *added, "-o", "OUT"]
        settings = {name: settings.get(name) for name in OF_AN_ADDITION}
    else:
        words = ["geochange", "series", *files, "-o", "OUT"]
    for name, value in settings.items():
        option = f"--{name.replace('_', '-')}"
        if name == "options":
            for key, setting in value.items():
                words += ["--set", f"{key}={setting}"]
        elif isinstance(value, bool):
            words += [option] if value else []
        elif value is not None:
            words += [option, _write(value)]
    return shlex.join(words)


def _write(value: Any) -> str:
    """Write the value of an option; a dash stands for none in a list."""
    listed = value if isinstance(value, list) else [value]
    return ",".join("-" if one is None else str(one) for one in listed)
