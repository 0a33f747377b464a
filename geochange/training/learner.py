"""What learns: the network, its optimiser, and the moving average of its weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from geochange.errors import DataWarning, UsageError
from geochange.nn.models import build_model
from geochange.nn.network import ChangeNet
from geochange.nn.precision import prepare
from geochange.training.average import WeightAverage
from geochange.training.batches import Batch
from geochange.training.config import TrainConfig
from geochange.training.learnsettings import OptimizerConfig
from geochange.training.schedule import learning_rate
from geochange.training.state import Progress, load_state, save_state
from geochange.training.supervision import Supervised


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

    def take_step(self, step: int, batches: Iterator[Batch]) -> Tensor:
        """Learn from the batches of one step; returns their mean loss."""
        config = self.config.optimizer
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, self.config.steps, config)
        loss = self._accumulate(step, batches)
        if config.clip_norm:
            self.fabric.clip_gradients(
                self.model, self.optimizer, max_norm=config.clip_norm, error_if_nonfinite=False
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(self.network, step)
        return loss

    def _accumulate(self, step: int, batches: Iterator[Batch]) -> Tensor:
        """Add up the gradients of the batches of one step."""
        parts = self.config.optimizer.accumulate
        total = torch.zeros((), device=self.fabric.device)
        for part in range(parts):
            batch = next(batches).to(self.fabric.device)
            self._seed(step * parts + part)
            with self.fabric.no_backward_sync(self.model, enabled=part < parts - 1):
                loss = self.model(batch.before, batch.after, batch.label) / parts
                self.fabric.backward(loss)
            total += loss.detach()
        return total

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


def build_learner(config: TrainConfig, bands: tuple[int, int], fabric: Fabric) -> Learner:
    """Build network and optimiser from the config's seed, the same in every process.

    Raises
    ------
    UsageError
        A network, an option or a loss that is not known.
    """
    torch.manual_seed(config.seed)
    network = build_model(config.model.name, bands, **config.model.options)
    if config.compute.precision == "bf16":
        _require_bf16(network, fabric.device)
    layout = torch.channels_last if config.compute.channels_last else torch.contiguous_format
    network = network.to(fabric.device).to(memory_format=layout)  # type: ignore[call-overload]
    average = WeightAverage(network, config.optimizer.ema)
    supervised = Supervised(network, config.loss).train()
    model, optimizer = fabric.setup(supervised, build_optimizer(network, config.optimizer))
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


def build_optimizer(network: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter 2019) whose decay leaves biases and norms alone."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=config.learning_rate)
