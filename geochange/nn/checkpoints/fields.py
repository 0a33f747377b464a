"""Reading JSON that nobody has checked: each field is of its kind or the file is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from geochange.errors import InputError

T = TypeVar("T")
LONGEST_TEXT = 2000
"""Characters of a text whose length nobody says."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object whose fields are asked for by kind.

    Attributes
    ----------
    values : mapping
    source : str
        What the object is called in errors.

    Examples
    --------
    >>> Fields({"halo": 64}, "card of a.safetensors").whole("halo", 0, 1024)
    64
    """

    values: Mapping[str, Any]
    source: str

    def _get(self, name: str, kind: str, fits: Callable[[Any], bool]) -> Any:
        if name not in self.values:
            msg = f"{self.source} has no '{name}', {kind} is expected; write the file again"
            raise InputError(msg)
        value = self.values[name]
        if not fits(value):
            shown = repr(value)[:60]
            msg = f"{self.source}: '{name}' must be {kind}, got {shown}; write the file again"
            raise InputError(msg)
        return value

    def text(self, name: str, longest: int = LONGEST_TEXT) -> str:
        """Return a string of at most ``longest`` characters."""
        fits = _is_text(longest)
        return str(self._get(name, f"text of at most {longest} characters", fits))

    def whole(self, name: str, low: int, high: int) -> int:
        """Return a whole number within two limits."""
        kind = f"a whole number of {low} to {high}"
        return int(self._get(name, kind, lambda v: type(v) is int and low <= v <= high))

    def number(self, name: str, low: float, high: float) -> float:
        """Return a finite number within two limits."""
        kind = f"a number of {low:g} to {high:g}"
        return float(self._get(name, kind, lambda v: is_number(v) and low <= v <= high))

    def positive(self, name: str) -> float:
        """Return a number above 0."""
        return self.number(name, 1e-300, 1e300)

    def flag(self, name: str) -> bool:
        """Return a truth value."""
        return bool(self._get(name, "true or false", lambda v: isinstance(v, bool)))

    def numbers(self, name: str, longest: int = 1024) -> tuple[float, ...]:
        """Return finite numbers."""

        def fits(value: Any) -> bool:
            return isinstance(value, list) and len(value) <= longest and all(map(is_number, value))

        return tuple(float(v) for v in self._get(name, "a list of numbers", fits))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return strings."""

        def fits(value: Any) -> bool:
            return isinstance(value, list) and len(value) <= 1024 and all(map(_is_text(500), value))

        return tuple(self._get(name, "a list of texts", fits))

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """Return None for null, else what ``read`` returns for the field."""
        return None if self.values.get(name, 0) is None else read(name)

    def part(self, name: str) -> Fields:
        """Return an object inside this one."""
        found = self._get(name, "an object", lambda v: isinstance(v, dict))
        return Fields(found, f"{self.source}, '{name}'")

    def parts(self, name: str) -> list[Fields]:
        """Return a list of objects inside this one."""

        def fits(value: Any) -> bool:
            return isinstance(value, list) and len(value) <= 1024 and all(map(_is_object, value))

        found = self._get(name, "a list of objects", fits)
        return [Fields(value, f"{self.source}, '{name}'") for value in found]


def is_number(value: Any) -> bool:
    """Tell whether a JSON value is a finite number.

    Examples
    --------
    >>> is_number(1.5), is_number(True), is_number(float("nan"))
    (True, False, False)
    """
    return type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_text(longest: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and len(value) <= longest
