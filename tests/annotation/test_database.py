"""The store: durable, append-only, backed up, also where no write-ahead log works."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from geochange.annotation.database import Database
from geochange.annotation.opening import open_project
from geochange.errors import InputError, OutputError

WRITER = """
import sys
from geochange.annotation.opening import open_project
from tests.annotation.conftest import annotation, edit
project = open_project(sys.argv[1])
revision = project.database.read().execute("SELECT rev FROM tile WHERE id = 1").fetchone()[0]
while True:
    revision = project.save(edit([annotation(1, "a")], {"1": revision}), "ann")["revs"][1]
    print(revision, flush=True)
"""


def kill_while_saving(folder, saves):
    """Return the last revision that a writer was told, killed in the middle of its work."""
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    env = os.environ | {"PYTHONPATH": root}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True, env=env
    ) as writer:
        told = 0
        for _ in range(saves):
            told = int(writer.stdout.readline())
        time.sleep(0.002 * (saves % 7))
        writer.send_signal(signal.SIGKILL)
        rest = [line for line in writer.stdout.read().split("\n") if line]
    return int(rest[-1]) if rest else told


def check_after_a_kill(folder, saves):
    told = kill_while_saving(folder, saves)
    project = open_project(folder)
    try:
        db = project.database.read()
        revision = db.execute("SELECT rev FROM tile WHERE id = 1").fetchone()[0]
        assert revision in (told, told + 1)
        assert db.execute("SELECT count(*) FROM edit").fetchone()[0] == revision
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    finally:
        project.close()


def test_a_killed_server_loses_nothing_that_it_acknowledged(folder):
    check_after_a_kill(folder, 40)


@pytest.mark.slow
def test_kills_amid_a_thousand_saves(folder):
    for _ in range(3):
        check_after_a_kill(folder, 333)


def test_without_a_write_ahead_log_it_says_so_and_works(tmp_path):
    # This layer of SQLite has no shared memory, like many network file systems.
    database = Database(tmp_path / "project.db", vfs="unix-dotfile")
    assert database.journal == "delete"
    assert "write-ahead log" in database.notices[0]
    with database.write() as db:
        db.execute("INSERT INTO meta VALUES ('a', 'b')")
    database.close()
    again = Database(tmp_path / "project.db")
    assert again.read().execute("SELECT value FROM meta").fetchone()[0] == "b"
    again.close()


def test_the_log_cannot_be_rewritten(project):
    from .conftest import annotation, edit

    project.save(edit([annotation(1)], {"1": 0}), "ann")
    for statement in ("UPDATE op SET after_json = ''", "DELETE FROM edit", "DELETE FROM op"):
        with (
            pytest.raises(sqlite3.IntegrityError, match="append-only"),
            project.database.write() as db,
        ):
            db.execute(statement)


def test_opening_backs_up_and_keeps_ten(folder):
    for number in range(12):
        database = Database(folder / "project.db")
        with database.write() as db:
            db.execute(
                "INSERT INTO edit(uuid, digest, ts, annotator, session, kind, view_mode, seconds,"
                " reply) VALUES (?, '', '', '', '', '', '', 0, '')",
                (str(number),),
            )
        path = database.back_up()
        database.close()
    assert len(list((folder / "backups").glob("*.db"))) == 10
    copy = sqlite3.connect(path)
    assert copy.execute("SELECT count(*) FROM edit").fetchone()[0] == 12
    copy.close()


def test_what_is_no_project_is_one_line(tmp_path):
    wrong = tmp_path / "project.db"
    wrong.write_bytes(b"not a database, but long enough to be one" * 50)
    with pytest.raises(InputError, match="is not a project of labels"):
        Database(wrong)
    with pytest.raises(OutputError, match="cannot write"):
        Database(tmp_path / "nowhere" / "project.db")
    later = Database(tmp_path / "later.db")
    later.read().execute("PRAGMA user_version=99")
    later.close()
    with pytest.raises(InputError, match="later geochange"):
        Database(tmp_path / "later.db")


def test_a_failed_write_leaves_nothing(project):
    with pytest.raises(ZeroDivisionError), project.database.write() as db:
        db.execute("INSERT INTO meta VALUES ('x', 'y')")
        raise ZeroDivisionError
    found = project.database.read().execute("SELECT * FROM meta WHERE name = 'x'").fetchall()
    assert found == []
