"""The moving average of the weights: steadier than the weights themselves."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

N = TypeVar("N", bound=nn.Module)


class WeightAverage(Generic[N]):
    """Exponential moving average of parameters and floating-point buffers.

    The decay grows from 0.1 towards ``decay``, so that early averages do not remember the random
    start (Polyak and Juditsky 1992; the ramp as in Tarvainen and Valpola 2017).

    Parameters
    ----------
    network : Module
        Its copy is averaged into.
    decay : float
        In [0, 1).

    Attributes
    ----------
    network : Module
        The averaged network, in evaluation mode.

    Examples
    --------
    >>> layer = nn.Linear(1, 1)
    >>> average = WeightAverage(layer, decay=0.0)
    >>> _ = nn.init.constant_(layer.weight, 3.0)
    >>> average.update(layer, step=0)
    >>> float(average.network.weight)
    3.0
    """

    def __init__(self, network: N, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards the weights after a step (counted from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        own, other = self.network.state_dict(), network.state_dict()
        floating = [name for name, tensor in own.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([own[n] for n in floating], [other[n] for n in floating], 1 - decay)
        for name in own.keys() - set(floating):
            own[name].copy_(other[name])
