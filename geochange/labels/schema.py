"""The classes that labels may have: numbered, coloured, described, each with a key."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from geochange.errors import InputError, InputNotFoundError

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
MAX_CLASSES = 64
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")
"""Colours that can be told apart with any colour vision (Okabe and Ito 2008)."""


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class.

    Attributes
    ----------
    id : int
        1 to 254; what a mask stores. Renaming a class keeps it.
    name : str
    colour : str
        ``#rrggbb``.
    key : str
        The key ``1`` to ``9`` that sets it; may be empty.
    definition : str
        When a change is of this class, in the words of who leads the labelling.
    ignore : bool
        Pixels of it count neither as change nor as no change.
    """

    id: int
    name: str
    colour: str
    key: str = ""
    definition: str = ""
    ignore: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """All classes of a project.

    Examples
    --------
    >>> [c.name for c in Schema().classes], Schema().find("building").id
    (['change', 'ignore'], 1)
    """

    classes: tuple[LabelClass, ...] = (
        LabelClass(1, "change", "#d55e00", "1", "The ground differs between the two dates."),
        LabelClass(2, "ignore", "#999999", "2", "Cannot be told; left out of training.", True),
    )

    def find(self, name: str) -> LabelClass:
        """Return the class of that name, else the first one."""
        return next((c for c in self.classes if c.name == name), self.classes[0])

    def has(self, class_id: object) -> bool:
        """Tell whether a class has that number."""
        return any(c.id == class_id for c in self.classes)

    def describe(self) -> dict[str, Any]:
        """Return it plain enough for JSON."""
        return {"classes": [asdict(c) for c in self.classes]}


def parse_schema(content: Mapping[str, Any], name: str = "the schema") -> Schema:
    """Build a schema from JSON.

    Parameters
    ----------
    content : mapping
        ``{"classes": [{"id": 1, "name": "building", ...}, ...]}`` with the fields of
        :class:`LabelClass`; ids, colours and keys that are missing are given in order.
    name : str
        What to call it in an error.

    Raises
    ------
    InputError

    Examples
    --------
    >>> parse_schema({"classes": [{"name": "new building"}]}).classes[0].key
    '1'
    """
    rows = content.get("classes") if isinstance(content, Mapping) else None
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_CLASSES:
        msg = f"{name} needs a list 'classes' of 1 to {MAX_CLASSES} classes"
        raise InputError(msg)
    classes = tuple(_parse_class(row, n, name) for n, row in enumerate(rows))
    for what in ("id", "name", "key"):
        values = [getattr(c, what) for c in classes if getattr(c, what) != ""]
        if len(set(values)) < len(values):
            msg = f"{name} has the same {what} twice; every class needs its own"
            raise InputError(msg)
    return Schema(classes)


def _parse_class(row: Any, place: int, name: str) -> LabelClass:
    known = LabelClass.__dataclass_fields__
    if not isinstance(row, Mapping) or not isinstance(row.get("name"), str) or not row["name"]:
        msg = f"{name}: class {place + 1} has no name"
        raise InputError(msg)
    if unknown := set(row) - set(known):
        msg = f"{name}: class '{row['name']}' has the unknown field '{min(unknown)}'"
        raise InputError(msg)
    key = str(place + 1) if place < 9 else ""
    made = {"id": place + 1, "colour": PALETTE[place % len(PALETTE)], "key": key} | dict(row)
    wrong = (
        not isinstance(made["id"], int) or not 1 <= made["id"] <= 254,
        not _COLOUR.fullmatch(str(made["colour"])),
        str(made["key"]) not in {*"123456789", ""},
    )
    if any(wrong):
        what = ("id (1 to 254)", "colour (#rrggbb)", "key (1 to 9)")[wrong.index(True)]
        msg = f"{name}: class '{row['name']}' has a wrong {what}"
        raise InputError(msg)
    return LabelClass(
        made["id"], row["name"], made["colour"], str(made["key"]),
        str(made.get("definition", "")), bool(made.get("ignore", False)),
    )  # fmt: skip


def read_schema(path: str | os.PathLike[str]) -> Schema:
    """Read a schema from a JSON file; see :func:`parse_schema`.

    Raises
    ------
    InputNotFoundError, InputError
    """
    file = Path(path)
    if not file.is_file():
        msg = f"no such file: {file}; give a JSON file of classes"
        raise InputNotFoundError(msg)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{file} is not JSON ({error}); expected {{'classes': [...]}}"
        raise InputError(msg) from error
    return parse_schema(content, str(file))
