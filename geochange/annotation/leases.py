"""Who works on which tile: leases that slide while work goes on, and end by themselves."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from geochange.annotation.database import Database
from geochange.annotation.probes import hidden_tiles
from geochange.annotation.refusals import LOCKED, NOT_FOUND, RefusedError

LEASE_SECONDS = 600.0


def take_lease(database: Database, tile: int, annotator: str, session: str) -> dict[str, Any]:
    """Take a tile, or keep it for ten minutes more; one's own other page is taken over from.

    Returns
    -------
    dict
        ``tile``, ``seconds`` left and ``taken_over`` (another page of the same person had it).

    Raises
    ------
    RefusedError
        423 with ``holder`` and ``seconds`` when somebody else has it.
    """
    now = time.time()
    with database.write() as db:
        known = db.execute("SELECT 1 FROM tile WHERE id = ?", (tile,)).fetchone()
        if known is None or tile in hidden_tiles(db, annotator):
            raise RefusedError(NOT_FOUND, f"there is no tile {tile}")
        require_no_other(db, [tile], annotator)
        held = db.execute("SELECT * FROM lease WHERE tile_id = ?", (tile,)).fetchone()
        live = held is not None and held["expires"] > now
        taken_over = live and held["session"] != session
        if not live:
            _note(db, annotator, "lease", {"tile": tile, "session": session})
        db.execute("DELETE FROM lease WHERE session = ? AND tile_id != ?", (session, tile))
        db.execute(
            "INSERT OR REPLACE INTO lease VALUES (?,?,?,?)",
            (tile, annotator, session, now + LEASE_SECONDS),
        )
    return {"tile": tile, "seconds": LEASE_SECONDS, "taken_over": bool(taken_over)}


def end_lease(database: Database, tile: int, annotator: str, session: str) -> None:
    """Give a tile back; nothing happens when it is not held."""
    with database.write() as db:
        ended = db.execute(
            "DELETE FROM lease WHERE tile_id = ? AND annotator = ? AND session = ?",
            (tile, annotator, session),
        )
        if ended.rowcount:
            _note(db, annotator, "release", {"tile": tile, "session": session})


def list_leases(database: Database) -> dict[int, dict[str, Any]]:
    """Return holder and seconds left of every tile that is held."""
    now = time.time()
    rows = database.read().execute("SELECT * FROM lease WHERE expires > ?", (now,))
    return {
        row["tile_id"]: {"holder": row["annotator"], "seconds": round(row["expires"] - now)}
        for row in rows
    }


def require_no_other(db: sqlite3.Connection, tiles: Iterable[int], annotator: str) -> None:
    """Refuse with 423 when somebody else holds one of the tiles."""
    now = time.time()
    for tile in tiles:
        row = db.execute(
            "SELECT * FROM lease WHERE tile_id = ? AND expires > ? AND annotator != ?",
            (tile, now, annotator),
        ).fetchone()
        if row is not None:
            left = round(row["expires"] - now)
            msg = f"tile {tile} is held by {row['annotator']} for {left} s more; choose another"
            facts = {"tile": tile, "holder": row["annotator"], "seconds": left}
            raise RefusedError(LOCKED, msg, facts)


def _note(db: sqlite3.Connection, annotator: str, kind: str, detail: dict[str, Any]) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    db.execute(
        "INSERT INTO event(ts, annotator, kind, detail) VALUES (?,?,?,?)",
        (now, annotator, kind, json.dumps(detail)),
    )
