"""Which labelled tiles a network learns from and which judge it: by place, and for good."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from geochange.errors import InputError
from geochange.io.files.outputs import write_json

LEARNING, HELD_OUT = "learning", "held-out"
EVERY = 4
"""One in so many places is held out, of those with change and of those without."""
BLOCK, FINE = 2, 36
"""Tiles along a side of a place; one in grids with fewer tiles than ``FINE``."""

Place = tuple[int, int]


@dataclass(frozen=True)
class LabelledTile:
    """A tile that people have gone through.

    Attributes
    ----------
    number : int
        Counted from 1, as the project does.
    row, col : int
        Of the grid of tiles.
    changed, unchanged : int
        Labelled pixels.
    """

    number: int
    row: int
    col: int
    changed: int
    unchanged: int


def share_out(
    tiles: Sequence[LabelledTile], count: int, known: Mapping[Place, str] | None = None
) -> dict[Place, str]:
    """Give every place with labelled tiles its role.

    A place is a square of neighbouring tiles. Once it has a role it keeps it, so that a network of
    an earlier round never judges itself by what it has learned. Of new places, ordered by how much
    changed in them, the second, the sixth and so on are held out; those without change apart.

    Parameters
    ----------
    tiles : sequence of LabelledTile
    count : int
        Tiles of the whole pair, labelled or not.
    known : mapping of (row, col) to str
        Roles of earlier rounds.

    Examples
    --------
    >>> tiles = [LabelledTile(n + 1, 0, n, changed, 90) for n, changed in enumerate((50, 20, 0))]
    >>> share_out(tiles, 9)
    {(0, 0): 'learning', (0, 1): 'held-out', (0, 2): 'learning'}
    """
    found: dict[Place, list[LabelledTile]] = {}
    for tile in tiles:
        found.setdefault(find_place(tile, count), []).append(tile)
    roles = dict(known or {})
    changed = {place: sum(t.changed for t in part) for place, part in found.items()}
    for place in sorted(found.keys() - roles.keys(), key=lambda p: (-changed[p], p)):
        kind = changed[place] > 0
        alike = [role for p, role in roles.items() if p in found and (changed[p] > 0) == kind]
        due = alike.count(HELD_OUT) < (len(alike) + EVERY - 1) // EVERY
        roles[place] = HELD_OUT if due else LEARNING
    return dict(sorted(roles.items()))


def find_place(tile: LabelledTile, count: int) -> Place:
    """Return the place of a tile in a pair of ``count`` tiles.

    Examples
    --------
    >>> find_place(LabelledTile(8, 1, 3, 0, 9), 20), find_place(LabelledTile(8, 1, 3, 0, 9), 100)
    ((1, 3), (0, 1))
    """
    block = BLOCK if count >= FINE else 1
    return tile.row // block, tile.col // block


def split(
    tiles: Iterable[LabelledTile], count: int, roles: Mapping[Place, str]
) -> tuple[list[LabelledTile], list[LabelledTile]]:
    """Return the tiles to learn from and those that are held out.

    Raises
    ------
    InputError
        One of them shows no change or no unchanged ground.
    """
    parts: dict[str, list[LabelledTile]] = {LEARNING: [], HELD_OUT: []}
    for tile in tiles:
        parts[roles[find_place(tile, count)]].append(tile)
    for role, chosen in parts.items():
        changed, unchanged = sum(t.changed for t in chosen), sum(t.unchanged for t in chosen)
        if not changed or not unchanged:
            what = "changed" if not changed else "unchanged"
            msg = (
                f"the {len(chosen)} labelled tiles of the part '{role}' hold no {what} pixel; "
                "label change in two tiles at least that are no neighbours, and some ground without"
            )
            raise InputError(msg)
    return parts[LEARNING], parts[HELD_OUT]


def read_roles(path: Path) -> dict[Place, str]:
    """Read the roles of earlier rounds; none where there were none."""
    if not path.is_file():
        return {}
    listed = json.loads(path.read_text(encoding="utf-8"))["places"]
    return {(int(row), int(col)): str(role) for row, col, role in listed}


def write_roles(path: Path, roles: Mapping[Place, str]) -> None:
    """Keep the roles for later rounds."""
    write_json(path, {"places": [[*place, role] for place, role in sorted(roles.items())]})
