"""The registry of networks: a name and the bands to a network."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from geochange.errors import UsageError, suggest
from geochange.nn.networks import architectures
from geochange.nn.networks.network import ChangeNet, Recipe

MOST_CHANNELS, MOST_DEPTH, MOST_LEVELS = 4096, 64, 8
"""Beyond these an option is a mistake, or means to fill the memory."""
MOST_NAME = 200
"""Characters of a name."""

MODELS: dict[str, Callable[..., ChangeNet]] = {
    "attention": architectures.attention,
    "bit": architectures.bit,
    "fc-ef": architectures.fc_ef,
    "fc-siam-conc": architectures.fc_siam_conc,
    "fc-siam-diff": architectures.fc_siam_diff,
    "image": architectures.image,
    "siamese": architectures.siamese,
    "snunet": architectures.snunet,
    "tinysiam": architectures.tinysiam,
    "unet": architectures.unet,
}

TASKS = {"image": "image"}
"""What a network is for where that is not to decide on pixels."""


def list_models(task: str = "") -> tuple[str, ...]:
    """Return the names of the networks in alphabetical order: all, or those for a task.

    Examples
    --------
    >>> "tinysiam" in list_models()
    True
    """
    return tuple(sorted(n for n in MODELS if not task or TASKS.get(n, "pixels") == task))


def build_model(name: str, bands: tuple[int, int] | int, **options: Any) -> ChangeNet:
    """Build a network with random weights.

    Parameters
    ----------
    name : str
        A name that :func:`list_models` gives.
    bands : int or tuple of int
        Bands of both dates, or of the before and of the after date.
    **options
        The builder's own options, JSON values; see the function of that name in
        :mod:`geochange.nn.networks.architectures`.

    Raises
    ------
    UsageError
        Unknown name or option, or a value that no network can be built from.

    Examples
    --------
    >>> model = build_model("tinysiam", bands=(3, 4), widths=(8, 16, 32))
    >>> model.stride, model.recipe.options
    (8, {'widths': [8, 16, 32]})
    """
    if name not in MODELS:
        msg = f"unknown network '{name}'{suggest(name, MODELS)}"
        raise UsageError(msg)
    pair = (bands, bands) if isinstance(bands, int) else (bands[0], bands[1])
    kept = {option: plain_value(value) for option, value in options.items()}
    known = list(inspect.signature(MODELS[name]).parameters)[1:]
    for option, value in kept.items():
        if option not in known:
            msg = f"network '{name}' has no option '{option}'{suggest(option, known)}"
            raise UsageError(msg)
        check_value(name, option, value)
    check_value(name, "bands", list(pair))
    model = _try_build(name, pair, kept)
    model.recipe = Recipe(name, pair, kept)
    return model


def _try_build(name: str, bands: tuple[int, int], options: dict[str, Any]) -> ChangeNet:
    try:
        return MODELS[name](bands, **options)
    except (TypeError, ValueError, IndexError, AssertionError) as error:
        if isinstance(error, UsageError):
            raise
        given = ", ".join(f"{option}={value!r}" for option, value in options.items())
        msg = (
            f"network '{name}' cannot be built with {given}: lists of options need one entry for "
            f"each level ({error})"
        )
        raise UsageError(msg) from error


def plain_value(value: Any) -> Any:
    """Return an option as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def check_value(name: str, option: str, value: Any) -> None:
    """Refuse what is no name and no sensible number, or too many of them.

    Raises
    ------
    UsageError
    """
    values = value if isinstance(value, list) else [value]
    deep = "depth" in option or option == "layers"
    low, high = (0, MOST_DEPTH) if deep else (1, MOST_CHANNELS)
    names = all(isinstance(v, str) and len(v) <= MOST_NAME for v in values)
    numbers = all(type(v) is int and low <= v <= high for v in values)
    if not (names or numbers) or len(values) > MOST_LEVELS:
        msg = (
            f"option '{option}' of network '{name}' must be a name or a whole number of {low} to "
            f"{high}, or a list of at most {MOST_LEVELS}; got {repr(value)[:60]}"
        )
        raise UsageError(msg)
