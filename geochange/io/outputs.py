"""A folder that appears complete or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geochange.errors import OutputError, OutputExistsError, ResourceError

MIN_FREE_BYTES = 4 * 2**20
"""A write that fails with less room than this on the disk failed for want of room."""


@contextmanager
def new_folder(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield ``PATH.partial`` to write into; rename it to ``PATH`` at the end, remove it on failure.

    Raises
    ------
    OutputExistsError
        The output, or an unfinished one, is there and ``overwrite`` is False; or it is there and
        is not a result of geochange, which is never overwritten.
    OutputError
        The place cannot be written.
    ResourceError
        The disk is full.
    """
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    _check_target(target, partial, overwrite)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    except OSError as error:
        msg = f"cannot write {target}: {error.strerror or error}; choose another output folder"
        raise OutputError(msg) from error
    try:
        yield partial
        if target.exists():
            shutil.rmtree(target)
        partial.replace(target)
    except BaseException as error:
        full = _is_full(error, partial)
        shutil.rmtree(partial, ignore_errors=True)
        if full:
            msg = f"no room left on the disk of {target}; free some space or choose another disk"
            raise ResourceError(msg) from error
        raise


def _check_target(target: Path, partial: Path, overwrite: bool) -> None:
    for place in (target, partial):
        if not place.exists():
            continue
        if not overwrite:
            msg = f"{place} exists; choose another output or overwrite it (--overwrite)"
            raise OutputExistsError(msg)
        if place == target and not _is_result(target):
            msg = f"{target} exists and is not a result of geochange; it is never overwritten"
            raise OutputExistsError(msg)


def _is_result(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return not any(folder.iterdir()) or (folder / "run.json").exists()


def _is_full(error: BaseException, folder: Path) -> bool:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return True
    if not isinstance(error, Exception):
        return False
    try:
        return shutil.disk_usage(folder).free < MIN_FREE_BYTES
    except OSError:
        return False


def write_json(path: Path, content: object) -> None:
    """Write JSON atomically, readable by people."""
    temporary = path.with_suffix(path.suffix + ".tmp")
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)
