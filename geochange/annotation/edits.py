"""What a person did in one gesture, as a request says it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from geochange.annotation.refusals import UNUSABLE, RefusedError
from geochange.annotation.states import check_annotation, check_tile_state
from geochange.labels.schema import Schema

KINDS = (
    "draw", "edit", "accept", "reject", "class", "delete", "brush", "wand", "split", "merge",
    "simplify", "note", "confidence", "tile", "undo", "redo", "import", "reopen", "nudge",
    "approve", "fix", "return", "superpixel",
)  # fmt: skip
MAX_OPS = 2000
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


@dataclass(frozen=True, slots=True)
class Op:
    """One thing set to one state (None: deleted)."""

    target: str
    id: str
    tile: int
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person did in one gesture.

    Attributes
    ----------
    uuid : str
        Made by the page; the same edit sent twice is saved once.
    kind : str
        One of :data:`KINDS`.
    undoes : str or None
        The edit that an undo or redo takes back.
    base : mapping of int to int
        Revision of every tile that it touches, as the page knew it.
    ops : tuple of Op
    session, view_mode : str
    seconds : float
        Time that the person spent on it.
    digest : str
        Of the whole request.
    """

    uuid: str
    kind: str
    undoes: str | None
    base: Mapping[int, int]
    ops: tuple[Op, ...]
    session: str
    view_mode: str
    seconds: float
    digest: str


def parse_edit(content: Any, shape: tuple[int, int], schema: Schema) -> Edit:
    """Check a request and return what it asks for.

    Raises
    ------
    RefusedError
    """
    if not isinstance(content, Mapping):
        _refuse("an edit is an object")
    for name in ("uuid", "session"):
        if not isinstance(content.get(name), str) or not _ID.fullmatch(content[name]):
            _refuse(f"an edit needs a {name} of 1 to 80 letters, digits or _.:-")
    if content.get("kind") not in KINDS:
        _refuse(f"unknown kind of edit {str(content.get('kind'))[:40]!r}")
    base, ops, seconds = content.get("base"), content.get("ops"), content.get("seconds", 0)
    if not isinstance(base, Mapping) or not all(_is_count(v) for v in base.values()):
        _refuse("an edit needs the revisions of its tiles as base")
    if not isinstance(ops, list) or not 1 <= len(ops) <= MAX_OPS:
        _refuse(f"an edit needs 1 to {MAX_OPS} ops")
    if type(seconds) not in (int, float) or not 0 <= seconds < 1e6:
        _refuse("seconds is a number")
    text = json.dumps({n: v for n, v in content.items() if n != "base"}, sort_keys=True)
    return Edit(
        content["uuid"],
        content["kind"],
        content.get("undoes") if isinstance(content.get("undoes"), str) else None,
        {_number(tile): int(rev) for tile, rev in base.items()},
        tuple(_parse_op(op, shape, schema) for op in ops),
        content["session"],
        str(content.get("view", ""))[:40],
        float(seconds),
        hashlib.sha256(text.encode()).hexdigest(),
    )


def _parse_op(content: Any, shape: tuple[int, int], schema: Schema) -> Op:
    if not isinstance(content, Mapping) or content.get("target") not in ("tile", "annotation"):
        _refuse("an op has the target 'tile' or 'annotation'")
    target, given, after = content["target"], str(content.get("id", "")), content.get("after")
    if not _ID.fullmatch(given):
        _refuse("an op needs the id of its target")
    if target == "tile":
        return Op(target, given, _number(given), check_tile_state(after))
    tile = _number(content.get("tile"))
    state = None if after is None else check_annotation(after, shape, schema)
    return Op(target, given, tile, state)


def _number(value: Any) -> int:
    text = str(value)
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        _refuse(f"{text[:20]!r} is not the number of a tile")
    return int(text)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _refuse(message: str) -> None:
    raise RefusedError(UNUSABLE, message)
