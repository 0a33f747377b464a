"""How long a step of training takes on this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch

from geochange.nn.networks.registry import build_model
from geochange.nn.threads import single_threaded

PROBES = 2
"""Steps that are timed, after one that warms up."""


def measure_step(
    model: str,
    bands: tuple[int, int],
    options: Mapping[str, object],
    *,
    size_px: int,
    batch_size: int,
) -> float:
    """Return the seconds of a forward and a backward pass of a network in one thread.

    Parameters
    ----------
    model : str
        Name of the architecture.
    bands : tuple of int
        Of the two dates.
    options : mapping
        Of the architecture.
    size_px, batch_size : int
        Edge of a chip, chips in a batch.

    Examples
    --------
    >>> 0 < measure_step("tinysiam", (1, 1), {"widths": [4, 8, 8]}, size_px=16, batch_size=2) < 60
    True
    """
    network = build_model(model, bands, **options)
    dates = [torch.zeros(batch_size, count, size_px, size_px) for count in bands]
    with single_threaded(always=True):
        network(*dates).mean().backward()
        started = time.perf_counter()
        for _ in range(PROBES):
            network(*dates).mean().backward()
        return (time.perf_counter() - started) / PROBES
