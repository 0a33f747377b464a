"""A trained network as a method for series."""

from __future__ import annotations

import json
import pickle
from datetime import date

import numpy as np
import pytest
import rasterio
import torch

import geochange as gc
from geochange.cli import main
from geochange.errors import BandError, InputError, UsageError
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.networks.registry import build_model
from geochange.nn.normalization import FixedNormalization, Scaling, SceneNormalization
from geochange.nn.temporal.registry import build_series_model
from geochange.series.network import SeriesNetwork
from geochange.series.protocol import SeriesBlock, SeriesDetector

from .conftest import SIZE, days_from, make_images

ROLES = ("red", "nir")
DAYS = days_from(date(2020, 3, 1), 7, 24)


@pytest.fixture
def checkpoint(tmp_path):
    """A network that finds what rises: its logit is the contrast of both sides of a date."""

    def make(name="cnn-lstm", normalization=None):
        torch.manual_seed(0)
        model = build_series_model(name, 2)
        bands = tuple(Band(role) for role in ROLES)
        scaling = normalization or SceneNormalization()
        card = Card(
            "rising", bands, bands, scaling, threshold=0.3, gsd_m=(8.0, 12.0), task="series"
        )
        save_checkpoint(tmp_path / f"{name}.safetensors", model, card)
        return tmp_path / f"{name}.safetensors"

    return make


def read_score(folder):
    with rasterio.open(folder / "score.tif") as dataset:
        return dataset.read(1, masked=True).astype(np.float32).filled(np.nan) * dataset.scales[0]


def make_block(valid_share=0.9, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.normal(1000, 200, (6, 2, 30, 34)).astype(np.float32)
    valid = rng.random((6, 30, 34)) < valid_share
    return SeriesBlock(images, valid, 737_000 + 20 * np.arange(6))


@pytest.mark.parametrize("name", ["cnn-lstm", "convlstm", "temporal-attention"])
def test_a_part_with_its_halo_is_scored_as_in_the_whole(checkpoint, name):
    block = make_block()
    detector = SeriesNetwork(checkpoint=str(checkpoint(name)))
    detector._dates = len(block.days)
    detector.fit([block])
    assert isinstance(detector, SeriesDetector)
    whole = detector.score_series(block.images, block.valid, block.days)
    assert np.isnan(whole.score[block.valid.sum(axis=0) < 2]).all()
    halo = detector.halo
    part = detector.score_series(block.images[..., 1:, 2:], block.valid[..., 1:, 2:], block.days)
    np.testing.assert_allclose(
        part.score[halo:, halo:], whole.score[1 + halo :, 2 + halo :], atol=1e-5
    )
    again = pickle.loads(pickle.dumps(detector))
    found = again.score_series(block.images, block.valid, block.days)
    np.testing.assert_array_equal(found.score, whole.score)


def test_days_lie_on_valid_dates_with_the_last_valid_one_before(checkpoint):
    block = make_block(0.6)
    detector = SeriesNetwork(checkpoint=str(checkpoint())).fit([block])
    found = detector.score_series(block.images, block.valid, block.days)
    rows, cols = np.nonzero(found.day)
    assert len(rows) > 500
    at = np.searchsorted(block.days, found.day[rows, cols])
    before = np.searchsorted(block.days, found.since[rows, cols])
    assert block.valid[at, rows, cols].all()
    assert block.valid[before, rows, cols].all()
    assert (before < at).all()
    for row, col, first in zip(rows[:50], cols[:50], at[:50], strict=True):
        seen = block.valid[:, row, col]
        sides = [np.arange(6) >= first, np.arange(6) < first]
        later, earlier = (np.median(block.images[seen & s, :, row, col], axis=0) for s in sides)
        np.testing.assert_allclose(found.magnitude[:, row, col], later - earlier, rtol=1e-4)


def test_bands_are_found_by_their_roles(checkpoint, write_series):
    path = str(checkpoint())
    series = gc.open_series(write_series(make_images(7, 4), DAYS))
    detector = SeriesNetwork(checkpoint=path).suit(series)
    images, valid = series.read(gc.Window(0, 0, SIZE, SIZE))
    detector.fit([SeriesBlock(images, valid, series.ordinals)])
    whole = detector.score_series(images, valid, series.ordinals)
    two = SeriesNetwork(checkpoint=path).suit(series)
    two._roles = ROLES
    two.fit([SeriesBlock(images[:, 2:], valid, series.ordinals)])
    part = two.score_series(images[:, 2:], valid, series.ordinals)
    np.testing.assert_array_equal(whole.score, part.score)
    assert whole.magnitude.shape[0] == 4
    short = gc.open_series(write_series(make_images(7, 4)[:, :2], DAYS))
    with pytest.raises(BandError, match="the network takes 2 bands"):
        SeriesNetwork(checkpoint=path).suit(short)


def test_the_command_takes_a_model_and_tells_which(checkpoint, write_series, tmp_path):
    unit = Scaling((1000.0,) * 2, (300.0,) * 2)
    path = checkpoint(normalization=FixedNormalization(unit, unit))
    files = [str(file) for file in write_series(make_images(7, 4), DAYS)]
    words = ["series", *files, "-o", str(tmp_path / "out"), "--model", str(path), "-q"]
    assert main(words) == 0
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (run["method"]["name"], run["method"]["architecture"]) == ("network", "cnn-lstm")
    assert run["threshold"]["value"] == pytest.approx(0.3)
    assert f"--set checkpoint={path}" in run["command"]
    gc.detect_series(files, tmp_path / "tiled", model=path, tile_size=16, threads=2)
    whole, parts = (read_score(tmp_path / name) for name in ("out", "tiled"))
    np.testing.assert_allclose(whole, parts, atol=2e-5)
    assert np.isfinite(whole).all()
    checkpoint(normalization=FixedNormalization(Scaling((9.0,) * 2, (9.0,) * 2), unit))
    other = gc.detect_series(files, tmp_path / "again", model=path)
    assert other.run["fingerprint"] != run["fingerprint"]


def test_what_cannot_be_is_refused_before_anything_is_written(
    checkpoint, write_series, tmp_path, capsys
):
    path = checkpoint()
    files = write_series(make_images(5, 3), DAYS[:5])
    with pytest.raises(UsageError, match="method 'step' exclude each other"):
        gc.detect_series(files, tmp_path / "out", method="step", model=path)
    with pytest.raises(UsageError, match="has no state"):
        gc.detect_series(files, tmp_path / "out", model=path, state=tmp_path / "state")
    pair = tmp_path / "pair.safetensors"
    bands = tuple(Band(role) for role in ROLES)
    save_checkpoint(pair, build_model("tinysiam", 2), Card("p", bands, bands, SceneNormalization()))
    with pytest.raises(InputError, match="for task 'pixels', here one for 'series' is needed"):
        gc.detect_series(files, tmp_path / "out", model=pair)
    assert main(["series", *map(str, files), "-o", str(tmp_path / "o"), "--model", "no.st"]) == 4
    assert "there is no checkpoint" in capsys.readouterr().err
    assert not list(tmp_path.glob("o*"))


def test_the_shipped_network_finds_and_dates_change_in_series_it_never_saw(make_series):
    sample = make_series(0, dates=12, size=64)
    days = np.array([day.toordinal() for day in sample.dates])
    detector = SeriesNetwork().fit([])
    found = detector.score_series(sample.images, sample.valid, days)
    called = np.nan_to_num(found.score) >= detector.card.threshold
    truth = sample.truth >= 0
    both = called & truth
    assert 2 * both.sum() / (called.sum() + truth.sum()) > 0.7
    near = np.abs(np.searchsorted(days, found.day[both]) - sample.truth[both]) <= 1
    assert near.mean() > 0.7
