"""Autotuning: what was found faster on this machine, kept so that it is timed once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from platformdirs import user_cache_path

MOST_BYTES = 4096


def locate_verdicts() -> Path:
    """Return the folder of the verdicts, in the user's cache.

    A checkpoint's own folder would not do: it may be shared among machines, or read-only.
    """
    return user_cache_path("geochange", appauthor=False) / "compiled"


def describe_situation(
    weights: str, device: torch.device, precision: str, shapes: list[list[int]]
) -> dict[str, object]:
    """Return all that the speed of a network depends on, plain enough for JSON.

    Parameters
    ----------
    weights : str
        Hash of the weights.
    device : torch.device
    precision : str
    shapes : list of list of int
        Of what the network is given.

    Examples
    --------
    >>> found = describe_situation("a1b2", torch.device("cpu"), "fp32", [[1, 3, 256, 256]])
    >>> found["precision"], found["shapes"]
    ('fp32', [[1, 3, 256, 256]])
    """
    return {
        "weights": weights,
        "torch": torch.__version__,
        "processor": _name_processor(device),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "shapes": shapes,
    }


def recall(situation: Mapping[str, object]) -> bool | None:
    """Return whether the compiled network was faster; None when it was never timed.

    Nothing else in the file is believed, and what is damaged is as good as nothing.
    """
    with contextlib.suppress(OSError, ValueError, RecursionError):
        with _path(situation).open("rb") as file:
            known = json.loads(file.read(MOST_BYTES))
        verdict = known.get("faster") if isinstance(known, dict) else None
        return verdict if isinstance(verdict, bool) else None
    return None


def remember(situation: Mapping[str, object], *, faster: bool) -> None:
    """Keep a verdict for later runs; where the cache cannot be written they time again."""
    path = _path(situation)
    temporary = path.with_suffix(f".{secrets.token_hex(4)}.tmp")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(json.dumps({**situation, "faster": faster}), encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _path(situation: Mapping[str, object]) -> Path:
    text = json.dumps(situation, sort_keys=True).encode()
    return locate_verdicts() / f"{hashlib.sha256(text).hexdigest()[:32]}.json"


def _name_processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    tell: Any = getattr(torch.cpu, "get_capabilities", dict)  # the oldest torch cannot tell
    found = tell()
    name = str(found.get("cpu_name") or platform.processor() or platform.machine())
    return " ".join([name, *sorted(key for key, has in found.items() if has is True)])
