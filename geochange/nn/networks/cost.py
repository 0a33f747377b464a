"""What a network costs: parameters and arithmetic per pixel."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from geochange.nn.networks.network import ChangeNet


def count_parameters(model: torch.nn.Module) -> int:
    """Return the number of trainable numbers; shared ones count once.

    Examples
    --------
    >>> count_parameters(torch.nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in model.parameters())


def count_flop_per_px(model: ChangeNet, size_px: int = 256) -> float:
    """Return floating-point operations for one output pixel, both dates included.

    Multiplications and additions of convolutions and matrix products count, two for each pair;
    elementwise operations do not.

    Parameters
    ----------
    model : ChangeNet
        Left as it is.
    size_px : int
        Edge of the image to count on, a multiple of the stride.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> count_flop_per_px(build_model("tinysiam", bands=3)) < 20_000
    True
    """
    device = next(model.parameters()).device
    dates = [torch.zeros(1, count, size_px, size_px, device=device) for count in model.recipe.bands]
    training = model.training
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model.eval()(*dates)
    model.train(training)
    return float(counter.get_total_flops() / size_px**2)
