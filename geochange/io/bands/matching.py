"""Which band of one date is compared with which of the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from geochange.errors import BandError, suggest
from geochange.io.bands.roles import band_role, is_named, standard_name

Roles = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class BandMatch:
    """Bands to read at each date, in the order in which they are compared.

    Attributes
    ----------
    before, after : list of int
        Positions (0-based). They have equal length unless the numbers of bands differ and names do
        not help; then every band of each date is kept and only methods that compare different band
        sets can run.
    note : str
        What was done, for the run's notes.
    doubtful : bool
        The match is a guess, or leaves most bands out.
    """

    before: list[int]
    after: list[int]
    note: str
    doubtful: bool = False


def select_bands(
    names: Sequence[str], wanted: Sequence[str | int], roles: Roles | None = None
) -> list[int]:
    """Return the positions (0-based) of bands named by name, role or 1-based number.

    Raises
    ------
    BandError
        A band that does not exist (the message suggests the nearest), or one chosen twice.

    Examples
    --------
    >>> select_bands(["Blue", "Green", "Red", "NIR"], ["nir", 1])
    [3, 0]
    """
    roles = [band_role(name) for name in names] if roles is None else roles
    found: list[int] = []
    for band in wanted:
        position = _position(names, str(band).strip(), roles)
        if position in found:
            msg = f"band '{band}' ({names[position]}) is chosen twice; give every band once"
            raise BandError(msg)
        found.append(position)
    return found


def _position(names: Sequence[str], text: str, roles: Roles) -> int:
    if text.isdigit() and 1 <= int(text) <= len(names):
        return int(text) - 1
    written = {text.lower(), standard_name(text, "Sentinel-2").lower()}
    matches = [i for i, name in enumerate(names) if name.lower() in written]
    matches = matches or [i for i, role in enumerate(roles) if role == text.lower()]
    if not matches:
        msg = f"no band '{text}' among {', '.join(names)}{suggest(text, names)}"
        raise BandError(msg)
    return matches[0]


def choose_bands(
    before: Sequence[str],
    after: Sequence[str],
    wanted: Sequence[str | int],
    roles_before: Roles | None = None,
    roles_after: Roles | None = None,
) -> BandMatch:
    """Pair the bands that a user names: a number means the band that it is on the before date.

    Raises
    ------
    BandError

    Examples
    --------
    >>> choose_bands(["Blue", "Green"], ["green", "blue"], [1]).note
    'bands chosen: Blue / blue'
    """
    roles_before = [band_role(n) for n in before] if roles_before is None else roles_before
    first = select_bands(before, wanted, roles_before)
    names: list[str | int] = []
    for position, band in zip(first, wanted, strict=True):
        by_number = str(band).strip().isdigit()
        names.append(_name_after(position, before, after, roles_before) if by_number else band)
    try:
        second = select_bands(after, names, roles_after)
    except BandError as error:
        msg = f"after date: {error}"
        raise BandError(msg) from error
    listed = [", ".join(n[i] for i in index) for n, index in ((before, first), (after, second))]
    note = f"bands chosen: {listed[0]}" + (f" / {listed[1]}" if listed[0] != listed[1] else "")
    return BandMatch(first, second, note)


def _name_after(position: int, before: Sequence[str], after: Sequence[str], roles: Roles) -> str:
    """Name by which to look for a band of the before date on the after date."""
    name, role = before[position], roles[position]
    if not is_named(name) or not any(is_named(n) for n in after):
        return str(position + 1)
    return name if role is None or name.lower() in [n.lower() for n in after] else role


def match_bands(
    before: Sequence[str],
    after: Sequence[str],
    roles_before: Roles | None = None,
    roles_after: Roles | None = None,
) -> BandMatch:
    """Pair the bands of two dates: by name, else by role, else by order.

    Equal names whose roles differ (``B5`` of two sensors) are no match.

    Examples
    --------
    >>> match_bands(["B", "Red", "NIR"], ["nir", "red"]).note
    'bands matched by name: Red, NIR; left out: B'
    >>> match_bands(["band 1", "band 2"], ["band 1", "band 2"]).note
    'bands have no names: matched by order (2 bands)'
    """
    roles_before = [band_role(n) for n in before] if roles_before is None else roles_before
    roles_after = [band_role(n) for n in after] if roles_after is None else roles_after
    if all(is_named(name) for name in [*before, *after]):
        names = [n.lower() for n in before], [n.lower() for n in after]
        same = dict(zip(names[0], roles_before, strict=True))
        differ = any(
            role and same.get(name) and same[name] != role
            for name, role in zip(names[1], roles_after, strict=True)
        )
        for kind, first, second in (("name", *names), ("role", roles_before, roles_after)):
            found = None if kind == "name" and differ else _intersect(first, second)
            if found:
                return _describe_match(kind, before, after, *found)
    known = [(a, b) for a, b in zip(roles_before, roles_after, strict=False) if a and b]
    return _match_by_order(before, after, clash=any(a != b for a, b in known))


def _intersect(before: Roles, after: Roles) -> tuple[list[int], list[int]] | None:
    """Positions of the keys that each date has exactly once; None when there are none."""
    both = [k for k in before if k and before.count(k) == after.count(k) == 1]
    return ([before.index(k) for k in both], [after.index(k) for k in both]) if both else None


def _describe_match(
    kind: str, before: Sequence[str], after: Sequence[str], first: list[int], second: list[int]
) -> BandMatch:
    left = [name for i, name in enumerate(before) if i not in first]
    left += [name for i, name in enumerate(after) if i not in second]
    note = f"bands matched by {kind}: {', '.join(before[i] for i in first)}"
    note += f"; left out: {', '.join(left)}" * bool(left)
    return BandMatch(first, second, note, 2 * len(first) < max(len(before), len(after)))


def _match_by_order(before: Sequence[str], after: Sequence[str], *, clash: bool) -> BandMatch:
    everything = list(range(len(before))), list(range(len(after)))
    if len(before) != len(after):
        note = (
            f"{len(before)} and {len(after)} bands that no name matches: only methods for "
            "different sensors apply (or choose bands)"
        )
        return BandMatch(*everything, note, doubtful=True)
    if any(is_named(name) for name in [*before, *after]):
        note = (
            f"band names differ ({', '.join(before)} / {', '.join(after)}): matched by order, "
            "which is a guess"
        )
        return BandMatch(*everything, note, doubtful=clash or len(before) > 1)
    return BandMatch(*everything, f"bands have no names: matched by order ({len(before)} bands)")
