"""Saving: one edit is applied whole or not at all, once, and only to the state that it knew."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import shapely

from geochange.annotation.database import Database
from geochange.annotation.edits import Edit, Op
from geochange.annotation.leases import require_no_other
from geochange.annotation.probes import hidden_tiles
from geochange.annotation.refusals import CONFLICT, NOT_FOUND, UNUSABLE, RefusedError
from geochange.annotation.reviewing import Person, require_right
from geochange.annotation.states import DONE, TILE_FIELDS, annotation_state, tile_state


def save_edit(
    database: Database, edit: Edit, person: Person, schema_version: int
) -> dict[str, Any]:
    """Apply an edit in one durable transaction and return what the page is told.

    Returns
    -------
    dict
        ``seq``, ``saved`` (time in UTC), ``revs`` of the tiles touched, ``states`` of the targets
        as stored (geometry may have been repaired).

    Raises
    ------
    RefusedError
        409 when a tile is at another revision (with its state), when the target does not fit, or
        when the uuid was used for something else; 423 when another annotator holds a tile; 422 when
        the edit contradicts itself or a tile is done; 403 when the person may not review it.
    """
    annotator = person.name
    with database.write() as db:
        known = db.execute("SELECT * FROM edit WHERE uuid = ?", (edit.uuid,)).fetchone()
        if known is not None:
            return _repeat(known, edit, annotator)
        tiles = _load_tiles(db, edit)
        _require_seen(db, tiles, annotator)
        require_no_other(db, tiles, annotator)
        befores = [_load_target(db, op) for op in edit.ops]
        _require_revisions(db, edit, tiles)
        require_right(db, edit, tiles, person)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        for op, before in zip(edit.ops, befores, strict=True):
            _apply(db, op, before, edit, (annotator, now, schema_version))
        _require_sense(db, edit)
        revs = {tile: tiles[tile]["rev"] + 1 for tile in tiles}
        db.executemany("UPDATE tile SET rev = ? WHERE id = ?", [(r, t) for t, r in revs.items()])
        reply = {"saved": now, "revs": revs, "states": [op.after for op in edit.ops]}
        return {"seq": _log(db, edit, befores, annotator, now, reply), **reply}


def _repeat(known: sqlite3.Row, edit: Edit, annotator: str) -> dict[str, Any]:
    if (known["digest"], known["annotator"]) != (edit.digest, annotator):
        msg = "an edit with this uuid was saved before, with another content; make a new uuid"
        raise RefusedError(CONFLICT, msg)
    reply: dict[str, Any] = json.loads(known["reply"])
    revs = {int(tile): rev for tile, rev in reply["revs"].items()}
    return {"seq": known["seq"], **reply, "revs": revs}


def _load_tiles(db: sqlite3.Connection, edit: Edit) -> dict[int, sqlite3.Row]:
    """Return the tiles that an edit touches, those of its annotations as stored included."""
    wanted = {op.tile for op in edit.ops}
    found = {}
    for tile in sorted(wanted):
        row = db.execute("SELECT * FROM tile WHERE id = ?", (tile,)).fetchone()
        if row is None:
            _refuse(f"there is no tile {tile}")
        found[tile] = row
    return found


def _require_seen(db: sqlite3.Connection, tiles: Iterable[int], annotator: str) -> None:
    """Refuse tiles that the annotator does not see, before anything is told of them."""
    unseen = hidden_tiles(db, annotator).intersection(tiles)
    if unseen:
        raise RefusedError(NOT_FOUND, f"there is no tile {min(unseen)}")


def _load_target(db: sqlite3.Connection, op: Op) -> sqlite3.Row | None:
    table = "tile" if op.target == "tile" else "annotation"
    key = op.tile if op.target == "tile" else op.id
    row: sqlite3.Row | None = db.execute(f"SELECT * FROM {table} WHERE id = ?", (key,)).fetchone()
    if op.target == "annotation":
        if row is None and op.after is None:
            raise RefusedError(CONFLICT, f"there is no annotation {op.id} to delete")
        if row is not None and row["tile_id"] != op.tile:
            _refuse(f"annotation {op.id} belongs to tile {row['tile_id']}, not {op.tile}")
    return row


def _require_revisions(
    db: sqlite3.Connection, edit: Edit, tiles: Mapping[int, sqlite3.Row]
) -> None:
    stale = [tile for tile, row in tiles.items() if edit.base.get(tile) != row["rev"]]
    if not stale:
        return
    last = db.execute(
        "SELECT annotator, ts FROM edit JOIN op ON op.edit_seq = edit.seq WHERE op.tile_id = ?"
        " ORDER BY edit.seq DESC LIMIT 1",
        (stale[0],),
    ).fetchone()
    now = {}
    for op in edit.ops:
        row = _load_target(db, op)
        now[f"{op.target}:{op.id}"] = core_state(op.target, row)
    facts = {
        "revs": {tile: row["rev"] for tile, row in tiles.items()},
        "states": now,
        "by": last["annotator"] if last else "",
        "when": last["ts"] if last else "",
    }
    msg = f"tile {stale[0]} was changed meanwhile; take over its state, then save again"
    raise RefusedError(CONFLICT, msg, facts)


def core_state(target: str, row: sqlite3.Row | None) -> dict[str, Any] | None:
    """Return the state of a stored row as an op would set it; None when deleted or missing."""
    if row is None or (target == "annotation" and row["deleted"]):
        return None
    return tile_state(row) if target == "tile" else annotation_state(row)


def _apply(
    db: sqlite3.Connection,
    op: Op,
    before: sqlite3.Row | None,
    edit: Edit,
    stamp: tuple[str, str, int],
) -> None:
    annotator, now, schema_version = stamp
    if op.target == "tile" and before is not None:
        state = op.after or {}
        fields = ", ".join(f"{name} = ?" for name in TILE_FIELDS)
        author = _author(before, state, edit.kind, annotator)
        db.execute(
            f"UPDATE tile SET {fields}, annotator = ?, author = ?, updated = ? WHERE id = ?",
            (*(state[name] for name in TILE_FIELDS), annotator, author, now, op.tile),
        )
    elif op.after is None:
        db.execute("UPDATE annotation SET deleted = 1, updated = ? WHERE id = ?", (now, op.id))
    else:
        made = (before["annotator"], before["created"]) if before else (annotator, now)
        seconds = (before["seconds"] if before else 0.0) + edit.seconds
        box = shapely.from_geojson(json.dumps(op.after["geom"])).bounds
        candidate = op.after["candidate"]
        if candidate is not None and not _has_candidate(db, candidate):
            _refuse(f"there is no candidate {candidate}")
        db.execute(
            f"INSERT OR REPLACE INTO annotation VALUES ({','.join('?' * 20)})",
            (
                op.id, op.tile, json.dumps(op.after["geom"]), op.after["class"],
                op.after["verdict"], op.after["source"], candidate, op.after["confidence"],
                op.after["note"], *made, now, schema_version, edit.view_mode, seconds, 0, *box,
            ),
        )  # fmt: skip


def _author(before: sqlite3.Row, state: Mapping[str, Any], kind: str, annotator: str) -> str:
    """Return who gave a tile its verdict; taking a step back and forth does not change that."""
    fresh = state["state"] in DONE and before["state"] not in DONE
    if fresh and not (before["author"] and kind in ("undo", "redo")):
        return annotator
    return str(before["author"])


def _has_candidate(db: sqlite3.Connection, candidate: int) -> bool:
    found = db.execute("SELECT 1 FROM candidate WHERE id = ?", (candidate,)).fetchone()
    return found is not None


def _require_sense(db: sqlite3.Connection, edit: Edit) -> None:
    """Refuse 'no change' where change is marked."""
    for op in edit.ops:
        if op.target == "tile" and op.after and op.after["state"] == "no_change":
            marked = db.execute(
                "SELECT count(*) FROM annotation WHERE tile_id = ? AND deleted = 0"
                " AND verdict = 'accepted'",
                (op.tile,),
            ).fetchone()[0]
            if marked:
                _refuse(f"tile {op.tile} has {marked} accepted labels; reject or delete them first")


def _log(
    db: sqlite3.Connection,
    edit: Edit,
    befores: list[sqlite3.Row | None],
    annotator: str,
    now: str,
    reply: Mapping[str, Any],
) -> int:
    cursor = db.execute(
        "INSERT INTO edit(uuid, digest, ts, annotator, session, kind, undoes, view_mode, seconds,"
        " reply) VALUES (?,?,?,?,?,?,?,?,?,?)",
        (edit.uuid, edit.digest, now, annotator, edit.session, edit.kind, edit.undoes,
         edit.view_mode, edit.seconds, json.dumps(reply)),
    )  # fmt: skip
    seq = int(cursor.lastrowid or 0)
    for op, before in zip(edit.ops, befores, strict=True):
        was = core_state(op.target, before)
        db.execute(
            "INSERT INTO op(edit_seq, tile_id, target, target_id, before_json, after_json)"
            " VALUES (?,?,?,?,?,?)",
            (seq, op.tile, op.target, op.id, _dump(was), _dump(op.after)),
        )
    return seq


def _dump(state: Mapping[str, Any] | None) -> str | None:
    return None if state is None else json.dumps(state)


def _refuse(message: str) -> None:
    raise RefusedError(UNUSABLE, message)
