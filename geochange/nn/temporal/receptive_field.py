"""How far a network for series looks, found from its structure and not from its weights."""

from __future__ import annotations

import copy

import torch

from geochange.nn.networks.receptive_field import FARTHEST_PX
from geochange.nn.temporal.network import SeriesNet


def measure_series_radius(model: SeriesNet, dates: int) -> int:
    """Return the receptive-field radius in pixels for a number of dates.

    As :func:`geochange.nn.networks.receptive_field.measure_radius`: a NaN in all dates of
    one pixel spreads to all that depends on it.

    Parameters
    ----------
    model : SeriesNet
        Left as it is.
    dates : int

    Examples
    --------
    >>> from geochange.nn.temporal.registry import build_series_model
    >>> model = build_series_model("convlstm", 1)
    >>> [measure_series_radius(model, dates) for dates in (2, 3, 6)]
    [5, 6, 9]
    """
    probe = copy.deepcopy(model).eval().float().cpu()
    size = FARTHEST_PX // 2 + 1
    middle = size // 2
    farthest = 0
    for axis in (3, 4):
        shape = [1, dates, model.recipe.bands[0], 1, 1]
        shape[axis] = size
        images = torch.zeros(shape)
        images.select(axis, middle).fill_(torch.nan)
        valid = torch.ones(images[:, :, 0].shape, dtype=torch.bool)
        with torch.inference_mode():
            logits = probe(images, valid, 30.0 * torch.arange(dates)[None])
        reached = logits.isnan().any(dim=1).flatten()
        distance = (torch.arange(size) - middle).abs()
        farthest = max(farthest, int(distance[reached].max()))
    return farthest
