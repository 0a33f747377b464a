"""What the page asks of the store: tiles, features of a window, history, progress."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np

from geochange.annotation.database import Database
from geochange.annotation.leases import list_leases
from geochange.annotation.probes import HIDDEN
from geochange.annotation.states import DONE, TODO, annotation_state, tile_state

MAX_FEATURES = 2000
"""Polygons that a page can edit without delay; of more, the likeliest changes are given."""
HISTORY = 200
CANDIDATES = f"""
SELECT c.*, best.total FROM (
    SELECT c.id, count(*) OVER () AS total FROM candidate c JOIN tile t ON t.id = c.tile_id
    WHERE c.run_id = :run AND {{where}} AND t.state NOT IN {DONE!r} AND c.id NOT IN (
        SELECT candidate_id FROM annotation WHERE candidate_id IS NOT NULL AND deleted = 0)
    ORDER BY c.score DESC LIMIT {MAX_FEATURES}) best
JOIN candidate c ON c.id = best.id ORDER BY c.score DESC
"""
"""The likeliest of a window; only these are read whole."""
Box = tuple[float, float, float, float]


def list_tiles(database: Database, annotator: str = "") -> list[dict[str, Any]]:
    """Return all tiles in the order of the queue, as an annotator sees them."""
    counts = "SELECT tile_id, count(*) FROM candidate WHERE run_id = ? GROUP BY tile_id"
    db = database.read()
    found = dict(db.execute(counts, (latest_run(db),)).fetchall())
    held = list_leases(database)
    query = f"SELECT * FROM tile WHERE id NOT IN ({HIDDEN}) ORDER BY place, id"
    rows = db.execute(query, {"who": annotator})
    return [
        describe_tile(row) | {"candidates": found.get(row["id"], 0), "lease": held.get(row["id"])}
        for row in rows
    ]


def describe_tile(row: sqlite3.Row) -> dict[str, Any]:
    """Return a tile as the page knows it."""
    names = ("id", "col", "row", "width", "height", "rev", "reason", "uncertainty", "annotator",
             "author")  # fmt: skip
    number = {"number": row["probe_of"] or row["id"]}
    return {name: row[name] for name in names} | number | tile_state(row)


def latest_run(db: sqlite3.Connection) -> int:
    """Return the number of the newest run; 0 when there is none."""
    return int(db.execute("SELECT coalesce(max(id), 0) FROM model_run").fetchone()[0])


def find_features(
    database: Database, box: Box, run: int | None = None, annotator: str = "", *,
    as_text: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Return the annotations, and the candidates without a verdict, that reach a window.

    Parameters
    ----------
    database : Database
    box : tuple of float
        First column and row, last column and row, in pixels.
    run : int, optional
        Run of the candidates; the newest when None.
    annotator : str
        Who looks; blind probes of others are left out.
    as_text : bool
        Leave the geometry of candidates as JSON text, which is three times as quick for many.

    Returns
    -------
    dict
        ``annotations``, ``candidates``, ``left_out`` (how many more there are).
    """
    db = database.read()
    run = latest_run(db) if run is None else run
    where = "maxx >= :x0 AND maxy >= :y0 AND minx <= :x1 AND miny <= :y1"
    where += f" AND tile_id NOT IN ({HIDDEN})"
    given = dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)) | {"who": annotator, "run": run}
    rows = db.execute(
        f"SELECT * FROM annotation WHERE deleted = 0 AND {where} LIMIT {4 * MAX_FEATURES}", given
    )
    annotations = [describe_annotation(row) for row in rows]
    found = db.execute(
        CANDIDATES.format(where=where),
        given,
    ).fetchall()
    candidates = [describe_candidate(row, as_text=as_text) for row in found]
    total = found[0]["total"] if found else 0
    return {
        "annotations": annotations,
        "candidates": candidates,
        "left_out": total - len(candidates),
    }


def describe_annotation(row: sqlite3.Row) -> dict[str, Any]:
    """Return an annotation as the page knows it."""
    names = ("annotator", "created", "updated")
    facts = {name: row[name] for name in names}
    return {"id": row["id"], "tile": row["tile_id"], **annotation_state(row), **facts}


def describe_candidate(row: sqlite3.Row, *, as_text: bool = False) -> dict[str, Any]:
    """Return a candidate as the page knows it."""
    return {
        "id": row["id"],
        "tile": row["tile_id"],
        "geom": row["geom"] if as_text else json.loads(row["geom"]),
        "class": row["class_id"],
        "score": row["score"],
        "score_max": row["score_max"],
        "pixels": row["pixels"],
    }


def list_history(database: Database, annotator: str, limit: int = HISTORY) -> dict[str, Any]:
    """Return the edits that a person can undo and redo, the oldest first.

    An undo is an edit too: it moves one from ``undo`` to ``redo``; any other edit empties
    ``redo``.
    """
    db = database.read()
    rows = db.execute(
        "SELECT seq, uuid, kind, undoes FROM edit WHERE annotator = ? ORDER BY seq DESC LIMIT ?",
        (annotator, 5 * limit),
    ).fetchall()
    undo, redo = order_history([tuple(row) for row in reversed(rows)])
    return {
        "undo": [_describe_edit(db, seq) for seq in undo[-limit:]],
        "redo": [_describe_edit(db, seq) for seq in redo[-limit:]],
    }


def order_history(edits: Sequence[tuple[Any, ...]]) -> tuple[list[int], list[int]]:
    """Return which edits can be undone and redone.

    Parameters
    ----------
    edits : sequence of (seq, uuid, kind, undoes)
        In the order in which they were made.

    Examples
    --------
    >>> order_history([(1, "a", "draw", None), (2, "b", "draw", None), (3, "c", "undo", "b")])
    ([1], [2])
    """
    undo: list[int] = []
    redo: list[int] = []
    by_uuid = {uuid: seq for seq, uuid, _, _ in edits}
    for seq, _, kind, undoes in edits:
        target = by_uuid.get(undoes)
        if kind == "undo":
            if target in undo:
                undo.remove(target)
                redo.append(target)
        elif kind == "redo":
            if target in redo:
                redo.remove(target)
                undo.append(target)
        else:
            undo.append(seq)
            redo.clear()
    return undo, redo


def _describe_edit(db: sqlite3.Connection, seq: int) -> dict[str, Any]:
    edit = db.execute("SELECT uuid, kind, ts FROM edit WHERE seq = ?", (seq,)).fetchone()
    ops = db.execute("SELECT * FROM op WHERE edit_seq = ? ORDER BY seq", (seq,))
    return {
        "uuid": edit["uuid"],
        "kind": edit["kind"],
        "ops": [
            {
                "target": op["target"],
                "id": op["target_id"],
                "tile": op["tile_id"],
                "before": json.loads(op["before_json"]) if op["before_json"] else None,
                "after": json.loads(op["after_json"]) if op["after_json"] else None,
            }
            for op in ops
        ],
    }


def list_notes(database: Database, annotator: str = "", limit: int = 500) -> list[dict[str, Any]]:
    """Return tiles with a flag or comment that one sees, then labels with one; newest first."""
    db, given = database.read(), {"who": annotator, "limit": limit}
    tiles = db.execute(
        "SELECT id AS tile, flag, note, remark, annotator, NULL AS label FROM tile"
        f" WHERE (flag OR note != '' OR remark != '') AND id NOT IN ({HIDDEN})"
        " ORDER BY updated DESC LIMIT :limit",
        given,
    )
    labels = db.execute(
        "SELECT tile_id AS tile, 0 AS flag, note, '' AS remark, annotator, id AS label"
        " FROM annotation WHERE note != '' AND deleted = 0"
        f" AND tile_id NOT IN ({HIDDEN}) ORDER BY updated DESC LIMIT :limit",
        given,
    )
    return [dict(row) for row in [*tiles, *labels]]


def measure_progress(database: Database, annotator: str = "") -> dict[str, Any]:
    """Return how much is done, by whom, what it covers, and how long the rest may take."""
    db = database.read()
    who = {"who": annotator}
    seen, drawn = f"id NOT IN ({HIDDEN})", f"deleted = 0 AND tile_id NOT IN ({HIDDEN})"

    def count(column: str, table: str, where: str) -> dict[Any, int]:
        query = f"SELECT {column}, count(*) FROM {table} WHERE {where} GROUP BY {column}"
        return dict(db.execute(query, who).fetchall())

    finished = f"state IN {DONE!r} AND {seen}"
    states = count("state", "tile", seen)
    total = sum(states.values())
    done = sum(states.get(state, 0) for state in DONE)
    spent = db.execute(
        "SELECT seconds FROM edit WHERE kind = 'tile' AND seconds > 0 ORDER BY seq DESC LIMIT 50"
    )
    seconds = [row[0] for row in spent]
    left = states.get(TODO, 0) + states.get("returned", 0)
    median = float(np.median(seconds)) if seconds else None
    return {
        "total": total,
        "done": done,
        "left": left,
        "states": states,
        "reviews": count("review", "tile", finished),
        "annotators": count("author", "tile", finished),
        "classes": count("class_id", "annotation", f"{drawn} AND verdict = 'accepted'"),
        "verdicts": count("verdict", "annotation", drawn),
        "seconds_per_tile": median,
        "eta_seconds": None if median is None else median * left,
    }
