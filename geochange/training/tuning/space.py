"""What tuning may choose from: settings by name, each a range or a list."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from geochange.errors import UsageError, suggest
from geochange.training.settings.config import TrainConfig, load_config
from geochange.training.settings.toml import read_toml

RANGE, CHOICES = ("low", "high", "log", "step"), ("choices",)
FIXED = ("output",)
"""Settings that tuning itself sets."""
EXAMPLE = "{ low = 1e-4, high = 1e-2, log = true } or { choices = [32, 64] }"


@dataclass(frozen=True)
class Dimension:
    """One setting and what it may be.

    Attributes
    ----------
    name : str
        Dotted, such as ``optimizer.learning_rate``.
    low, high : float
        Ends of a range, both included; of whole numbers when both are written so.
    log : bool
        Drawn evenly on a logarithmic scale.
    step : float, optional
        From ``low`` on.
    choices : tuple
        Values instead of a range.
    """

    name: str
    low: float = 0
    high: float = 0
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = field(default=())

    @property
    def whole(self) -> bool:
        """A range of whole numbers."""
        ends = (self.low, self.high, self.step or 1)
        return not self.choices and all(isinstance(end, int) for end in ends)

    @property
    def samples(self) -> tuple[Any, ...]:
        """Values with which a config is tried: both ends, or all choices."""
        return self.choices or (self.low, self.high)

    def to_table(self) -> dict[str, Any]:
        """Return what a space file says of it."""
        if self.choices:
            return {"choices": list(self.choices)}
        table: dict[str, Any] = {"low": self.low, "high": self.high}
        table |= {"log": True} if self.log else {}
        return table | ({} if self.step is None else {"step": self.step})


def read_space(
    space: Mapping[str, Any] | str | os.PathLike[str], config: TrainConfig
) -> tuple[Dimension, ...]:
    """Read a space and try its values on a config.

    Parameters
    ----------
    space : path or mapping
        TOML file or table of dotted names, quoted or as tables.
    config : TrainConfig

    Raises
    ------
    InputError, UsageError
        No such file, a name that is no setting, or a range that cannot be; the message names it.

    Examples
    --------
    >>> space = {"optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
    >>> [dimension.name for dimension in read_space(space, TrainConfig())]
    ['optimizer.learning_rate']
    """
    table = space if isinstance(space, Mapping) else read_toml(space)
    where = "" if isinstance(space, Mapping) else f"{os.fspath(space)}: "
    try:
        found = tuple(_build(name, values) for name, values in _flatten(table))
        _check(found, config)
    except UsageError as error:
        msg = f"{where}{error}"
        raise UsageError(msg) from error
    return found


def _flatten(table: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in table.items():
        dotted = f"{where}{name}"
        if not isinstance(value, Mapping):
            msg = f"'{dotted}' needs a table such as {EXAMPLE}, got {value!r}"
            raise UsageError(msg)
        if not value or any(not isinstance(inner, Mapping) for inner in value.values()):
            yield dotted, value
        else:
            yield from _flatten(value, f"{dotted}.")


def _build(name: str, table: Mapping[str, Any]) -> Dimension:
    known = CHOICES if "choices" in table else RANGE
    for key in table:
        if key not in known:
            msg = f"unknown key '{key}' of '{name}'{suggest(key, known)}"
            raise UsageError(msg)
    if "choices" in table:
        return _build_choices(name, table["choices"])
    low, high, step = (table.get(key) for key in ("low", "high", "step"))
    numbers = [value for value in (low, high, step) if value is not None]
    plain = all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers)
    if low is None or high is None or not plain or not low < high:
        msg = f"'{name}' needs low and a greater high, got {dict(table)}; write {EXAMPLE}"
        raise UsageError(msg)
    log = table.get("log", False)
    if not isinstance(log, bool) or (log and (low <= 0 or step is not None)):
        msg = f"'{name}': log is true or false, and true needs a low above 0 and no step"
        raise UsageError(msg)
    if step is not None and not 0 < step <= high - low:
        msg = f"'{name}': step must be above 0 and at most high - low, got {step}"
        raise UsageError(msg)
    return Dimension(name, low, high, log, step)


def _build_choices(name: str, choices: object) -> Dimension:
    if not isinstance(choices, list | tuple) or len(choices) < 2:
        msg = f"'{name}': choices is a list of two values or more, got {choices!r}"
        raise UsageError(msg)
    if len({json.dumps(value) for value in choices}) < len(choices):
        msg = f"'{name}': choices holds a value twice; name each once"
        raise UsageError(msg)
    return Dimension(name, choices=tuple(choices))


def _check(dimensions: tuple[Dimension, ...], config: TrainConfig) -> None:
    if not dimensions:
        msg = f'the space names no setting; add a line such as "chips.size_px" = {EXAMPLE}'
        raise UsageError(msg)
    names = [dimension.name for dimension in dimensions]
    for dimension in dimensions:
        if dimension.name in FIXED or names.count(dimension.name) > 1:
            msg = f"'{dimension.name}' cannot be tuned, or is named twice; remove it"
            raise UsageError(msg)
        for value in dimension.samples:
            load_config(config, {dimension.name: value})
