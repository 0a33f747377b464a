"""A blind copy of a project: another person judges the same tiles and candidates from nothing."""

from __future__ import annotations

import os
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

from geochange.annotation.database import Database
from geochange.annotation.opening import NAME
from geochange.errors import InputNotFoundError, OutputError, OutputExistsError

COPIED = {
    "pair": "*",
    "schema": "*",
    "tile": "id, pair_id, col, row, width, height, place, reason, uncertainty, stratum",
    "model_run": "*",
    "candidate": "*",
}
"""Tables and their columns that a copy has too: nothing of them tells what anybody judged."""
KEPT = {
    "tile": "WHERE probe_of IS NULL",
    "candidate": "WHERE tile_id IN (SELECT id FROM tile WHERE probe_of IS NULL)",
}
"""Honeypots of the annotators of the first project are none of the copy's."""
ORIGIN = "copy_of"


def copy_project(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> Path:
    """Make a project of the same pair, classes, tiles, order and candidates, without a verdict.

    Parameters
    ----------
    source, target : path
        A project, and the one to make; it appears complete or not at all.

    Raises
    ------
    InputNotFoundError, InputError, OutputExistsError, OutputError

    Examples
    --------
    >>> copy_project("nowhere", "bob.gcproj")
    Traceback (most recent call last):
    ...
    geochange.errors.InputNotFoundError: nowhere is not a project of labels: it has no project.db
    """
    origin, folder = Path(source), Path(target)
    if not (origin / NAME).is_file():
        msg = f"{origin} is not a project of labels: it has no {NAME}"
        raise InputNotFoundError(msg)
    if folder.exists():
        msg = f"{folder} exists; choose another folder for the copy"
        raise OutputExistsError(msg)
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        msg = f"cannot make {folder} ({error.strerror}); choose another folder"
        raise OutputError(msg) from error
    try:
        _copy(origin / NAME, partial / NAME)
        partial.replace(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder


def _copy(origin: Path, path: Path) -> None:
    old, new = Database(origin), Database(path)
    try:
        db = old.read()
        meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
        meta |= {
            ORIGIN: meta.get(ORIGIN, meta["project_uuid"]),
            "project_uuid": str(uuid.uuid4()),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with new.write() as copy:
            copy.executemany("INSERT INTO meta VALUES (?,?)", list(meta.items()))
            for table, columns in COPIED.items():
                cursor = db.execute(f"SELECT {columns} FROM {table} {KEPT.get(table, '')}")
                names = [column[0] for column in cursor.description]
                places = ",".join("?" * len(names))
                copy.executemany(
                    f"INSERT INTO {table}({','.join(names)}) VALUES ({places})",
                    (tuple(row) for row in cursor),
                )
    finally:
        old.close()
        new.close()
