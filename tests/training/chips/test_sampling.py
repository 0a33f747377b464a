"""Chips: rich in change where asked for, inside the scene, spread over what is known."""

from __future__ import annotations

import numpy as np
import pytest

from geochange.training.chips.sampling import ChipSampler
from geochange.training.scenes.split import open_split
from geochange.training.scenes.survey import survey_scenes
from geochange.training.settings.chips import ChipConfig


@pytest.fixture
def training(tiny_config):
    return open_split(tiny_config.data).training


def draw(training, count=300, size=24, *, rich, **config):
    sampler = ChipSampler(training.scenes, training.surveys, ChipConfig(**config))
    return [sampler.draw(np.random.default_rng(n), size, rich=rich) for n in range(count)]


def shares(training, chips):
    labels = [training.scenes[chip.scene].read_label(chip.window) for chip in chips]
    return np.array([(label == 1).mean() for label in labels])


def test_rich_chips_hold_change(training):
    even, rich = (shares(training, draw(training, rich=rich)) for rich in (False, True))
    assert (rich > 0).mean() > 0.95
    assert rich.mean() > 1.5 * even.mean()
    one_try = shares(training, draw(training, rich=True, attempts=1))
    assert rich.mean() > one_try.mean()


def test_chips_lie_inside_and_reach_everywhere(training):
    chips = draw(training, 600, size=16, rich=False)
    for index in range(2):
        cover = np.zeros((64, 64), int)
        for chip in (c for c in chips if c.scene == index):
            window = chip.window
            assert window.row >= 0
            assert window.stop_row <= 64
            assert window.col >= 0
            assert window.stop_col <= 64
            cover[window.row : window.stop_row, window.col : window.stop_col] += 1
        assert cover.min() > 0


def test_a_scene_smaller_than_a_chip_lies_in_its_middle(training):
    chip = draw(training, 1, size=100, rich=True)[0]
    assert (chip.window.row, chip.window.col) == (-18, -18)


def test_weights_of_scenes_count(training):
    heavy = object.__getattribute__(training.scenes[1], "__class__")
    scenes = [training.scenes[0], heavy(**{**vars(training.scenes[1]), "weight": 9.0})]
    sampler = ChipSampler(scenes, survey_scenes(scenes), ChipConfig())
    drawn = [sampler.draw(np.random.default_rng(n), 16, rich=False).scene for n in range(400)]
    assert 0.85 < np.mean(drawn) < 0.95
