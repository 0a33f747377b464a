"""How people label, for their reviewer: what became of their tiles, and of their probes."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geochange.annotation.database import Database
from geochange.annotation.geometry import polygonal
from geochange.annotation.states import DONE, RETURNED
from geochange.labels.schema import Schema

HASTY_SECONDS = 0.7
"""Candidates accepted faster than this were hardly looked at."""
ANSWERS = f"""
SELECT t.*, coalesce(t.probe_of, t.id) AS original FROM tile t WHERE t.state IN {DONE!r}
    AND (t.probe_of IS NOT NULL OR t.id IN (SELECT tile_id FROM truth)) AND t.author != ''
"""
Answer = tuple[str, BaseGeometry]
"""What was said of a tile, and the change that was marked in it."""


@dataclass
class Tally:
    """Probes of one person: areas in px, and how many were answered and rightly so."""

    answered: int = 0
    agreed: int = 0
    shared: float = 0.0
    either: float = 0.0


def measure_people(database: Database, schema: Schema) -> list[dict[str, Any]]:
    """Return for everybody who labelled what a reviewer wants to know.

    Parameters
    ----------
    database : Database
    schema : Schema
        Classes to ignore are not compared.

    Returns
    -------
    list of dict
        ``annotator``, tiles ``done``, ``approved`` and ``fixed``, how often one was ``returned``,
        median ``seconds`` a tile, share of candidates accepted in a ``hurry`` (None without any);
        of the probes: how many were ``answered``, ``agreement`` of the verdicts, ``iou`` of the
        change marked in all of them (None where there is none).
    """
    db = database.read()
    rows = db.execute(
        f"SELECT author, count(*) AS done, sum(review = 'approved') AS approved,"
        f" sum(review = 'fixed') AS fixed FROM tile WHERE state IN {DONE!r}"
        " AND probe_of IS NULL AND author != '' GROUP BY author ORDER BY author"
    ).fetchall()
    tallies = _tally(db, schema)
    return [
        {"annotator": row["author"], "done": row["done"], "approved": row["approved"],
         "fixed": row["fixed"], "returned": _count_returned(db, row["author"]),
         **_measure_pace(db, row["author"]), **_describe(tallies[row["author"]])}
        for row in rows
    ]  # fmt: skip


def _tally(db: sqlite3.Connection, schema: Schema) -> defaultdict[str, Tally]:
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for row in db.execute(ANSWERS).fetchall():
        given, true = _answer(db, row, schema), _truth(db, row["original"], schema)
        tally = tallies[row["author"]]
        tally.answered += 1
        tally.agreed += given[0] == true[0]
        tally.shared += given[1].intersection(true[1]).area
        tally.either += given[1].union(true[1]).area
    return tallies


def _truth(db: sqlite3.Connection, tile: int, schema: Schema) -> Answer:
    row = db.execute("SELECT * FROM tile WHERE id = ?", (tile,)).fetchone()
    known = db.execute("SELECT * FROM truth WHERE tile_id = ?", (tile,)).fetchone()
    if known is None:
        return _answer(db, row, schema)
    geometry = shapely.from_geojson(known["geom"])
    return _say("labelled", geometry), geometry


def _answer(db: sqlite3.Connection, tile: sqlite3.Row, schema: Schema) -> Answer:
    """Return what the labels of a tile say, inside of it."""
    ignored = [c.id for c in schema.classes if c.ignore]
    rows = db.execute(
        "SELECT geom FROM annotation WHERE tile_id = ? AND deleted = 0 AND verdict = 'accepted'"
        f" AND class_id NOT IN ({','.join(map(str, ignored))})",
        (tile["id"],),
    )
    marked = shapely.union_all(shapely.from_geojson([row["geom"] for row in rows]))
    window = shapely.box(
        tile["col"], tile["row"], tile["col"] + tile["width"], tile["row"] + tile["height"]
    )
    inside = polygonal(marked.intersection(window))
    return _say(tile["state"], inside), inside


def _say(state: str, marked: BaseGeometry) -> str:
    if state in ("labelled", "no_change"):
        return "no change" if marked.is_empty else "change"
    return state


def _count_returned(db: sqlite3.Connection, author: str) -> int:
    """Count how often a tile was sent back to a person; what was undone does not count."""
    row = db.execute(
        "SELECT count(*) FROM op JOIN edit ON edit.seq = op.edit_seq JOIN tile"
        " ON tile.id = op.tile_id WHERE op.target = 'tile' AND tile.author = ?"
        " AND json_extract(op.after_json, '$.state') = ? AND edit.kind NOT IN ('undo', 'redo')"
        f" AND json_extract(op.before_json, '$.state') IN {DONE!r}"
        " AND edit.uuid NOT IN (SELECT undoes FROM edit WHERE undoes IS NOT NULL)",
        (author, RETURNED),
    ).fetchone()
    return int(row[0])


def _measure_pace(db: sqlite3.Connection, author: str) -> dict[str, Any]:
    spent = db.execute(
        "SELECT seconds FROM edit WHERE annotator = ? AND kind = 'tile' AND seconds > 0", (author,)
    )
    seconds = [row["seconds"] for row in spent]
    accepts, hasty = db.execute(
        "SELECT count(*), coalesce(sum(seconds < ?), 0) FROM edit WHERE annotator = ?"
        " AND kind = 'accept'",
        (HASTY_SECONDS, author),
    ).fetchone()
    return {
        "seconds": float(np.median(seconds)) if seconds else None,
        "hurry": hasty / accepts if accepts else None,
    }


def _describe(tally: Tally) -> dict[str, Any]:
    return {
        "answered": tally.answered,
        "agreement": tally.agreed / tally.answered if tally.answered else None,
        "iou": tally.shared / tally.either if tally.either else None,
    }
