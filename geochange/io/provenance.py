"""Which bytes went in: sizes and hashes of input files, and one key for a whole run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geochange.io.rasters.rasterfile import open_dataset

WHOLE_FILE_BYTES = 256 * 2**20
"""Files up to this size are hashed whole; larger ones by size, time, head and tail."""
CHUNK_BYTES = 2**20


def describe_file(path: str | os.PathLike[str]) -> dict[str, object]:
    """Return ``path``, ``size`` and ``sha256`` (or ``fingerprint`` for a very large file).

    Paths that are no local files (``/vsi...``, URLs) are named only.
    """
    file = Path(path)
    if not file.is_file():
        return {"path": os.fspath(path)}
    size = file.stat().st_size
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        if size <= WHOLE_FILE_BYTES:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
            return {"path": str(file.resolve()), "size": size, "sha256": digest.hexdigest()}
        digest.update(f"{size} {file.stat().st_mtime_ns}".encode())
        digest.update(stream.read(CHUNK_BYTES))
        stream.seek(-CHUNK_BYTES, os.SEEK_END)
        digest.update(stream.read(CHUNK_BYTES))
    return {"path": str(file.resolve()), "size": size, "fingerprint": digest.hexdigest()}


def describe_raster_files(path: str) -> list[dict[str, object]]:
    """Describe a raster and everything GDAL reads with it: sources of a VRT, masks, sidecars."""
    with open_dataset(path) as dataset:
        others = sorted(set(dataset.files) - {path})
    return [describe_file(name) for name in [path, *others]]


def hash_run(
    inputs: Sequence[Sequence[Mapping[str, object]]], settings: Mapping[str, object], version: str
) -> str:
    """Return one key for the files of each input, the settings and the version.

    Equal keys mean an equal result.
    """
    contents = [
        [file.get("sha256") or file.get("fingerprint") or file["path"] for file in files]
        for files in inputs
    ]
    text = json.dumps([contents, dict(settings), version], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def plain(value: Any) -> Any:
    """Turn a setting into what JSON holds: numpy values, paths and geometries become plain.

    Examples
    --------
    >>> import numpy as np
    >>> plain({"bands": np.array([1, 2]), "tile_size": np.int64(64)})
    {'bands': [1, 2], 'tile_size': 64}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__geo_interface__"):
        return plain(value.__geo_interface__)
    return value
