"""What a run read: dates, bands, and files with their hashes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from geochange.alignment.pair import Pair
from geochange.io.provenance import describe_raster_files
from geochange.io.rasters.scene import Scene


def describe_inputs(pair: Pair) -> dict[str, Any]:
    """Return date, bands and files (with size and hash) of both dates."""
    return {
        when: {
            "date": scene.date,
            "bands": list(reader.bands),
            "files": describe_files(scene),
        }
        for when, scene, reader in zip(
            ("before", "after"), pair.scenes, (pair.before, pair.after), strict=True
        )
    }


def describe_files(scene: Scene) -> list[dict[str, object]]:
    """Return size and hash of the files of a date."""
    return [found for file in scene.files for found in describe_raster_files(file.path)]


def list_inputs(pair: Pair, *others: object) -> list[str]:
    """Return the local files that a run reads."""
    given = [str(other) for other in others if isinstance(other, str | os.PathLike)]
    return [name for name in [*pair.paths, *given] if Path(name).is_file()]
