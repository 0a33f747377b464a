"""A checkpoint through the main job."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import torch

import geochange as gc
from geochange.cli import main
from geochange.errors import BandError, DataWarning, UsageError
from geochange.nn.card import Band, Card
from geochange.nn.checkpoint import save_checkpoint
from geochange.nn.models import build_model
from geochange.nn.normalization import SceneNormalization

NAMES = ("Blue", "Green", "Red", "NIR")


@pytest.fixture
def pair(write_raster):
    rng = np.random.default_rng(0)
    before = rng.normal(1000, 200, (4, 150, 130))
    after = before + rng.normal(0, 20, before.shape)
    after[:, 40:70, 50:90] += 1500
    before[:, :20, :30] = 0
    dates = (("a.tif", before), ("b.tif", after))
    return [
        write_raster(name, image.clip(0, 9999).astype(np.uint16), names=NAMES, nodata=0)
        for name, image in dates
    ]


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    bands = Band("red"), Band("green"), Band("blue")
    model = build_model("tinysiam", 3, widths=(8, 12, 16))
    model.head.conv.weight.data.mul_(8)
    card = Card("red to blue", bands, bands, SceneNormalization(), gsd_m=(5, 12), threshold=0.2)
    save_checkpoint(tmp_path / "net.safetensors", model, card)
    return tmp_path / "net.safetensors"


def test_detect_runs_a_checkpoint_and_records_its_weights(pair, checkpoint, tmp_path):
    options = {"checkpoint": str(checkpoint), "precision": "fp32"}
    scores = []
    for size, workers in ((1024, 1), (50, 2), (16, 2)):
        out = tmp_path / str(size)
        gc.detect(*pair, out, method="network", options=options, tile_size=size, workers=workers)
        with rasterio.open(out / "score.tif") as dataset:
            scores.append(dataset.read(1).astype(int))
            nodata = scores[0] == dataset.nodata
    assert nodata[:20, :30].all()
    assert nodata.sum() == 600
    for score in scores[1:]:
        assert (score == scores[0])[nodata].all()
        assert np.abs(score - scores[0])[~nodata].max() <= 1
    run = json.loads((tmp_path / "16" / "run.json").read_text())
    card = json.dumps(run)
    assert '"weights_sha256"' in card
    assert "red to blue" in card


def test_the_command_line_runs_a_checkpoint(pair, checkpoint, tmp_path):
    words = ["detect", *map(str, pair), "-o", str(tmp_path / "out"), "--method", "network"]
    assert main([*words, "--set", f"checkpoint={checkpoint}", "-q"]) == 0
    assert (tmp_path / "out" / "changes.gpkg").exists()


def test_misfits_are_told_before_a_tile_is_scored(pair, checkpoint, tmp_path, write_raster):
    with pytest.raises(UsageError, match="needs option 'checkpoint'"):
        gc.detect(*pair, tmp_path / "o", method="network")
    options = {"checkpoint": str(checkpoint)}
    with pytest.raises(BandError, match=r"takes 3 bands \(red, green, blue\)"):
        gc.detect(*pair, tmp_path / "o", method="network", options=options, bands=["nir", "red"])
    fine = rasterio.Affine(3, 0, 500000, 0, -3, 5000000)
    image = np.random.default_rng(0).integers(1, 99, (3, 40, 40)).astype(np.uint8)
    dates = [write_raster(f"{n}.tif", image, transform=fine) for n in "cd"]
    with pytest.warns(DataWarning, match="trained on pixels of 5 to 12 m, the scene has 3 m"):
        gc.detect(*dates, tmp_path / "o", method="network", options=options)
