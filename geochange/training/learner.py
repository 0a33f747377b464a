"""What learns: the network, its optimiser, and the moving average of its weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from geochange.errors import DataWarning, UsageError
from geochange.evaluation.counts import UNKNOWN
from geochange.nn.inference.precision import prepare
from geochange.nn.networks.network import ChangeNet
from geochange.nn.networks.registry import build_model
from geochange.training.average import WeightAverage
from geochange.training.chips.batches import Feed
from geochange.training.consistency import make_targets, ramp_weight
from geochange.training.schedule import learning_rate
from geochange.training.settings.config import TrainConfig
from geochange.training.settings.learning import OptimizerConfig
from geochange.training.start import Start
from geochange.training.state import Progress, load_state, save_state
from geochange.training.supervision import supervise_pixels


@dataclass
class Learner:
    """Take training steps; see :func:`build_learner`.

    Attributes
    ----------
    config : TrainConfig
    fabric : Fabric
    network : ChangeNet
    model, optimizer
        The network with its loss and the optimiser, as Fabric runs them.
    average : WeightAverage
    """

    config: TrainConfig
    fabric: Fabric
    network: ChangeNet
    model: Any
    optimizer: Any
    average: WeightAverage[ChangeNet]

    def take_step(self, step: int, feeds: Iterator[Feed]) -> Tensor:
        """Learn from what one step is fed.

        Returns
        -------
        float32 (figures,)
            Means over its batches: the loss of the labelled chips; where there are chips without
            labels also theirs, and the share of their pixels that the teacher is sure of.
        """
        config = self.config.optimizer
        rate = learning_rate(step, self.config.steps, config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        loss = self._accumulate(step, feeds)
        if config.clip_norm:
            self.fabric.clip_gradients(
                self.model, self.optimizer, max_norm=config.clip_norm, error_if_nonfinite=False
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(self.network, step)
        return loss

    def _accumulate(self, step: int, feeds: Iterator[Feed]) -> Tensor:
        """Add up the gradients of the batches of one step."""
        parts = self.config.optimizer.accumulate
        figures = []
        for part in range(parts):
            feed = next(feeds).to(self.fabric.device)
            self._seed(step * parts + part)
            with self.fabric.no_backward_sync(self.model, enabled=part < parts - 1):
                loss, found = self._lose(step, feed)
                self.fabric.backward(loss / parts)
            figures.append(found)
        return torch.stack(figures).mean(dim=0)

    def _lose(self, step: int, feed: Feed) -> tuple[Tensor, Tensor]:
        """Return the loss of a batch and the figures that are told of it."""
        batch, views = feed.labelled, feed.views
        if views is None:
            loss: Tensor = self.model(*batch.parts)
            return loss, loss.detach()[None]
        chosen = self.config.unlabelled
        teacher = self.average.network
        with torch.no_grad(), self.fabric.autocast(), teacher.keep_to(views.weak_valid):
            logits = teacher(views.weak_before, views.weak_after)
        target = make_targets(logits, views, chosen.confidence)
        before = torch.cat([batch.before, views.strong_before])
        after = torch.cat([batch.after, views.strong_after])
        valid = torch.cat([batch.valid, views.valid])
        losses: Tensor = self.model(before, after, batch.label, valid, target)
        weight = chosen.weight * ramp_weight(step, chosen.ramp_steps)
        sure = (target != UNKNOWN).sum() / views.valid.sum().clamp(min=1)
        return losses[0] + weight * losses[1], torch.stack([*losses.detach(), sure])

    def _seed(self, number: int) -> None:
        """Let random numbers of the network (dropout) depend on the batch alone."""
        mixed = (self.config.seed * 1_000_003 + number) * 1_009 + self.fabric.global_rank
        torch.manual_seed(mixed % 2**63)

    def share_statistics(self) -> None:
        """Give the averages of all processes the running statistics of the first."""
        if self.fabric.world_size > 1:
            for buffer in self.average.network.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def load(self, path: Path) -> Progress:
        """Go back to a saved state."""
        networks = {"network": self.network, "average": self.average.network}
        return load_state(path, networks, self.optimizer.optimizer)

    def save(self, path: Path, progress: Progress) -> None:
        """Save the state."""
        networks = {"network": self.network, "average": self.average.network}
        save_state(path, networks, self.optimizer.optimizer, progress)


def build_learner(
    config: TrainConfig,
    bands: tuple[int, int],
    fabric: Fabric,
    start: Start | None = None,
    *,
    build: Callable[..., Any] = build_model,
    supervise: Callable[..., nn.Module] = supervise_pixels,
) -> Learner:
    """Build network and optimiser from the config's seed, the same in every process.

    Parameters
    ----------
    config : TrainConfig
    bands : tuple of int
    fabric : Fabric
    start : Start, optional
        Weights to start from.
    build, supervise : callable
        Build the network from name, bands and options, and the module of it and its loss from
        network, config and the names of frozen modules.

    Raises
    ------
    UsageError
        A network, an option or a loss that is not known.
    """
    torch.manual_seed(config.seed)
    network = build(config.model.name, bands, **config.model.options)
    frozen, new = ((), frozenset()) if start is None else start.begin(network)
    if config.compute.precision == "bf16":
        _require_bf16(network, fabric.device)
    layout = torch.channels_last if config.compute.channels_last else torch.contiguous_format
    network = network.to(fabric.device).to(memory_format=layout)
    average = WeightAverage(network, config.optimizer.ema)
    supervised = supervise(network, config, frozen).train()
    factor = config.start.learning_rate_factor
    optimizer = build_optimizer(network, config.optimizer, factor=factor, new=new)
    model, optimizer = fabric.setup(supervised, optimizer)
    return Learner(config, fabric, network, model, optimizer, average)


def _require_bf16(network: ChangeNet, device: torch.device) -> None:
    """Refuse bf16 where this build computes it wrongly (pytorch issue 163347)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        found = prepare(network, device, "bf16").precision
    if found != "bf16":
        msg = (
            "bf16 gives other scores than fp32 on this machine with this torch; set "
            "compute.precision to 'fp32'"
        )
        raise UsageError(msg)


def build_optimizer(
    network: nn.Module,
    config: OptimizerConfig,
    *,
    factor: float = 1.0,
    new: frozenset[str] = frozenset(),
) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter 2019) whose decay leaves biases and norms alone.

    Parameters
    ----------
    network : Module
        Its parameters that have a gradient learn.
    config : OptimizerConfig
    factor : float
        Of the learning rate of all but the ``new`` parameters.
    new : frozenset of str
        Names of parameters.
    """
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            key = parameter.ndim <= 1, 1.0 if name in new else factor
            groups.setdefault(key, []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "weight_decay": 0.0 if plain else config.weight_decay,
                "factor": share,
            }
            for (plain, share), parameters in sorted(groups.items(), key=lambda item: item[0])
        ],
        lr=config.learning_rate,
    )
