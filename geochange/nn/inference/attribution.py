"""What makes a network see change: gradients along a way, and of one stage; tensors only."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.utils.hooks import RemovableHandle

from geochange.errors import UsageError, suggest
from geochange.nn.networks.network import ChangeNet

Score = Callable[[Tensor], Tensor]
"""From an input to one number."""
MAP_DIMENSIONS = 4
LEVEL = re.compile(r"decoder\.(smooth|levels)\.\d+")
"""A level of a decoder, after its convolutions."""
MOST_DOTS = 2
"""Parts nested deeper are single convolutions."""


def nothing(done: int, total: int) -> None:
    """Take no notice of progress."""


@dataclass(frozen=True)
class Integral:
    """Attributions of a score to the values of an input.

    Attributes
    ----------
    attribution : Tensor
        Of the shape of the input; sums to ``total`` but for the error of the integration.
    total : float
        Score of the input minus that of the baseline.
    """

    attribution: Tensor
    total: float

    @property
    def gap(self) -> float:
        """Sum of the attributions minus ``total``: the completeness error."""
        return float(self.attribution.double().sum()) - self.total


def integrate_gradients(
    score: Score,
    x: Tensor,
    baseline: Tensor,
    *,
    steps: int = 32,
    on_step: Callable[[int, int], None] = nothing,
) -> Integral:
    """Integrate gradients on the straight way from a baseline to an input.

    Sundararajan, Taly and Yan 2017 (arXiv 1703.01365), by the midpoint rule.

    Parameters
    ----------
    score : callable
        Differentiable.
    x, baseline : Tensor
        Of one shape.
    steps : int
        Gradients that are taken; the error falls with their number.
    on_step : callable
        Called with steps done and in all.

    Examples
    --------
    >>> found = integrate_gradients(lambda x: (x**2).sum(), torch.tensor([3.0]), torch.zeros(1))
    >>> round(found.attribution.item(), 3), found.total
    (9.0, 9.0)
    """
    with torch.no_grad():
        total = float(score(x)) - float(score(baseline))
    way = x - baseline
    slope = torch.zeros_like(x)
    for step in range(steps):
        on_step(step, steps)
        point = (baseline + (step + 0.5) / steps * way).requires_grad_()
        slope += torch.autograd.grad(score(point), point)[0]
    on_step(steps, steps)
    return Integral(way * slope / steps, total)


def list_stages(model: ChangeNet) -> list[str]:
    """Return the parts of a network whose outputs are maps of features, in order of computation.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> stages = list_stages(build_model("tinysiam", 3))
    >>> stages[0], choose_stage(build_model("tinysiam", 3))
    ('encoder.levels.0', 'decoder.smooth.1')
    """
    return list(_measure_stages(model))


def choose_stage(model: ChangeNet, name: str | None = None) -> str:
    """Check the name of a stage, or choose one.

    For networks with a decoder that is its last level but one: there features of several
    resolutions have met, so the map is sharp, but it is not the score itself yet, as that of the
    last level nearly is. Fused features before the decoder speak of much that it then discards.
    Other networks: the last part at the coarsest resolution.

    Raises
    ------
    UsageError
        No such stage.
    """
    sizes = _measure_stages(model)
    if name is None:
        levels = [stage for stage in sizes if LEVEL.fullmatch(stage)]
        coarsest = min(sizes.values())
        last = [stage for stage, size in sizes.items() if size == coarsest][-1]
        return levels[-2:][0] if levels else last
    if name not in sizes:
        msg = f"the network has no stage '{name}'{suggest(name, sizes)}"
        raise UsageError(msg)
    return name


def map_activations(
    model: ChangeNet, before: Tensor, after: Tensor, stage: str, target: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return where the features of a stage speak for change: Grad-CAM.

    Selvaraju et al. 2017 (arXiv 1610.02391): channels weighted by the mean gradient of the target,
    summed, negative parts dropped.

    Parameters
    ----------
    model : ChangeNet
    before, after : float (1, C1, H, W) and (1, C2, H, W)
    stage : str
        Of :func:`list_stages`.
    target : callable
        From logits (1, 1, H, W) to one number.

    Returns
    -------
    Tensor (K, H, W)
        Largest value 1, or all 0 when nothing speaks for change. K is 2, before and after, for a
        stage that sees the dates one by one, else 1.
    """
    outputs: list[Tensor] = []
    part = model.get_submodule(stage)
    handle = part.register_forward_hook(lambda _, __, output: outputs.append(output))
    try:
        number = target(model(before, after))
    finally:
        handle.remove()
    slopes = torch.autograd.grad(number, outputs, allow_unused=True, materialize_grads=True)
    maps = [
        (slope.mean((-2, -1), keepdim=True) * output).sum(1, keepdim=True).relu()
        for slope, output in zip(slopes, outputs, strict=True)
    ]
    fine = interpolate(
        torch.cat(maps).detach(), size=before.shape[-2:], mode="bilinear", align_corners=False
    )
    peak = float(fine.max())
    return fine[:, 0] / peak if peak > 0 else fine[:, 0]


def _measure_stages(model: ChangeNet) -> dict[str, int]:
    """Return pixels of the output of each part that computes maps of features, once for a date."""
    sizes: dict[str, int] = {}
    counts: dict[str, int] = {}

    def watch(name: str, module: nn.Module) -> RemovableHandle:
        def note(_: nn.Module, __: object, output: object) -> None:
            if not isinstance(output, Tensor) or output.ndim != MAP_DIMENSIONS:
                return
            if min(output.shape[1:]) > 1:
                sizes[name] = output.shape[-2] * output.shape[-1]
                counts[name] = counts.get(name, 0) + 1

        return module.register_forward_hook(note)

    named = dict(model.named_modules())
    parts = {name: part for name, part in named.items() if name and name.count(".") <= MOST_DOTS}
    handles = [watch(name, module) for name, module in parts.items()]
    edge = 8 * model.stride
    device = next(model.parameters()).device
    try:
        with torch.no_grad():
            model(*(torch.zeros(1, bands, edge, edge, device=device) for bands in _bands(model)))
    finally:
        for handle in handles:
            handle.remove()
    return {name: size for name, size in sizes.items() if counts[name] <= len(_bands(model))}


def _bands(model: ChangeNet) -> tuple[int, int]:
    return model.recipe.bands
