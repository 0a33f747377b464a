"""The main job on a GPU: the same changes as on the processor."""

import numpy as np
import pytest
import torch

import geochange as gc
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.networks.registry import build_model
from geochange.nn.normalization import SceneNormalization


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    bands = Band("red"), Band("green"), Band("blue")
    model = build_model("tinysiam", 3)
    model.head.conv.weight.data.mul_(8)
    card = Card("test", bands, bands, SceneNormalization(), threshold=0.2)
    save_checkpoint(tmp_path / "net.safetensors", model, card)
    return str(tmp_path / "net.safetensors")


@pytest.mark.parametrize("workers", [0, 2])
def test_detect_gives_the_scores_of_the_processor(checkpoint, write_raster, tmp_path, workers):
    rng = np.random.default_rng(0)
    before = rng.integers(1, 250, (3, 300, 420)).astype(np.uint8)
    after = before.copy()
    after[:, 60:120, 70:160] = 200
    before[:, :30, :40] = 0
    names = ("red", "green", "blue")
    pair = [
        write_raster(f"{name}.tif", image, names=names, nodata=0)
        for name, image in (("a", before), ("b", after))
    ]
    scores = []
    for device in ("cpu", "cuda"):
        options = {"checkpoint": checkpoint, "precision": "fp32", "device": device}
        settings = {"method": "network", "options": options, "tile_size": 96}
        result = gc.detect(*pair, tmp_path / device, workers=workers, **settings)
        scores.append(result.open().values)
    np.testing.assert_array_equal(np.isnan(scores[0]), np.isnan(scores[1]))
    assert np.nanmax(np.abs(scores[0] - scores[1])) <= 1e-3
