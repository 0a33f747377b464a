"""Test-time adaptation: let the first normalisation of a network fit the scene."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geochange.errors import UsageError
from geochange.nn.networks.network import ChangeNet
from geochange.nn.parts.encoders import DatedEncoder, Encoder

Statistics = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Name of a normalisation to its mean and variance, one number a channel."""
Sample = tuple[Tensor, Tensor, Tensor]
"""Normalised dates, float32 (1, C, H, W), 0 where invalid, and the pixels that count, bool (H, W).

Sizes and the place of the first pixel are multiples of the network's stride; each pixel of the
scene counts once.
"""


def measure_statistics(model: ChangeNet, samples: Iterable[Sample], share: float) -> Statistics:
    """Mix the statistics that a network was trained with and those of a scene.

    Parameters
    ----------
    model : ChangeNet
        Left as it is.
    samples : iterable of Sample
        Seen once, in any order; one is held at a time.
    share : float
        Weight of the scene in (0, 1]: n / (N + n) of Schneider et al., where n is the size of the
        scene and N the strength of what was learned.

    Returns
    -------
    dict
        For :func:`adapt_network`; as trained when no pixel counts.

    Raises
    ------
    UsageError
        The network has no batch normalisation.

    Notes
    -----
    Schneider et al. 2020, "Improving robustness against common corruptions by covariate shift
    adaptation" (NeurIPS, arXiv 2006.16971), with two differences. Each date has statistics of its
    own where the network encodes the dates one by one, since one date may be hazier than the
    other. And only the first batch normalisation is adapted: it takes out what light and
    atmosphere do to all pixels of a band, while adapting the deeper ones too, one after the other,
    also takes out what the ground looks like and leaves scores that no longer fit the threshold.
    A cell of the features counts when its first pixel does, so the result does not depend on how
    a scene is cut into tiles; for that it is computed in float64.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> model = build_model("tinysiam", 1, widths=(8, 8, 8))
    >>> sample = torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16), torch.ones(16, 16) > 0
    >>> list(measure_statistics(model, [sample], 0.5))
    ['encoder.before.levels.0.0.norm', 'encoder.after.levels.0.0.norm']
    """
    work = copy.deepcopy(model).eval().double()
    split_dates(work)
    probes = [_Probe(work, encoder) for encoder in _list_encoders(work)]
    with torch.inference_mode():
        for before, after, owned in samples:
            dates = _adapt_bands(work, before.double(), after.double())
            for probe, date in zip(probes, dates, strict=True):
                probe.look(date, owned)
    return {probe.name: probe.mix(share) for probe in probes}


def adapt_network(model: ChangeNet, statistics: Statistics) -> None:
    """Give a network the statistics that :func:`measure_statistics` found, in place.

    Batch normalisation must not be folded yet.
    """
    split_dates(model)
    modules = dict(model.named_modules())
    for name, (mean, variance) in statistics.items():
        modules[name].running_mean = torch.from_numpy(mean.copy())
        modules[name].running_var = torch.from_numpy(variance.copy())


def split_dates(model: ChangeNet) -> None:
    """Let each date have an encoder of its own where the dates share one, in place."""
    encoder = getattr(model, "encoder", None)
    if isinstance(encoder, Encoder) and hasattr(model, "adapters"):
        model.encoder = DatedEncoder(encoder)


class _Reached(Exception):
    """The first normalisation has seen a sample."""


class _Probe:
    """Count, sum and sum of squares of what enters the first normalisation of an encoder."""

    def __init__(self, model: ChangeNet, encoder: nn.Module) -> None:
        norms = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
        if not norms:
            msg = (
                f"the network '{model.recipe.name}' has no batch normalisation that could adapt; "
                "leave out adapt"
            )
            raise UsageError(msg)
        self.encoder, self.norm = encoder, norms[0]
        self.name = next(name for name, module in model.named_modules() if module is norms[0])
        self.sums = torch.zeros(3, self.norm.num_features, dtype=torch.float64)

    def look(self, date: Tensor, owned: Tensor) -> None:
        """Send a date through the encoder as far as the normalisation and count its cells."""

        def count(_: nn.Module, inputs: tuple[Tensor]) -> None:
            x = inputs[0][0]
            step = owned.shape[-1] // x.shape[-1]
            cells = x[:, owned[::step, ::step]]
            self.sums += torch.stack([torch.ones_like(cells), cells, cells.square()]).sum(-1)
            raise _Reached

        hook = self.norm.register_forward_pre_hook(count)
        try:
            self.encoder(date)
        except _Reached:
            return
        finally:
            hook.remove()

    def mix(self, share: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and variance, ``share`` of them the scene's."""
        count, total, squares = self.sums
        seen = share if bool(count.all()) else 0.0
        mean = total / count.clamp(min=1)
        variance = (squares / count.clamp(min=1) - mean**2).clamp(min=0)
        known = self.norm.get_buffer("running_mean"), self.norm.get_buffer("running_var")
        mixed = [
            ((1 - seen) * old + seen * new).float().numpy()
            for old, new in zip(known, (mean, variance), strict=True)
        ]
        return mixed[0], mixed[1]


def _list_encoders(model: ChangeNet) -> list[nn.Module]:
    encoder = model.get_submodule("encoder")
    return [encoder.before, encoder.after] if isinstance(encoder, DatedEncoder) else [encoder]


def _adapt_bands(model: ChangeNet, before: Tensor, after: Tensor) -> list[Tensor]:
    """Return what the encoders see: each date, or both at once."""
    adapters = getattr(model, "adapters", None)
    if adapters is None:
        return [torch.cat([before, after], dim=1)]
    dates = (before, after)
    return [net(x) for net, x in zip(adapters, dates, strict=True)] if len(adapters) else [*dates]
