"""A checkpoint through the main job."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
import rasterio
import torch

import geochange as gc
from geochange.cli import main
from geochange.errors import BandError, DataWarning, InputError, UsageError
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.networks.registry import build_model
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
    for size, workers in ((1024, 1), (50, 2), (16, 1)):
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


@pytest.mark.slow
def test_uncertainty_is_the_entropy_of_the_stored_score(pair, checkpoint, tmp_path):
    options = {"checkpoint": str(checkpoint), "precision": "fp32"}
    settings = {"method": "network", "options": options, "uncertainty": True}
    for name, more in (("a", {}), ("b", {"tile_size": 50, "workers": 2})):
        result = gc.detect(*pair, tmp_path / name, date_after="2021-06-05", **settings, **more)
    score, unsure = (result.open(layer).values for layer in ("score", "uncertainty"))
    assert np.isnan(unsure).sum() == 600
    np.testing.assert_array_equal(np.isnan(unsure), np.isnan(score))
    p = score.astype(np.float64)
    np.testing.assert_allclose(unsure, -p * np.log2(p) - (1 - p) * np.log2(1 - p), atol=2e-5)
    assert result.layers == ("score", "mask", "uncertainty")
    assert result.picture("uncertainty").shape[2] == 4
    with rasterio.open(tmp_path / "b" / "uncertainty.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (dataset.nodata, dataset.dtypes) == (65535, ("uint16",))
        assert dataset.descriptions == ("uncertainty in bits",)
        assert dataset.scales == (1 / 65534,)
    item = json.loads((tmp_path / "b" / "item.json").read_text())
    assert item["assets"]["uncertainty"]["href"] == "./uncertainty.tif"
    assert item["assets"]["uncertainty"]["bands"][0]["unit"] == "bit"
    with zipfile.ZipFile(tmp_path / "b" / "changes.qgz") as archive:
        assert b"./uncertainty.tif" in archive.read("changes.qgs")
    assert result.run["settings"]["uncertainty"] is True
    assert "--uncertainty" in result.run["command"]


def test_a_run_stopped_before_the_uncertainty_goes_on_to_the_same_bytes(
    pair, checkpoint, tmp_path, monkeypatch
):
    options = {"checkpoint": str(checkpoint), "precision": "fp32"}
    settings = {"method": "network", "options": options, "uncertainty": True}
    gc.detect(*pair, tmp_path / "whole", **settings)

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("geochange.exports.runs.products.write_uncertainty", stop)
        with pytest.raises(KeyboardInterrupt):
            gc.detect(*pair, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()
    gc.detect(*pair, tmp_path / "out", **settings, resume=True)
    for name in ("score.tif", "uncertainty.tif"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_uncertainty_of_what_is_no_probability_is_refused(pair, tmp_path):
    with pytest.raises(UsageError, match="that of 'cva' is none; leave it out"):
        gc.detect(*pair, tmp_path / "o", method="cva", uncertainty=True)
    assert not list(tmp_path.glob("o*"))
    result = gc.detect(*pair, tmp_path / "o", method="cva")
    assert "uncertainty" not in result.layers
    with pytest.raises(InputError, match="run detect with uncertainty=True"):
        result.open("uncertainty")


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
