"""Who may say what of a tile that is done: read-only until reopened, reviewed by somebody else."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from geochange.annotation.edits import Edit, Op
from geochange.annotation.refusals import FORBIDDEN, NOT_FOUND, UNUSABLE, RefusedError
from geochange.annotation.states import DONE, RETURNED, tile_state
from geochange.annotation.views import order_history

LAST_VERDICT = f"""
SELECT coalesce(max(edit_seq), 0) FROM op WHERE tile_id = ? AND target = 'tile'
    AND json_extract(after_json, '$.state') IN {DONE!r}
    AND json_extract(before_json, '$.state') NOT IN {DONE!r}
"""
DREW = """
SELECT DISTINCT edit.seq, uuid, kind, undoes FROM op JOIN edit ON edit.seq = op.edit_seq
WHERE op.tile_id = ? AND op.target = 'annotation' AND edit.annotator = ? ORDER BY edit.seq
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Who edits.

    Attributes
    ----------
    name : str
    reviewer : bool
        Whether this person may approve what others labelled, or send it back.
    """

    name: str
    reviewer: bool = False


def require_right(
    db: sqlite3.Connection, edit: Edit, tiles: Mapping[int, sqlite3.Row], person: Person
) -> None:
    """See that a person may make an edit.

    Parameters
    ----------
    db : Connection
    edit : Edit
    tiles : mapping of int to row
        The tiles that it touches, as they are stored.
    person : Person

    Raises
    ------
    RefusedError
        403: a review by who is no reviewer, or of a person's own work. 422: the tile is done, is
        not labelled yet, or is sent back without a word.
    """
    leads_to = {op.tile: op.after or {} for op in edit.ops if op.target == "tile"}
    for op in edit.ops:
        row = tiles[op.tile]
        if op.target == "tile":
            _require_step(db, op, row, edit, person)
        elif row["state"] in DONE and leads_to.get(op.tile, row)["state"] in DONE:
            _require_fixing(db, row, person)


def labelled_by(db: sqlite3.Connection, tile: sqlite3.Row, name: str) -> bool:
    """Tell whether a person gave a tile its verdict, or drew in it before that."""
    if tile["author"] == name:
        return True
    last = _last_verdict(db, tile["id"])
    return any(seq <= last for seq in _drawn_by(db, tile["id"], name))


def fixed_by(db: sqlite3.Connection, tile: int, name: str) -> bool:
    """Tell whether a person changed labels of a tile after its verdict, and left it so."""
    last = _last_verdict(db, tile)
    return any(seq > last for seq in _drawn_by(db, tile, name))


def _drawn_by(db: sqlite3.Connection, tile: int, name: str) -> list[int]:
    """Return the edits of labels in a tile by a person that are not taken back."""
    standing, _ = order_history([tuple(row) for row in db.execute(DREW, (tile, name))])
    return standing


def _last_verdict(db: sqlite3.Connection, tile: int) -> int:
    return int(db.execute(LAST_VERDICT, (tile,)).fetchone()[0])


def _require_fixing(db: sqlite3.Connection, row: sqlite3.Row, person: Person) -> None:
    """Labels of a tile that is done change only under the hand of its reviewer."""
    if row["review"] or not person.reviewer or labelled_by(db, row, person.name):
        _refuse(f"tile {row['id']} is done; open it again (R) to change its labels")


def _require_step(
    db: sqlite3.Connection, op: Op, row: sqlite3.Row, edit: Edit, person: Person
) -> None:
    was, now = tile_state(row), op.after or {}
    if all(was[name] == now[name] for name in ("state", "review", "remark")):
        return
    if now["review"] or now["state"] == RETURNED or now["remark"] != was["remark"]:
        _require_review(db, row, now, person)
    elif was["review"]:
        if not person.reviewer:
            msg = f"tile {op.tile} is {was['review']}; only a reviewer can open it again"
            raise RefusedError(FORBIDDEN, msg, {"tile": op.tile})
    elif was["state"] in DONE and now["state"] in DONE and edit.kind not in ("undo", "redo"):
        _refuse(f"tile {op.tile} is done; open it again (R) to give it another verdict")


def _require_review(
    db: sqlite3.Connection, row: sqlite3.Row, now: Mapping[str, Any], person: Person
) -> None:
    tile = row["id"]
    if row["probe_of"] is not None:
        raise RefusedError(NOT_FOUND, f"there is no tile {tile} to review")
    if not person.reviewer:
        msg = f"only a reviewer may approve tile {tile} or send it back (--reviewer)"
        raise RefusedError(FORBIDDEN, msg, {"tile": tile})
    if labelled_by(db, row, person.name):
        msg = f"tile {tile} was labelled by {person.name}; somebody else must review it"
        raise RefusedError(FORBIDDEN, msg, {"tile": tile})
    if row["state"] not in (*DONE, RETURNED):
        _refuse(f"tile {tile} is not labelled yet; it can be reviewed after that")
    if now["state"] == RETURNED and not now["remark"].strip():
        _refuse(f"say in a comment why tile {tile} goes back")
    if now["review"] and now["state"] not in DONE:
        _refuse(f"a tile that is {now['review']} has a verdict")
    changed = now["state"] != row["state"] or fixed_by(db, tile, person.name)
    if now["review"] == "approved" and changed:
        _refuse(f"tile {tile} was changed by its reviewer; it counts as fixed, not as approved")


def _refuse(message: str) -> None:
    raise RefusedError(UNUSABLE, message)
