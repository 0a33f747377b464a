"""A small network that was trained to see discs that change, and a run of it on files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import geochange as gc
from geochange.maps.changemap import ChangeMap
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.networks.network import ChangeNet
from geochange.nn.networks.registry import build_model
from geochange.nn.normalization import FixedNormalization, Scaling
from geochange.testing import synthetic_pair

NAMES = ("Blue", "Green", "Red", "NIR")
SCALING = Scaling((100.0,) * 3, (20.0,) * 3)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def trained() -> ChangeNet:
    """Red, green and blue of 12 scenes, 60 steps: enough to tell discs from texture."""
    torch.manual_seed(0)
    scenes = [synthetic_pair((64, 64), bands=3, seed=s, gain=1, offset=0) for s in range(12)]
    before, after = (
        torch.from_numpy(np.stack([(getattr(s, date) - 100) / 20 for s in scenes]))
        for date in ("before", "after")
    )
    truth = torch.from_numpy(np.stack([s.truth for s in scenes]))[:, None].float()
    model = build_model("tinysiam", 3, widths=(8, 8, 8)).train()
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    for _ in range(60):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(before, after), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@pytest.fixture
def checkpoint(trained: ChangeNet, tmp_path: Path) -> Path:
    bands = Band("red"), Band("green"), Band("blue")
    card = Card("discs", bands, bands, FixedNormalization(SCALING, SCALING), temperature=1.3)
    save_checkpoint(tmp_path / "discs.safetensors", trained, card)
    return tmp_path / "discs.safetensors"


@pytest.fixture
def pair(write_raster) -> list[str]:
    """Two files of 90 x 100 px, 10 m, in which a disc around row 45, column 60 changes."""
    scene = synthetic_pair((90, 100), bands=4, seed=50, changes=0, gain=1, offset=0)
    rows, cols = np.ogrid[:90, :100]
    disc = (rows - 45) ** 2 + (cols - 60) ** 2 <= 8**2
    after = scene.after + 60 * disc
    return [
        str(write_raster(f"{name}.tif", image, names=NAMES, nodata=0))
        for name, image in (("a", scene.before), ("b", after))
    ]


@pytest.fixture
def result(pair: list[str], checkpoint: Path, tmp_path: Path) -> ChangeMap:
    options = {"precision": "fp32"}
    return gc.detect(*pair, tmp_path / "out", model=checkpoint, options=options)
