"""A folder that appears complete or not at all, and that never costs anybody their files."""

from __future__ import annotations

import errno
import fnmatch
import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from geochange.errors import (
    InputError,
    OutputError,
    OutputExistsError,
    ResourceError,
    UsageError,
)
from geochange.io.atomic import is_full

MIN_FREE_BYTES = 4 * 2**20
"""A write that fails with less room than this on the disk failed for want of room."""
LOCK_NAME = ".lock"
STATE_NAME = ".state.json"
RUN_NAME = "run.json"
OWN_NAMES = (
    RUN_NAME, "score.tif", "mask.tif", "changes.*", "report.html", "quicklook", "tiles",
    "before.vrt", "after.vrt", "before.tif", "after.tif", "item.json", "*.aux.xml", "*.qmd",
    "*.ovr", LOCK_NAME, STATE_NAME,
)  # fmt: skip
"""What a result may hold: ours, and what QGIS and GDAL put beside it."""


@contextmanager
def new_folder(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    resume: bool = False,
    state: Mapping[str, Any] | None = None,
    inputs: Iterable[str] = (),
) -> Iterator[Path]:
    """Yield ``PATH.partial`` to write into; rename it to ``PATH`` at the end.

    An older result stays until the new one is complete. One process at a time writes: it holds a
    lock that the system releases even when it is killed. A folder with a ``state`` outlives what
    stops the run from outside (a kill, Ctrl-C, a full disk, a lost cluster), once it holds
    anything; errors of the input or its use remove it.

    Parameters
    ----------
    path : path
    overwrite : bool
        Replace an older result. A folder that holds anything but a result is never replaced. Unless
        ``resume`` is given too, an unfinished run is thrown away.
    resume : bool
        Go on in the folder of an unfinished run, if there is one.
    state : mapping, optional
        What the run is, plain enough for JSON; its ``key`` must be that of the run to resume.
        Without a state nothing can be resumed and nothing outlives a failure.
    inputs : iterable of str
        Paths that the run reads; they must not lie inside ``path``.

    Raises
    ------
    OutputExistsError
        The output exists and may not be replaced, another run is writing it, or an unfinished run
        is there that is not to be resumed or that had other inputs or settings.
    OutputError
        The place cannot be written.
    ResourceError
        The disk is full.
    """
    target = Path(path).resolve()
    partial = target.with_name(target.name + ".partial")
    inputs = list(inputs)
    _check_target(target, overwrite, inputs)
    with _locked(partial, target):
        _check_target(target, overwrite, inputs)  # another run may have ended meanwhile
        try:
            _enter(partial, overwrite=overwrite, resume=resume, state=state)
        except OutputExistsError:
            raise
        except OSError as error:
            raise _explain(error, target, target.parent) from error
        try:
            yield partial
            _swap(partial, target)
        except BaseException as error:
            full = _is_full(error, partial)
            kept = _keeps(partial, error, state)
            if not kept:
                shutil.rmtree(partial, ignore_errors=True)
            failure = _explain(error, target, target.parent, full=True) if full else error
            if kept:
                failure.add_note(f"what is finished is kept in {partial}; go on with --resume")
            if full:
                raise failure from error
            raise
        for name in (LOCK_NAME, STATE_NAME):
            (target / name).unlink(missing_ok=True)


def read_state(folder: Path) -> dict[str, Any] | None:
    """Return the state of an unfinished run, None where a folder holds none."""
    try:
        state = json.loads((folder / STATE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


@contextmanager
def _locked(partial: Path, target: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is made when it is not there."""
    if _holds_files(partial) and not (partial / LOCK_NAME).exists():
        msg = f"{partial} exists and was not left by a run; remove it or choose another output"
        raise OutputExistsError(msg)
    lock = FileLock(partial / LOCK_NAME, blocking=False)
    try:
        partial.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        owner = read_state(partial) or {}
        who = f"process {owner.get('pid', 'unknown')} on {owner.get('host', 'unknown')}"
        msg = f"{partial} is being written by {who}; wait for it, or stop it"
        raise OutputExistsError(msg) from None
    except OSError as error:
        raise _explain(error, target, target.parent) from error
    try:
        yield
    finally:
        lock.release()
        if not _holds_files(partial):
            shutil.rmtree(partial, ignore_errors=True)


def _enter(
    partial: Path, *, overwrite: bool, resume: bool, state: Mapping[str, Any] | None
) -> None:
    """See that what the folder holds can be gone on with, or empty it; note whose it is now."""
    unfinished = read_state(partial) if _holds_files(partial) else None
    same = None not in (unfinished, state) and unfinished["key"] == state["key"]  # type: ignore[index]
    if unfinished is not None and state is not None and not overwrite and not (resume and same):
        kind = (
            "an unfinished run of other inputs, settings or version"
            if resume
            else "an unfinished run"
        )
        what = "repeat its command" if resume else "go on with it (--resume)"
        msg = f"{partial} holds {kind}; {what} or start anew (--overwrite)"
        raise OutputExistsError(msg)
    if resume and same:
        _clear(partial, finished=False)
    else:
        _clear(partial)
        unfinished = None
    owner = {"pid": os.getpid(), "host": socket.gethostname()}
    write_json(partial / STATE_NAME, {**(state or {}), **(unfinished or {}), **owner})


def _holds_files(folder: Path) -> bool:
    """Tell whether a folder holds any file but those that say whose it is."""
    own = {LOCK_NAME, STATE_NAME}
    return any(path.name not in own for path in folder.rglob("*") if path.is_file())


def _clear(folder: Path, *, finished: bool = True) -> None:
    """Remove half-written files, which are hidden or end in ``.tmp``, and what is finished."""
    for entry in folder.iterdir():
        half = entry.name.startswith(".") or entry.suffix == ".tmp"
        if entry.name == LOCK_NAME or not (finished or half):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _keeps(partial: Path, error: BaseException, state: Mapping[str, Any] | None) -> bool:
    """Tell whether what was finished before an error is worth keeping."""
    at_fault = isinstance(error, InputError | UsageError)
    return state is not None and not at_fault and _holds_files(partial)


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


def read_fingerprint(folder: Path) -> str | None:
    """Return the key of the inputs and settings of a finished run; None where there is none."""
    if not is_result(folder):
        return None
    run = json.loads((folder / RUN_NAME).read_text(encoding="utf-8"))
    return str(run.get("fingerprint"))


@contextmanager
def once(marker: Path) -> Iterator[bool]:
    """Yield whether a step is still to be done; when it ends well, a marker file says so."""
    needed = not marker.exists()
    yield needed
    marker.touch()


def write_json(path: Path, content: object) -> None:
    """Write JSON atomically, readable by people."""
    temporary = path.with_suffix(path.suffix + ".tmp")
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)
