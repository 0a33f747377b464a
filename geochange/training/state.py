"""All that training needs to go on exactly where it stopped: tensors and JSON, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from geochange.errors import InputError
from geochange.io.files.atomic import replace_atomically

FORMAT, KEY = "geochange training state 1", "state"
"""Version, and the one key of the file's metadata: several would come in any order."""


@dataclass
class Progress:
    """How far training is.

    Everything else that a run depends on (batches, learning rate, random numbers) is a function of
    the seed and the step, so there is no other state.

    Attributes
    ----------
    step : int
        Steps done.
    best_f1 : float
        Highest F1 of a validation; below 0 before the first.
    best_step : int
    best : dict
        What that validation found, for ``run.json``.
    stale : int
        Validations since.
    stopped : str
        Why training ended; empty while it has not.
    """

    step: int = 0
    best_f1: float = -1.0
    best_step: int = 0
    best: dict[str, Any] = field(default_factory=dict)
    stale: int = 0
    stopped: str = ""


def save_state(
    path: Path, networks: Mapping[str, nn.Module], optimizer: Optimizer, progress: Progress
) -> None:
    """Write networks, optimiser and progress into one safetensors file, atomically."""
    tensors: dict[str, Tensor] = {}
    for prefix, network in networks.items():
        tensors |= {f"{prefix}/{name}": tensor for name, tensor in network.state_dict().items()}
    for index, parameter in enumerate(_parameters(optimizer)):
        for name, tensor in optimizer.state[parameter].items():
            tensors[f"optimizer/{index}/{name}"] = tensor
    plain = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    state = json.dumps({"format": FORMAT, "progress": asdict(progress)})
    with replace_atomically(path) as temporary:
        save_file(plain, temporary, metadata={KEY: state})


def load_state(path: Path, networks: Mapping[str, nn.Module], optimizer: Optimizer) -> Progress:
    """Fill networks and optimiser from a file of :func:`save_state`; returns the progress.

    Raises
    ------
    InputError
        Not such a file, or one of another network.
    """
    tensors, state = _read(path)
    try:
        progress = Progress(**state["progress"])
        for prefix, network in networks.items():
            own = {n.split("/", 1)[1]: t for n, t in tensors.items() if n.startswith(f"{prefix}/")}
            network.load_state_dict(own)
        for index, parameter in enumerate(_parameters(optimizer)):
            start = f"optimizer/{index}/"
            found = {n[len(start) :]: t for n, t in tensors.items() if n.startswith(start)}
            optimizer.state[parameter] = {n: _like(parameter, t) for n, t in found.items()}
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        msg = f"{path} does not fit the config's network ({reason}); remove it to start again"
        raise InputError(msg) from error
    return progress


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {}).get(KEY, "{}"))
            if state.get("format") != FORMAT:
                msg = f"{path} is no training state of this version; remove it to start again"
                raise InputError(msg)
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        msg = f"cannot read the training state {path} ({error}); remove it to start again"
        raise InputError(msg) from error


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """Return a value in the memory layout and on the device of its parameter."""
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
