"""A folder that appears complete or not at all, and that never costs anybody their files."""

from __future__ import annotations

import errno
import fnmatch
import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from geochange.errors import OutputError, OutputExistsError, ResourceError
from geochange.io.atomic import is_full

MIN_FREE_BYTES = 4 * 2**20
"""A write that fails with less room than this on the disk failed for want of room."""
LOCK_NAME = ".lock.json"
RUN_NAME = "run.json"
OWN_NAMES = (
    RUN_NAME, "score.tif", "mask.tif", "changes.*", "report.html", "quicklook", "tiles",
    "before.vrt", "after.vrt", "before.tif", "after.tif", "*.aux.xml", "*.qmd", "*.ovr",
)  # fmt: skip
"""What a result may hold: ours, and what QGIS and GDAL put beside it."""


@contextmanager
def new_folder(
    path: str | os.PathLike[str], *, overwrite: bool = False, inputs: Iterable[str] = ()
) -> Iterator[Path]:
    """Yield ``PATH.partial`` to write into; rename it to ``PATH`` at the end, remove it on failure.

    An older result stays until the new one is complete. What a killed run left is cleared away;
    what a living run is writing is not.

    Parameters
    ----------
    path : path
    overwrite : bool
        Replace an older result. A folder that holds anything but a result is never replaced.
    inputs : iterable of str
        Paths that the run reads; they must not lie inside ``path``.

    Raises
    ------
    OutputExistsError
        The output exists and may not be replaced, or another run is writing it.
    OutputError
        The place cannot be written.
    ResourceError
        The disk is full.
    """
    target = Path(path).resolve()
    partial = target.with_name(target.name + ".partial")
    _check_target(target, overwrite, inputs)
    _check_partial(partial)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        owner = {"pid": os.getpid(), "host": socket.gethostname()}
        (partial / LOCK_NAME).write_text(json.dumps(owner), encoding="utf-8")
    except OSError as error:
        raise _explain(error, target, target.parent) from error
    try:
        yield partial
        (partial / LOCK_NAME).unlink()
        _swap(partial, target)
    except BaseException as error:
        full = _is_full(error, partial)
        shutil.rmtree(partial, ignore_errors=True)
        if full:
            raise _explain(error, target, target.parent, full=True) from error
        raise


def _swap(partial: Path, target: Path) -> None:
    """Put the new folder in place of the old one; on failure the old one is back."""
    if not target.exists():
        partial.replace(target)
        return
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    target.replace(old)
    try:
        partial.replace(target)
    except OSError:
        old.replace(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _check_target(target: Path, overwrite: bool, inputs: Iterable[str]) -> None:
    inside = [name for name in inputs if Path(name).resolve().is_relative_to(target)]
    if inside:
        msg = f"{target} holds an input of this run ({inside[0]}); choose another output"
        raise OutputExistsError(msg)
    if not target.exists():
        return
    if not overwrite:
        msg = f"{target} exists; choose another output or overwrite it (--overwrite)"
        raise OutputExistsError(msg)
    foreign = _find_foreign(target)
    if foreign is not None:
        msg = f"{target} is not overwritten: {foreign}; choose another output"
        raise OutputExistsError(msg)


def _find_foreign(folder: Path) -> str | None:
    """Say why a folder is no result of geochange, or None when it is one."""
    if not folder.is_dir():
        return "it is a file"
    names = sorted(entry.name for entry in folder.iterdir())
    if not names:
        return None
    if not is_result(folder):
        return "it is not a result of geochange"
    for name in names:
        if not any(fnmatch.fnmatch(name, own) for own in OWN_NAMES):
            return f"it also holds {name}, which is not part of a result"
    return None


def is_result(folder: Path) -> bool:
    """Tell whether a folder holds a finished result of geochange."""
    try:
        run = json.loads((folder / RUN_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(run, dict) and run.get("kind") in ("detect", "align")


def _check_partial(partial: Path) -> None:
    """Refuse what another living run is writing; anything else of that name was left behind."""
    if not partial.exists():
        return
    try:
        owner = json.loads((partial / LOCK_NAME).read_text(encoding="utf-8"))
        pid, host = int(owner["pid"]), str(owner["host"])
    except (OSError, ValueError, KeyError, TypeError):
        msg = f"{partial} exists and was not left by a run; remove it or choose another output"
        raise OutputExistsError(msg) from None
    if host != socket.gethostname() or _is_alive(pid):
        msg = f"{partial} is being written by process {pid} on {host}; wait for it, or remove it"
        raise OutputExistsError(msg)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _explain(
    error: BaseException, target: Path, folder: Path, *, full: bool = False
) -> OutputError | ResourceError:
    if full or _is_full(error, folder):
        msg = f"no room left on the disk of {target}; free some space or choose another disk"
        return ResourceError(msg)
    reason = getattr(error, "strerror", None) or error
    return OutputError(f"cannot write {target}: {reason}; choose another output folder")


def _is_full(error: BaseException, folder: Path) -> bool:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return True
    if not isinstance(error, Exception) or not folder.exists():
        return False
    return is_full(folder, MIN_FREE_BYTES)


def write_json(path: Path, content: object) -> None:
    """Write JSON atomically, readable by people."""
    temporary = path.with_suffix(path.suffix + ".tmp")
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)
