"""Validation counts every labelled pixel once, with the context it would have in a map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from geochange.errors import InputError
from geochange.evaluation.ranking import ScoreHistogram
from geochange.io.stores.score import SCORE_LEVELS
from geochange.nn.networks.registry import build_model
from geochange.tiles import Window
from geochange.training.calibration import calibrate
from geochange.training.scenes.cache import SceneCache
from geochange.training.scenes.normalization import measure, scale, settle
from geochange.training.scenes.split import open_split
from geochange.training.settings.learning import ValidationConfig
from geochange.training.validation import Validator, summarise


@pytest.fixture(scope="module")
def fabric():
    return Fabric(accelerator="cpu", devices=1)


@pytest.fixture
def parts(tiny_config):
    scenes = open_split(tiny_config.data).training.scenes
    cache = SceneCache(scenes, 64)
    return cache, settle(cache, measure(cache, "set", 0))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_model("tinysiam", 3, widths=(4, 8, 8)).eval()


def histogram(parts, network, fabric, **config):
    validator = Validator(*parts, ValidationConfig(**config), workers=2)
    return validator.score(network, fabric)


def test_tiles_count_what_the_whole_scene_counts(parts, network, fabric):
    cache, scalings = parts
    whole = histogram(parts, network, fabric, tile_px=64)
    expected = ScoreHistogram(*np.zeros((2, SCORE_LEVELS), np.int64))
    for index, scene in enumerate(cache.scenes):
        sample = scale(scene.read(Window(0, 0, 64, 64)), scalings[index])
        dates = (torch.from_numpy(d)[None] for d in (sample.before, sample.after))
        with torch.inference_mode():
            score = torch.sigmoid(network(*dates))[0, 0].numpy()
        levels = np.rint(score * (SCORE_LEVELS - 1)).astype(np.uint16)
        expected += ScoreHistogram.count(levels, sample.label)
    for found, wanted in ((whole.changed, expected.changed), (whole.unchanged, expected.unchanged)):
        assert found.sum() == wanted.sum()
        moved = np.abs(np.cumsum(found) - np.cumsum(wanted)).max()
        assert moved <= 0.01 * wanted.sum()  # by a level or two: sums of another batch size


@pytest.mark.parametrize("batch_size", [1, 5])
def test_tile_and_batch_sizes_move_no_inner_score(parts, network, fabric, batch_size):
    whole = histogram(parts, network, fabric, tile_px=64)
    tiled = histogram(parts, network, fabric, tile_px=20, batch_size=batch_size)
    assert tiled.changed.sum() == whole.changed.sum()
    assert tiled.unchanged.sum() == whole.unchanged.sum()
    centres = [np.arange(SCORE_LEVELS) @ h.unchanged / h.unchanged.sum() for h in (whole, tiled)]
    assert abs(centres[0] - centres[1]) < 0.02 * SCORE_LEVELS


def test_findings_choose_threshold_and_temperature():
    rng = np.random.default_rng(0)
    label = (rng.random(50_000) < 0.2).astype(np.uint8)
    logits = 4 * (label - 0.7) + rng.normal(0, 1.5, label.size)
    score = 1 / (1 + np.exp(-3 * logits))
    levels = np.rint(score * (SCORE_LEVELS - 1)).astype(np.uint16)
    found = summarise(ScoreHistogram.count(levels, label))
    raw = ScoreHistogram.count(levels, label).best_threshold
    assert found.threshold == pytest.approx(calibrate(raw, found.temperature))
    assert found.counts.compared == label.size
    assert found.temperature > 1.5
    assert found.calibrated_error < found.calibration_error
    assert (
        found.scores["f1"]
        == found.counts.f1
        == max(ScoreHistogram.count(levels, label).counts_at(t).f1 for t in (raw, 0.3, 0.5, 0.7))
    )


def test_a_class_without_valid_pixels_is_an_error():
    only = ScoreHistogram.count(np.array([5], np.uint16), np.array([1], np.uint8))
    with pytest.raises(InputError, match="no changed or no unchanged pixel of the validation"):
        summarise(only)
