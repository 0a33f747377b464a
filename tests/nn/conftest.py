"""Fixtures for networks: one thread, fixed seeds, weights that are not the initial ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from geochange.nn.checkpoints.card import Band, Card, Metric, TrainingData
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.networks.network import ChangeNet
from geochange.nn.networks.registry import build_model
from geochange.nn.normalization import FixedNormalization, Scaling

Shake = Callable[[ChangeNet], ChangeNet]


@pytest.fixture(autouse=True)
def fixed_seed() -> Iterator[None]:
    """Draw the same numbers in every test."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def shake() -> Shake:
    """Give every parameter and statistic a value of its own, as training does."""

    def apply(model: ChangeNet) -> ChangeNet:
        generator = torch.Generator().manual_seed(1)
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif name.endswith("running_mean"):
                tensor.normal_(0, 0.3, generator=generator)
            elif tensor.ndim == 1 and tensor.is_floating_point():
                tensor.add_(0.2 * torch.randn(tensor.shape, generator=generator))
        return model.eval()

    return apply


@pytest.fixture
def rgb_card() -> Card:
    """A full card of a network for red, green and blue."""
    bands = Band("red", 665.0), Band("green", 560.0), Band("blue")
    scaling = Scaling((100.0, 90.0, 80.0), (20.0, 21.0, 22.0))
    return Card(
        "test network",
        bands,
        bands,
        FixedNormalization(scaling, scaling),
        gsd_m=(0.5, 2.5),
        threshold=0.4,
        temperature=1.5,
        training=(TrainingData("made up", "none"),),
        metrics=(Metric("f1", 0.5, "made up/val"),),
        created="2026-01-31",
    )


@pytest.fixture
def saved(shake: Shake) -> ChangeNet:
    """The network that ``checkpoint`` holds."""
    return shake(build_model("tinysiam", 3, widths=(8, 12, 16)))


@pytest.fixture
def checkpoint(tmp_path: Path, rgb_card: Card, saved: ChangeNet) -> Path:
    """A small network for red, green and blue on disk."""
    path = tmp_path / "small.safetensors"
    save_checkpoint(path, saved, rgb_card)
    return path
