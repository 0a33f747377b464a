"""A folder that appears complete or not at all, and that never costs anybody their files."""

from __future__ import annotations

import errno
import fnmatch
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from geochange.errors import (
    InputError,
    InputLostError,
    OutputError,
    OutputExistsError,
    ResourceError,
    UsageError,
)
from geochange.io.files.atomic import is_full

STATE_NAME = ".state.json"
RUN_NAME = "run.json"
RUN_KINDS = ("detect", "align", "fuse", "refine", "threshold", "series")
"""What may have written ``run.json``."""
FACTS_NAMES = {
    "explain": "explanation.json",
    "sensitivity": "sensitivity.json",
    "chips": "manifest.json",
    "agree": "agreement.json",
}
"""Files that tell what else than a run a folder holds, by kind."""
OWN_NAMES = (
    RUN_NAME, "score.tif", "mask.tif", "uncertainty.tif", "changes.*", "report.html",
    "quicklook", "tiles", "before.vrt", "after.vrt", "before.tif", "after.tif", "tie_points.gpkg",
    "displacements.png", "item.json", "*.aux.xml", "*.qmd", "*.ovr", STATE_NAME,
    "attribution.tif", "explanation.*", "sensitivity.*",
    "A", "B", "label", "list", "manifest.*",
    "date.tif", "magnitude.tif", "animation.*", "dates",
    "agreement.json", "tiles.csv", "disagreement.*", "consensus", "consensus.*",
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
    with _locked(target, partial):
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
        (target / STATE_NAME).unlink(missing_ok=True)


def read_state(folder: Path) -> dict[str, Any] | None:
    """Return the state of an unfinished run, None where a folder holds none."""
    try:
        state = json.loads((folder / STATE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


@contextmanager
def _locked(target: Path, partial: Path) -> Iterator[None]:
    """Hold the lock of a result, a hidden file beside it that goes when all is done."""
    path = target.with_name(f".{target.name}.lock")
    lock = FileLock(path, blocking=False)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        partial.mkdir(exist_ok=True)
    except Timeout:
        if not path.exists():
            msg = f"cannot write {target}: its folder takes no files; choose another output folder"
            raise OutputError(msg) from None
        owner = read_state(partial) or {}
        who = f"process {owner.get('pid', 'unknown')} on {owner.get('host', 'unknown')}"
        msg = f"{partial} is being written by {who}; wait for it, or stop it"
        raise OutputExistsError(msg) from None
    except OSError as error:
        raise _explain(error, target, target.parent) from error
    try:
        yield
    finally:
        _drop_if_empty(partial)
        path.unlink(missing_ok=True)  # while it is held: a lock of an unlinked file counts nothing
        lock.release()


def _enter(
    partial: Path, *, overwrite: bool, resume: bool, state: Mapping[str, Any] | None
) -> None:
    """See that what the folder holds can be gone on with, or empty it; note whose it is now."""
    unfinished = read_state(partial)
    if not _holds_files(partial):
        unfinished = None
    elif unfinished is None:
        msg = f"{partial} exists and was not left by a run; remove it or choose another output"
        raise OutputExistsError(msg)
    same = bool(unfinished and state and unfinished.get("key") == state["key"])
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
    fresh = {**(state or {}), "attempt": secrets.token_hex(8)}
    owner = {"pid": os.getpid(), "host": socket.gethostname()}
    write_json(partial / STATE_NAME, {**fresh, **(unfinished or {}), **owner})


def _drop_if_empty(folder: Path) -> None:
    if not _holds_files(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _holds_files(folder: Path) -> bool:
    """Tell whether a folder holds any file but those that say whose it is."""
    return any(path.name != STATE_NAME for path in folder.rglob("*") if path.is_file())


def _clear(folder: Path, *, finished: bool = True) -> None:
    """Remove half-written files, which are hidden or end in ``.tmp``, and what is finished."""
    for entry in folder.iterdir():
        half = entry.name.startswith(".") or entry.suffix == ".tmp"
        if not (finished or (half and entry.name != STATE_NAME)):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _keeps(partial: Path, error: BaseException, state: Mapping[str, Any] | None) -> bool:
    """Tell whether what was finished before an error is worth keeping."""
    at_fault = isinstance(error, InputError | UsageError) and not isinstance(error, InputLostError)
    return state is not None and not at_fault and _holds_files(partial)


def _swap(partial: Path, target: Path) -> None:
    """Put the new folder in place of the old one; on failure the old one is back."""
    if not target.exists():
        partial.replace(target)
        return
    old = target.with_name(f".{target.name}.{secrets.token_hex(8)}.old")
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
    return _read_kind(folder / RUN_NAME) in RUN_KINDS or any(
        _read_kind(folder / name) == kind for kind, name in FACTS_NAMES.items()
    )


def _read_kind(file: Path) -> str | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("kind") if isinstance(content, dict) else None


def _explain(
    error: BaseException, target: Path, folder: Path, *, full: bool = False
) -> OutputError | ResourceError:
    if full or _is_full(error, folder):
        msg = f"no room left on the disk of {target}; free some space, or choose another disk"
        return ResourceError(msg)
    reason = getattr(error, "strerror", None) or error
    return OutputError(f"cannot write {target}: {reason}; choose another output folder")


def _is_full(error: BaseException, folder: Path) -> bool:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return True
    if not isinstance(error, Exception) or not folder.exists():
        return False
    return is_full(folder)


def read_fingerprint(folder: Path) -> str | None:
    """Return the key of the inputs and settings of a finished run; None where there is none."""
    if _read_kind(folder / RUN_NAME) not in RUN_KINDS:
        return None
    run = json.loads((folder / RUN_NAME).read_text(encoding="utf-8"))
    return str(run.get("fingerprint"))


def amend_state(folder: Path, **facts: object) -> None:
    """Note more in the state of an unfinished run."""
    write_json(folder / STATE_NAME, {**(read_state(folder) or {}), **facts})


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
