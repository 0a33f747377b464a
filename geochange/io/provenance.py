"""Which bytes went in: sizes and hashes of input files, and one key for a whole run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

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


def hash_run(
    files: Iterable[Mapping[str, object]], settings: Mapping[str, object], version: str
) -> str:
    """Return one key for inputs, settings and version: equal keys mean an equal result."""
    contents = [file.get("sha256") or file.get("fingerprint") or file["path"] for file in files]
    text = json.dumps([contents, dict(settings), version], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
