"""Checks of single settings."""

from __future__ import annotations

from geochange.errors import UsageError, suggest


def require(condition: bool, name: str, value: object, expected: str) -> None:
    """Raise UsageError unless a setting's value can be."""
    if not condition:
        msg = f"'{name}' must be {expected}, got {value!r}"
        raise UsageError(msg)


def require_one(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise UsageError unless a setting has one of the known values."""
    if value not in known:
        msg = f"'{name}' cannot be '{value}'{suggest(value, known)}"
        raise UsageError(msg)
