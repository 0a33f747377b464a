"""The config of a run: paths, ranges, and a copy that says everything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from geochange.errors import InputNotFoundError, UsageError
from geochange.training.settings.config import TrainConfig, load_config, parse_config, read_config
from geochange.training.settings.presets import PRESETS


def write(folder, text):
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_paths_start_from_the_file_or_from_here(tmp_path, monkeypatch):
    path = write(tmp_path, 'steps = 7\n[data]\nroot = "data"\n')
    config = read_config(path, {"chips.size_px": 64, "model.options": "{widths = [4]}"})
    assert config.data.root == str(tmp_path / "data")
    assert (config.steps, config.chips.size_px, config.model.options) == (7, 64, {"widths": [4]})
    monkeypatch.chdir(tmp_path)
    assert read_config(path, {"data.root": "x"}).data.root == os.path.join(os.getcwd(), "x")


def test_augmentation_goes_by_name(tmp_path):
    path = write(tmp_path, '[augment]\npreset = "none"\nnoise = 0.5\n')
    config = read_config(path)
    assert (config.augment.flip, config.augment.gain, config.augment.noise) == (False, 0.0, 0.5)
    assert load_config(write(tmp_path, config.to_toml())) == config
    assert load_config(config, {"augment.preset": "strong"}).augment == PRESETS["strong"]
    assert parse_config({"augment": {"preset": "light"}}) == TrainConfig()
    with pytest.raises(UsageError, match="did you mean 'flips'"):
        parse_config({"augment": {"preset": "flip"}})


def test_the_written_config_is_the_same_config(tmp_path):
    config = read_config(write(tmp_path, '[[data.train]]\npath = "a"\nrows = [0, 0.5]\n'))
    assert load_config(write(tmp_path, config.to_toml())) == config
    assert load_config(config) == config
    assert load_config(config, {"steps": 3}).steps == 3


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"steps": 0}, "'steps' must be 1 or more, got 0"),
        ({"chips": {"batch_size": 3}, "compute": {"processes": 2}}, "a multiple of the 2 proc"),
        ({"chips": {"max_class_share": 0.2}}, "'chips.max_class_share' must be in [0.5, 1]"),
        ({"data": {"normalization": "sets"}}, "cannot be 'sets'; did you mean 'set'?"),
        ({"data": {"fold": 5}}, "'data.fold' must be 0 to 4, or -1 for none, got 5"),
        ({"data": {"train": [{"rows": [0.5, 0.2]}]}}, "two increasing shares in [0, 1]"),
        ({"data": {"train": [{"layout": "folder"}]}}, "did you mean 'folders'?"),
        ({"optimizer": {"schedule": "cos"}}, "did you mean 'cosine'?"),
        ({"optimizer": {"learning_rate": 0}}, "must be above 0"),
        ({"synthesis": {"patches": 0.7, "unchanged": 0.7}}, "at most 1"),
        ({"loss": {"class_weights": [1.0]}}, "two numbers above 0"),
        ({"compute": {"precision": "fp8"}}, "'compute.precision' cannot be 'fp8'"),
        ({"augment": {"scale": 0.5}}, "in [1, 4]"),
        ({"validation": {"every_steps": 0}}, "1 or more"),
        ({"card": {"data_terms": "x" * 2001}}, "'card.data_terms' must be at most 2000 characters"),
    ],
)
def test_values_that_cannot_be(table, words):
    with pytest.raises(UsageError) as error:
        parse_config(table)
    assert words in str(error.value)


def test_errors_name_the_file(tmp_path):
    path = write(tmp_path, "[optimizer]\nlerning_rate = 1\n")
    with pytest.raises(UsageError, match=r"config.toml: unknown key 'lerning_rate' in .optimizer."):
        read_config(path)
    with pytest.raises(InputNotFoundError):
        read_config(tmp_path / "none.toml")


@pytest.mark.parametrize("name", ["building", "oscd", "samples"])
def test_committed_configs_are_valid(name):
    folder = Path(__file__).parents[2] / "benchmarks" / "configs"
    assert isinstance(read_config(folder / f"{name}.toml"), TrainConfig)
