"""TOML to frozen dataclasses and back: unknown keys and wrong kinds are one clear line."""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from geochange.errors import InputError, InputNotFoundError, UsageError, suggest

T = TypeVar("T")
KINDS = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    InputNotFoundError, InputError
        No such file, or it is no TOML; the message names the line.
    """
    if not Path(path).is_file():
        msg = f"no config file at {path}; give the path of a TOML file"
        raise InputNotFoundError(msg)
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is no TOML: {error}; see https://toml.io"
        raise InputError(msg) from error


def override(table: Mapping[str, Any], settings: Mapping[str, object]) -> dict[str, Any]:
    """Return a copy of ``table`` with dotted names set; text is read as a TOML value.

    Raises
    ------
    UsageError
        A name leads through something that is no table.

    Examples
    --------
    >>> override({"steps": 9}, {"steps": "20", "model.name": "unet", "chips.size_px": 64})
    {'steps': 20, 'model': {'name': 'unet'}, 'chips': {'size_px': 64}}
    """
    copied: dict[str, Any] = json.loads(json.dumps(table, default=str))
    for name, value in settings.items():
        *parents, last = name.split(".")
        place = copied
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                msg = f"cannot set '{name}': '{parent}' is no table of settings"
                raise UsageError(msg)
        place[last] = _read_value(value) if isinstance(value, str) else value
    return copied


def _read_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def build(kind: type[T], table: Mapping[str, Any], where: str = "") -> T:
    """Build a dataclass from a table of settings, recursively.

    Parameters
    ----------
    kind : dataclass
        Fields may be int, float, str, bool, tuples of them or of dataclasses, dataclasses, and
        ``dict[str, object]`` for what another room checks.
    where : str
        Name of the table, for messages.

    Raises
    ------
    UsageError
        An unknown key, or a value of the wrong kind.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Chips:
    ...     size_px: int = 256
    >>> build(Chips, {"size": 64}, "chips")
    Traceback (most recent call last):
    ...
    geochange.errors.UsageError: unknown key 'size' in [chips]; did you mean 'size_px'?
    """
    hints = get_type_hints(kind)
    for name in table:
        if name not in hints:
            place = f" in [{where}]" if where else ""
            msg = f"unknown key '{name}'{place}{suggest(name, hints)}"
            raise UsageError(msg)
    dotted = f"{where}." if where else ""
    values = {name: _convert(hints[name], value, dotted + name) for name, value in table.items()}
    return kind(**values)


def _convert(kind: Any, value: Any, name: str) -> Any:
    """Return ``value`` as ``kind``, or say that it is not."""
    if get_origin(kind) is tuple:
        return _convert_list(get_args(kind)[0], value, name)
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if dataclasses.is_dataclass(kind) or get_origin(kind) is dict:
        if not isinstance(value, Mapping):
            raise _wrong_kind(name, value, f"a table, [{name}]")
        return dict(value) if get_origin(kind) is dict else build(kind, value, name)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _wrong_kind(name, value, KINDS[kind])
    return value


def _convert_list(kind: Any, value: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        tables = dataclasses.is_dataclass(kind)
        raise _wrong_kind(name, value, f"tables, [[{name}]]" if tables else "a list in brackets")
    return tuple(_convert(kind, item, name) for item in value)


def _wrong_kind(name: str, value: Any, expected: str) -> UsageError:
    return UsageError(f"'{name}' needs {expected}, got {value!r}")


def to_table(value: Any) -> Any:
    """Turn a dataclass of settings into plain tables, lists and values; None is left out."""
    if dataclasses.is_dataclass(value):
        fields = {f.name: to_table(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {name: item for name, item in fields.items() if item is not None}
    if isinstance(value, Mapping):
        return {str(name): to_table(item) for name, item in value.items()}
    return [to_table(item) for item in value] if isinstance(value, list | tuple) else value


def write_toml(table: Mapping[str, Any]) -> str:
    r"""Return a table of settings as TOML.

    Examples
    --------
    >>> print(write_toml({"steps": 9, "data": {"root": "a b", "train": [{"path": "x"}]}}))
    steps = 9
    <BLANKLINE>
    [data]
    root = "a b"
    <BLANKLINE>
    [[data.train]]
    path = "x"
    <BLANKLINE>
    """
    return "\n".join(_lines(table, "")) + "\n"


def _lines(table: Mapping[str, Any], where: str) -> list[str]:
    lines, tables = [], []
    for name, value in table.items():
        key = name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else ""
        key = key or _inline(name)
        if isinstance(value, Mapping):
            tables += ["", f"[{where}{key}]", *_lines(value, f"{where}{key}.")]
        elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            for item in value:
                tables += ["", f"[[{where}{key}]]", *_lines(item, f"{where}{key}.")]
        else:
            lines.append(f"{key} = {_inline(value)}")
    return lines + tables


def _inline(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_inline(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_inline(k)} = {_inline(v)}' for k, v in value.items())}}}"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
