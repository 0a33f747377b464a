"""Checkpoints: weights as safetensors with a card; loading one runs no code that it brings."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from geochange.errors import InputError, OutputError, UsageError
from geochange.nn.checkpoints.card import Card
from geochange.nn.checkpoints.cardfile import KEY, read_card, write_json
from geochange.nn.networks.network import ChangeNet
from geochange.nn.networks.registry import build_model
from geochange.nn.networks.windows import STEP_PX
from geochange.nn.temporal.network import SeriesNet
from geochange.nn.temporal.registry import build_series_model

SERIES = "series"
N = TypeVar("N", ChangeNet, SeriesNet)


def save_checkpoint(path: str | Path, model: ChangeNet | SeriesNet, card: Card) -> Card:
    """Write a network's weights and its card.

    Parameters
    ----------
    path : path
        Appears whole or not at all; an older file is replaced.
    model : ChangeNet or SeriesNet
        Built by :func:`geochange.nn.networks.registry.build_model` or
        :func:`geochange.nn.temporal.registry.build_series_model`.
    card : Card
        Architecture, options, stride, halo and hash are filled in from the model.

    Returns
    -------
    Card
        The card as written.

    Raises
    ------
    UsageError
        The card has other bands than the model, or a weight is not finite.
    OutputError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from geochange.nn.checkpoints.card import Band
    >>> from geochange.nn.normalization import SceneNormalization
    >>> pan = (Band("pan"),)
    >>> card = Card("demo", pan, pan, SceneNormalization())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "demo.safetensors"
    ...     _ = save_checkpoint(path, build_model("tinysiam", 1), card)
    ...     model, card = load_checkpoint(path)
    >>> card.architecture, card.halo, model.stride
    ('tinysiam', 64, 8)
    """
    if card.bands != model.recipe.bands:
        msg = f"the card names {card.bands} bands, the network takes {model.recipe.bands}"
        raise UsageError(msg)
    if card.task != model.task:
        msg = f"the card says task '{card.task}', the network is for '{model.task}'"
        raise UsageError(msg)
    weights = {
        name: tensor.detach().to("cpu").contiguous() for name, tensor in model.state_dict().items()
    }
    _require_finite(weights, "the network", UsageError)
    windowed = model.radius is None
    halo = STEP_PX if model.radius is None else model.radius
    stride = _step(model, windowed=windowed)
    written = replace(
        card,
        architecture=model.recipe.name,
        options=model.recipe.options,
        stride=stride,
        halo=-(-halo // stride) * stride,
        windowed=windowed,
        halo_per_date=model.radius_per_date if isinstance(model, SeriesNet) else 0,
        sha256=hash_weights(weights),
    )
    _write(Path(path), weights, written)
    return written


def load_checkpoint(path: str | Path) -> tuple[ChangeNet, Card]:
    """Rebuild a network from a checkpoint alone.

    The architecture is built without memory first and compared with the tensors' names and shapes,
    so that a hostile card allocates nothing.

    Returns
    -------
    model : ChangeNet
        In evaluation mode, on the CPU.
    card : Card

    Raises
    ------
    InputNotFoundError, InputError
        No such file, or foreign, damaged or inconsistent; one line says which.
    """
    card = read_card(path)
    if card.task == SERIES:
        msg = f"{path} is a network for series; take geochange series --method network --model"
        raise InputError(msg)
    return _load(path, card, build_model)


def load_series_checkpoint(path: str | Path) -> tuple[SeriesNet, Card]:
    """Rebuild a network for series; see :func:`load_checkpoint`.

    Raises
    ------
    InputNotFoundError, InputError
        Also for a network that is not for series.
    """
    card = read_card(path)
    if card.task != SERIES:
        msg = f"{path} is no network for series but for {card.task}; train one with task = 'series'"
        raise InputError(msg)
    return _load(path, card, build_series_model)


def _load(path: str | Path, card: Card, build: Callable[..., N]) -> tuple[N, Card]:
    try:
        with torch.device("meta"):
            model = build(card.architecture, card.bands, **card.options)
    except (UsageError, TypeError) as error:
        msg = f"{path} asks for a network that cannot be built here: {error}"
        raise InputError(msg) from error
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        msg = f"{path} is damaged ({str(error)[:100]}); get it again"
        raise InputError(msg) from error
    _require_fitting(model, weights, path)
    _require_finite(weights, str(path), InputError)
    if hash_weights(weights) != card.sha256:
        msg = f"the weights in {path} are not those that its card describes (sha256); get it again"
        raise InputError(msg)
    stride = _step(model, windowed=card.windowed)
    if card.stride != stride:
        msg = f"the card of {path} says stride {card.stride}, its network has {stride}"
        raise InputError(msg)
    if card.task != model.task:
        msg = f"the card of {path} says task '{card.task}', its network is for '{model.task}'"
        raise InputError(msg)
    model.load_state_dict(weights, assign=True)
    return model.eval(), card


def _step(model: ChangeNet | SeriesNet, *, windowed: bool) -> int:
    """Return what origins of tiles are multiples of."""
    return math.lcm(STEP_PX, model.stride) if windowed else model.stride


def hash_weights(weights: dict[str, Tensor]) -> str:
    """Return the SHA-256 of names, types, shapes and values, in order of the names.

    Examples
    --------
    >>> hash_weights({"a": torch.zeros(2)})[:8]
    '16edfb67'
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(_raw(tensor))
    return digest.hexdigest()


def _raw(tensor: Tensor) -> bytes:
    octets: np.ndarray[tuple[int], np.dtype[np.uint8]] = (
        tensor.reshape(-1).view(torch.uint8).numpy()
    )
    return octets.tobytes()


def _write(path: Path, weights: dict[str, Tensor], card: Card) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(save(weights, metadata={KEY: write_json(card)}))
        temporary.replace(path)
    except (SafetensorError, OSError) as error:
        reason = str(error).splitlines()[0]
        msg = f"cannot write {path} ({reason}); is its folder there, writable and not full?"
        raise OutputError(msg) from error
    finally:
        temporary.unlink(missing_ok=True)


def _require_fitting(
    model: ChangeNet | SeriesNet, weights: dict[str, Tensor], path: str | Path
) -> None:
    expected = {name: (t.shape, t.dtype) for name, t in model.state_dict().items()}
    found = {name: (t.shape, t.dtype) for name, t in weights.items()}
    if found != expected:
        wrong = sorted(n for n in expected | found if expected.get(n) != found.get(n))
        msg = (
            f"the weights in {path} do not fit its network '{model.recipe.name}': "
            f"'{wrong[0]}' and {len(wrong) - 1} more differ; get it again"
        )
        raise InputError(msg)


def _require_finite(
    weights: dict[str, Tensor], owner: str, error: type[InputError | UsageError]
) -> None:
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            msg = f"weight '{name}' of {owner} is not finite; go back to an earlier checkpoint"
            raise error(msg)
