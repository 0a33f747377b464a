"""Tiles whose answer is known, mixed blindly into the queue: how well people label is measured.

A probe is a tile of its own that looks to one annotator like the tile it stands for, as it was
before anybody labelled it; that tile is hidden from this annotator, and the probe from all others.
Answers are never part of the labels.
"""

from __future__ import annotations

import random
import sqlite3

from geochange.annotation.database import Database
from geochange.annotation.states import DONE
from geochange.errors import UsageError

RATE = "probe_rate"
AHEAD = 6
"""A probe comes within this many of the next tiles, so that nobody can count on it."""

HIDDEN = (
    "SELECT id FROM tile WHERE probe_of IS NOT NULL AND assigned_to != :who"
    " UNION ALL SELECT probe_of FROM tile WHERE probe_of IS NOT NULL AND assigned_to = :who"
)
"""Tiles that somebody does not see: probes of others, and what the own ones stand for."""

KNOWN = f"""
SELECT * FROM tile WHERE probe_of IS NULL AND state IN {DONE!r} AND author != :who
    AND (review != '' OR id IN (SELECT tile_id FROM truth))
    AND id NOT IN (SELECT probe_of FROM tile WHERE probe_of IS NOT NULL AND assigned_to = :who)
    AND id NOT IN (SELECT op.tile_id FROM op JOIN edit ON edit.seq = op.edit_seq
        WHERE edit.annotator = :who AND op.target = 'annotation')
ORDER BY id
"""

LAST = f"""
SELECT place FROM tile WHERE author = :who AND state IN {DONE!r} ORDER BY updated DESC LIMIT 1
"""
NEXT = f"""
SELECT place FROM tile WHERE probe_of IS NULL AND state = 'todo'
ORDER BY place <= ({LAST}), place, id LIMIT {AHEAD}
"""


def hidden_tiles(db: sqlite3.Connection, annotator: str) -> frozenset[int]:
    """Return the tiles that an annotator must not learn of, nor of what became of them."""
    return frozenset(row[0] for row in db.execute(HIDDEN, {"who": annotator}))


def set_rate(database: Database, rate: float) -> None:
    """Let a share of the tiles that everybody goes through be probes.

    Raises
    ------
    UsageError
        Not 0 to 0.5.
    """
    if not 0 <= rate <= 0.5:
        msg = f"the share of honeypots must be 0 to 0.5, got {rate:g}"
        raise UsageError(msg)
    with database.write() as db:
        db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (RATE, repr(rate)))


def offer_probe(database: Database, annotator: str) -> int | None:
    """Put a probe into the queue of an annotator when the next one is due.

    Returns
    -------
    int or None
        Number of the probe.
    """
    who = {"who": annotator}
    with database.write() as db:
        if not _is_due(db, who):
            return None
        known = db.execute(KNOWN, who).fetchall()
        ahead = db.execute(NEXT, who).fetchall()
        if not known or not ahead:
            return None
        count = db.execute("SELECT max(seq) FROM edit").fetchone()[0]
        draw = random.Random(f"{annotator} {count}")
        return _insert(db, draw.choice(known), annotator, draw.choice(ahead)["place"])


def _is_due(db: sqlite3.Connection, who: dict[str, str]) -> bool:
    row = db.execute("SELECT value FROM meta WHERE name = ?", (RATE,)).fetchone()
    rate = float(row["value"]) if row else 0.0
    own, probes, waiting = db.execute(
        f"SELECT coalesce(sum(author = :who AND state IN {DONE!r}), 0),"
        " coalesce(sum(probe_of IS NOT NULL AND assigned_to = :who), 0),"
        f" coalesce(sum(probe_of IS NOT NULL AND assigned_to = :who AND state NOT IN {DONE!r}), 0)"
        " FROM tile",
        who,
    ).fetchone()
    return not waiting and probes < rate * own


def _insert(db: sqlite3.Connection, tile: sqlite3.Row, annotator: str, place: int) -> int:
    """Add a copy of a tile and of its candidates, for one annotator."""
    names = ("pair_id", "col", "row", "width", "height", "reason", "uncertainty")
    cursor = db.execute(
        f"INSERT INTO tile({', '.join(names)}, place, assigned_to, probe_of)"
        f" VALUES ({','.join('?' * len(names))},?,?,?)",
        (*(tile[name] for name in names), place, annotator, tile["id"]),
    )
    probe = int(cursor.lastrowid or 0)
    newest = db.execute("SELECT max(id) FROM model_run").fetchone()[0]
    columns = "geom, class_id, score, score_max, pixels, minx, miny, maxx, maxy"
    db.execute(
        f"INSERT INTO candidate(run_id, tile_id, {columns}) SELECT ?, ?, {columns} FROM candidate"
        " WHERE tile_id = ? AND run_id = (SELECT max(run_id) FROM candidate WHERE tile_id = ?)",
        (newest, probe, tile["id"], tile["id"]),
    )
    return probe
