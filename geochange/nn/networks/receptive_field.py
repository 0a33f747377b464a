"""How far a network looks, found from its structure and not from its weights."""

from __future__ import annotations

import copy

import torch

from geochange.nn.networks.network import ChangeNet

FARTHEST_PX = 256
"""A network that looks farther than this is taken to look at the whole image."""


def measure_radius(model: ChangeNet) -> int | None:
    """Return the receptive-field radius in pixels; None when it is more than ``FARTHEST_PX``.

    A NaN spreads through every operation that could use it, whatever the weights: where a NaN at
    one input pixel makes logits NaN is exactly where they depend on it. Every position relative to
    the grid of the strides is tried, along rows and along columns.

    Parameters
    ----------
    model : ChangeNet
        Left as it is.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> measure_radius(build_model("tinysiam", bands=1))
    58
    """
    probe = copy.deepcopy(model).eval().float().cpu()
    for steps in (FARTHEST_PX // 2 // model.stride + 1, 2 * FARTHEST_PX // model.stride + 3):
        size = steps * model.stride
        radius = max(_spread_px(probe, size, axis) for axis in (2, 3))
        if radius < size // 2 - model.stride:
            return radius
    return None


def _spread_px(model: ChangeNet, size: int, axis: int) -> int:
    """Farthest pixel along ``axis`` that a NaN in the middle reaches, over all phases."""
    step = model.stride
    places = torch.arange(step) + size // 2
    shape = [step, 0, step, step]
    shape[axis] = size
    dates = []
    for count in model.recipe.bands:
        shape[1] = count
        date = torch.zeros(shape).movedim(axis, 1)
        date[torch.arange(step), places] = torch.nan
        dates.append(date.movedim(1, axis))
    with torch.inference_mode():
        reached = model(*dates).isnan().any(dim=5 - axis).squeeze(1)
    distance = (torch.arange(size) - places[:, None]).abs()
    return int(distance[reached].max())
