"""One SQLite file, many threads, durable writes; a write-ahead log where that works."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from geochange.annotation.tables import STEPS, TABLES, VERSION
from geochange.errors import InputError, OutputError

BUSY_MS = 20_000
BACKUPS = 10
NO_WAL = (
    "the file system of {} does not support SQLite's write-ahead log; using a rollback journal: "
    "safe, and a little slower"
)


class Database:
    """A project's database.

    Parameters
    ----------
    path : Path
    vfs : str
        SQLite's layer for files; the system's when empty.

    Attributes
    ----------
    journal : str
        ``wal`` or ``delete``.
    notices : list of str
        What whoever opened it should know.

    Raises
    ------
    InputError
        Not a database of this kind, or of a later version.
    OutputError
        It cannot be written.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> database = Database(Path(mkdtemp()) / "project.db")
    >>> database.journal, database.read().execute("SELECT count(*) FROM tile").fetchone()[0]
    ('wal', 0)
    >>> database.close()
    """

    def __init__(self, path: Path, vfs: str = "") -> None:
        self.path = path
        self.vfs = vfs
        self.notices: list[str] = []
        self._own = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self.write_lock = threading.Lock()
        try:
            self.journal = self._choose_journal()
            self._prepare()
        except sqlite3.OperationalError as error:
            self.close()
            msg = f"cannot write {path} ({error}); is its folder there and writable?"
            raise OutputError(msg) from error
        except sqlite3.DatabaseError as error:
            self.close()
            msg = f"{path} is not a project of labels ({error}); restore it from backups/"
            raise InputError(msg) from error

    def _connect(self) -> sqlite3.Connection:
        address = f"file:{quote(str(self.path.absolute()))}" + (f"?vfs={self.vfs}" * bool(self.vfs))
        connection = sqlite3.connect(
            address, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        with self._lock:
            self._all.append(connection)
        return connection

    def _choose_journal(self) -> str:
        """Try the write-ahead log with two connections at once; else a rollback journal."""
        first = self._connect()
        try:
            mode = str(first.execute("PRAGMA journal_mode=WAL").fetchone()[0])
            if mode == "wal":
                first.execute("SELECT count(*) FROM sqlite_master").fetchone()
                self._connect().execute("SELECT count(*) FROM sqlite_master").fetchone()
                return mode
        except sqlite3.OperationalError:
            self.close()
            first = self._connect()
        self.notices.append(NO_WAL.format(self.path.parent))
        return str(first.execute("PRAGMA journal_mode=DELETE").fetchone()[0])

    def _prepare(self) -> None:
        with self.write() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            scripts = [TABLES] if version == 0 else [STEPS[v] for v in range(version, VERSION)]
            for statement in (one for script in scripts for one in _statements(script)):
                db.execute(statement)
            if version < VERSION:
                db.execute(f"PRAGMA user_version={VERSION:d}")
        if version > VERSION:
            self.close()
            msg = f"{self.path} was written by a later geochange (format {version}); update"
            raise InputError(msg)

    def read(self) -> sqlite3.Connection:
        """Return this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect()
        return connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Begin a transaction that no other writer can come into; all of it is kept, or nothing."""
        db = self.read()
        with self.write_lock:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def back_up(self) -> Path:
        """Copy the database into ``backups/`` beside it and keep the newest ten copies."""
        folder = self.path.parent / "backups"
        folder.mkdir(exist_ok=True)
        edits = self.read().execute("SELECT coalesce(max(seq), 0) FROM edit").fetchone()[0]
        target = folder / f"{self.path.stem}-{edits:09d}.db"
        partial = target.with_suffix(".partial")
        copy = sqlite3.connect(partial)
        try:
            self.read().backup(copy)
        finally:
            copy.close()
        partial.replace(target)
        for old in sorted(folder.glob(f"{self.path.stem}-*.db"))[:-BACKUPS]:
            old.unlink(missing_ok=True)
        return target

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
        self._own = threading.local()


def _statements(script: str) -> Iterator[str]:
    """Split a script into statements; one with a body of its own ends with END."""
    held = ""
    for part in script.split(";"):
        held += part + ";"
        if sqlite3.complete_statement(held):
            yield held
            held = ""
