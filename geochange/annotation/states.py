"""What tiles and annotations may say, and their rows as plain values."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from geochange.annotation.geometry import parse_polygon, plain_geometry
from geochange.annotation.refusals import UNUSABLE, RefusedError
from geochange.labels.schema import Schema

TODO = "todo"
RETURNED = "returned"
DONE = ("labelled", "no_change", "unsure", "unusable")
"""Verdicts of a tile; a review leaves them as they are."""
TILE_STATES = (TODO, *DONE, RETURNED)
REVIEWS = ("", "approved", "fixed")
"""What a reviewer says of a tile that is done: fine as it is, or fine after a fix."""
TILE_FIELDS = ("state", "flag", "note", "dx", "dy", "review", "remark")
SOURCES = ("model", "model_edited", "manual", "wand", "imported")
VERDICTS = ("pending", "accepted", "rejected")
MAX_NOTE = 2000

Row = Mapping[str, Any] | sqlite3.Row


def tile_state(row: Row) -> dict[str, Any]:
    """Return what an edit may set of a tile."""
    return {name: row[name] for name in TILE_FIELDS}


def annotation_state(row: Row) -> dict[str, Any]:
    """Return what an edit may set of an annotation."""
    return {
        "geom": json.loads(row["geom"]),
        "class": row["class_id"],
        "verdict": row["verdict"],
        "source": row["source"],
        "candidate": row["candidate_id"],
        "confidence": row["confidence"],
        "note": row["note"],
    }


def check_tile_state(given: Any) -> dict[str, Any]:
    """Return a tile's state as it is stored.

    Raises
    ------
    RefusedError
    """
    state: dict[str, Any] = {"state": TODO, "flag": 0, "note": "", "dx": 0.0, "dy": 0.0,
                             "review": "", "remark": ""}  # fmt: skip
    state |= _mapping(given)
    _one_of(state["state"], TILE_STATES, "state of a tile")
    _one_of(state["review"], REVIEWS, "review of a tile")
    shifts = [state["dx"], state["dy"]]
    if not all(type(s) in (int, float) and abs(s) <= 100 for s in shifts):
        _refuse("the shift of a tile is two numbers of at most 100 px")
    if set(state) != set(TILE_FIELDS):
        _refuse(f"a tile has {', '.join(TILE_FIELDS)}")
    dx, dy = map(float, shifts)
    return state | {"flag": int(bool(state["flag"])), "note": _text(state["note"]),
                    "remark": _text(state["remark"]), "dx": dx, "dy": dy}  # fmt: skip


def check_annotation(given: Any, shape: tuple[int, int], schema: Schema) -> dict[str, Any]:
    """Return an annotation's state as it is stored, its geometry repaired.

    Raises
    ------
    RefusedError
    """
    state = {"verdict": "accepted", "source": "manual", "candidate": None,
             "confidence": None, "note": ""} | _mapping(given)  # fmt: skip
    if set(state) != {"geom", "class", "verdict", "source", "candidate", "confidence", "note"}:
        _refuse("an annotation has geom, class, verdict, source, candidate, confidence and note")
    _one_of(state["verdict"], VERDICTS, "verdict")
    _one_of(state["source"], SOURCES, "source")
    if not schema.has(state["class"]) or isinstance(state["class"], bool):
        _refuse(f"no class has the number {str(state['class'])[:20]!r}")
    if state["confidence"] not in (None, 1, 2, 3, 4, 5):
        _refuse("confidence is 1 to 5")
    candidate = state["candidate"]
    if candidate is not None and not (type(candidate) is int and 0 <= candidate < 2**63):
        _refuse("candidate is a number")
    geometry = plain_geometry(parse_polygon(state["geom"], shape))
    return state | {"geom": geometry, "note": _text(state["note"])}


def _mapping(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        _refuse("a state is an object")
    return dict(given)


def _one_of(value: Any, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        _refuse(f"unknown {what} {str(value)[:40]!r}; known: {', '.join(known)}")


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_NOTE:
        _refuse(f"a note is a text of at most {MAX_NOTE} characters")
    return str(value)


def _refuse(message: str) -> None:
    raise RefusedError(UNUSABLE, message)
