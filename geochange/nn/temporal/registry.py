"""The registry of networks for series: a name and the bands to a network."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from geochange.errors import UsageError, suggest
from geochange.nn.networks.network import Recipe
from geochange.nn.networks.registry import check_value, plain_value
from geochange.nn.temporal import architectures
from geochange.nn.temporal.network import SeriesNet

SERIES_MODELS: dict[str, Callable[..., SeriesNet]] = {
    "cnn-lstm": architectures.cnn_lstm,
    "convlstm": architectures.convlstm,
    "temporal-attention": architectures.temporal_attention,
    "two-dates": architectures.two_dates,
}
DEFAULT_SERIES_MODEL = "cnn-lstm"


def build_series_model(name: str, bands: tuple[int, int] | int, **options: Any) -> SeriesNet:
    """Build a network for series with random weights.

    Parameters
    ----------
    name : str
        ``cnn-lstm``, ``convlstm``, ``temporal-attention`` or ``two-dates``.
    bands : int or tuple of int
        Bands of each date; a pair must hold the same number twice.
    **options
        The builder's own options, JSON values; see :mod:`geochange.nn.temporal.architectures`.

    Raises
    ------
    UsageError
        Unknown name or option, or a value that no network can be built from.

    Examples
    --------
    >>> model = build_series_model("cnn-lstm", 4)
    >>> model.radius, model.radius_per_date
    (3, 0)
    """
    if name not in SERIES_MODELS:
        msg = f"unknown network for series '{name}'{suggest(name, SERIES_MODELS)}"
        raise UsageError(msg)
    pair = (bands, bands) if isinstance(bands, int) else (bands[0], bands[1])
    if pair[0] != pair[1]:
        msg = f"all dates of a series have the same bands, got {pair[0]} and {pair[1]}"
        raise UsageError(msg)
    kept = {option: plain_value(value) for option, value in options.items()}
    known = list(inspect.signature(SERIES_MODELS[name]).parameters)[1:]
    for option, value in kept.items():
        if option not in known:
            msg = f"network '{name}' has no option '{option}'{suggest(option, known)}"
            raise UsageError(msg)
        check_value(name, option, value)
    check_value(name, "bands", pair[0])
    try:
        model = SERIES_MODELS[name](pair[0], **kept)
    except (TypeError, ValueError, IndexError) as error:
        if isinstance(error, UsageError):
            raise
        msg = f"network '{name}' cannot be built with {kept}: {error}"
        raise UsageError(msg) from error
    model.recipe = Recipe(name, pair, kept)
    return model
