"""Checkpoints of networks for series: the same file and card, and never taken for another task."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from geochange.detectors.network import NetworkDetector
from geochange.errors import InputError
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.checkpoints.cardfile import read_card
from geochange.nn.checkpoints.checkpoint import (
    load_checkpoint,
    load_series_checkpoint,
    save_checkpoint,
)
from geochange.nn.networks.registry import build_model
from geochange.nn.normalization import SceneNormalization
from geochange.nn.temporal.registry import SERIES_MODELS, build_series_model

PAN = (Band("pan"),)


@pytest.mark.parametrize("name", sorted(SERIES_MODELS))
def test_a_network_comes_back_as_it_was(name, tmp_path):
    torch.manual_seed(0)
    model = build_series_model(name, 1, widths=[4, 8], decoder=4).eval()
    path = tmp_path / "own.safetensors"
    written = save_checkpoint(
        path, model, Card("demo", PAN, PAN, SceneNormalization(), task="series")
    )
    found, card = load_series_checkpoint(path)
    assert card == written == read_card(path)
    assert (card.task, card.architecture) == ("series", name)
    assert (card.halo, card.halo_per_date) == (model.radius, model.radius_per_date)
    images, valid = torch.randn(1, 4, 1, 9, 9), torch.ones(1, 4, 9, 9, dtype=torch.bool)
    days = torch.arange(4.0)[None]
    with torch.inference_mode():
        assert torch.equal(model(images, valid, days), found(images, valid, days))


def test_each_task_takes_its_own_networks(tmp_path):
    card = Card("demo", PAN, PAN, SceneNormalization())
    series, pair = tmp_path / "series.safetensors", tmp_path / "pair.safetensors"
    save_checkpoint(series, build_series_model("cnn-lstm", 1), replace(card, task="series"))
    save_checkpoint(pair, build_model("tinysiam", 1), card)
    assert read_card(pair).task == "pixels"
    with pytest.raises(InputError, match="is a network for series"):
        load_checkpoint(series)
    with pytest.raises(InputError, match="is no network for series but for pixels"):
        load_series_checkpoint(pair)
    with pytest.raises(InputError, match="for task 'series', here one for 'pixels' is needed; use"):
        NetworkDetector(checkpoint=str(series))
