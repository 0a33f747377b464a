"""Training that starts from a checkpoint: weights, bands, frozen parts, normalisation, card."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

import geochange as gc
from geochange.errors import DataWarning, GeochangeError, InputError, UsageError
from geochange.nn.checkpoints.card import TrainingData
from geochange.nn.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from geochange.nn.checkpoints.shipped import find_model, open_model
from geochange.nn.learning.transfer import find_stem
from geochange.training.finetune import finetune
from geochange.training.run import train
from geochange.training.settings.config import load_config, parse_config, read_config
from geochange.training.settings.toml import write_toml
from geochange.training.start import settle_start

ROOT = Path(__file__).parents[2]
SAME = ("state.safetensors", "model.safetensors", "metrics.csv")


@pytest.fixture
def origin(tiny, tmp_path):
    """A checkpoint for blue, green and red."""
    card = {"data_terms": "Terms of the first set"}
    return train(tiny | {"card": card}, tmp_path / "origin").checkpoint


@pytest.fixture
def other(tiny):
    """The config without a word on the network."""
    return {name: table for name, table in tiny.items() if name != "model"}


@pytest.fixture
def add_band(tmp_path):
    """Write the scenes again with a fourth band."""

    def add(name="NIR", value=None):
        for path in (tmp_path / "set").glob("*/[ba]*.tif"):
            with rasterio.open(path) as source:
                pixels, profile = source.read(), source.profile
            fourth = pixels[2] // 2 + 40 if value is None else np.full_like(pixels[0], value)
            with rasterio.open(path, "w", **profile | {"count": 4}) as dataset:
                dataset.write(np.concatenate([pixels, fourth[None]]))
                dataset.descriptions = ("Blue", "Green", "Red", name)

    return add


def test_a_shipped_network_is_named_as_for_detect(tmp_path):
    (tmp_path / "town.toml").write_text("[start]\ncheckpoint = 'building'\n")
    for config in (
        read_config(tmp_path / "town.toml"),
        read_config(tmp_path / "town.toml", {"start.checkpoint": "building"}),
        load_config({"start": {"checkpoint": "building"}}),
    ):
        start = settle_start(config).start
        assert start.checkpoint == str(find_model("building"))
        assert start.sha256 == open_model("building").card.sha256
    with pytest.raises(UsageError, match="did you mean 'building'"):
        gc.finetune("bilding", tmp_path / "town.toml", tmp_path / "out")


def test_a_damaged_checkpoint_is_refused_before_any_scene_is_opened(origin, tmp_path):
    origin.write_bytes(origin.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"is damaged \(cut off"):
        gc.finetune(origin, {"data": {"root": "nowhere"}}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def weights(path):
    return load_checkpoint(path)[0].state_dict()


def test_the_table_and_the_verb_are_one_thing(origin, other, tmp_path):
    one = gc.finetune(origin, other, tmp_path / "one")
    two = gc.train(other | {"start": {"checkpoint": str(origin)}}, tmp_path / "two")
    for name in SAME:
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes()
    config = read_config(one.path / "config.toml")
    assert config.model.options == {"widths": [4, 8, 8]}
    assert config.start.sha256 == load_checkpoint(origin)[1].sha256 == one.run["start"]["sha256"]
    assert one.run["start"]["new_weights"] == []
    again = gc.train(one.path / "config.toml", tmp_path / "again")
    assert (again.path / SAME[1]).read_bytes() == (one.path / SAME[1]).read_bytes()


def test_it_starts_from_the_weights(origin, other, tmp_path):
    still = {"steps": 1, "optimizer.learning_rate": 1e-9}
    result = finetune(origin, other, tmp_path / "out", settings=still)
    old, new = weights(origin), weights(result.checkpoint)
    for name in old:
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(new[name], old[name], rtol=0, atol=1e-7)


@pytest.mark.parametrize("encoder", [["encoder"], []])
def test_frozen_parts_are_bit_for_bit_the_same(origin, other, tmp_path, encoder):
    settings = {"start.frozen_stages": 2, "start.frozen": [*encoder, "fusions"]}
    result = finetune(origin, other, tmp_path / "out", settings=settings)
    old, new = weights(origin), weights(result.checkpoint)
    prefixes = tuple(encoder) or ("encoder.levels.0.", "encoder.levels.1.")
    same = {name for name in old if torch.equal(old[name], new[name])}
    frozen = {name for name in old if name.startswith(prefixes)}
    assert any("running_mean" in name for name in frozen)
    assert frozen <= same
    assert not any(name.startswith(("decoder.", "head.")) for name in same)


def test_new_bands_learn_faster_than_old_weights(origin, other, tmp_path, add_band):
    add_band()
    settings = {"start.learning_rate_factor": 1e-6, "optimizer.weight_decay": 0}
    result = finetune(origin, other, tmp_path / "out", settings=settings)
    model, card = load_checkpoint(result.checkpoint)
    stem = find_stem(model)
    assert result.run["start"]["new_weights"] == [stem]
    assert [band.name for band in card.bands_after] == ["blue", "green", "red", "nir"]
    old, new = weights(origin), weights(result.checkpoint)
    assert (new[stem][:, :3] - old[stem]).abs().max() > 1e-4
    assert (new["head.conv.weight"] - old["head.conv.weight"]).abs().max() < 1e-6


def test_an_extra_band_that_is_constant_leaves_the_scores(origin, other, tmp_path, add_band):
    still = {
        "steps": 1,
        "optimizer.learning_rate": 1e-12,
        "start.frozen": ["encoder", "fusions", "decoder"],
    }
    three = finetune(origin, other, tmp_path / "three", settings=still)
    add_band(value=77)
    four = finetune(origin, other, tmp_path / "four", settings=still)
    for name, score in three.scores.items():
        assert four.scores[name] == pytest.approx(score, abs=1e-4), name


def test_the_checkpoints_normalisation_can_be_kept(origin, other, tmp_path, add_band):
    add_band()
    measured = load_checkpoint(finetune(origin, other, tmp_path / "data").checkpoint)[
        1
    ].normalization
    old = load_checkpoint(origin)[1]
    shifted = tuple(centre + 9 for centre in old.normalization.before.centre)
    scaling = replace(old.normalization.before, centre=shifted)
    changed = replace(old, normalization=replace(old.normalization, before=scaling, after=scaling))
    save_checkpoint(tmp_path / "shifted.safetensors", load_checkpoint(origin)[0], changed)
    for kind in ("set", "scene"):
        keep = {"start.normalization": "keep", "data.normalization": kind}
        kept = finetune(
            tmp_path / "shifted.safetensors", other, tmp_path / f"kept-{kind}", settings=keep
        )
        found = load_checkpoint(kept.checkpoint)[1].normalization
        assert found.before.centre == (*shifted, measured.before.centre[3])
        assert found.after.spread == (*scaling.spread, measured.after.spread[3])


def test_the_card_names_both_sets_and_their_terms(origin, other, tmp_path):
    (tmp_path / "set").rename(tmp_path / "town")
    data = {"data.train": [{"path": "town", "scenes": ["a", "b"]}]}
    data |= {"data.validation": [{"path": "town", "scenes": ["c"]}]}
    settings = data | {"card.data_terms": "Terms of the second set"}
    card = load_checkpoint(finetune(origin, other, tmp_path / "out", settings=settings).checkpoint)[
        1
    ]
    assert card.training == (
        TrainingData("set", "Terms of the first set"),
        TrainingData("town", "Terms of the second set"),
    )
    assert card.title == "tinysiam trained on town, starting from: tinysiam trained on set"
    own = settings | {"card.description": "Roofs of the town"}
    card = load_checkpoint(finetune(origin, other, tmp_path / "own", settings=own).checkpoint)[1]
    assert card.title == "Roofs of the town"


def test_pixels_of_another_size_and_unknown_bands_are_told(origin, other, tmp_path, add_band):
    model, card = load_checkpoint(origin)
    save_checkpoint(tmp_path / "far.safetensors", model, replace(card, gsd_m=(0.5, 0.5)))
    with pytest.warns(DataWarning, match=r"trained on pixels of 0.5 m, these scenes have 2 m"):
        finetune(tmp_path / "far.safetensors", other, tmp_path / "far", settings={"steps": 1})
    add_band()
    frozen = {"start.frozen_stages": 1}
    with pytest.warns(DataWarning, match="the bands NIR are new and the first layer is frozen"):
        finetune(origin, other, tmp_path / "frozen", settings={"steps": 1, **frozen})
    with pytest.warns(DataWarning, match="none of the bands NIR is one of blue, green, red"):
        finetune(origin, other, tmp_path / "nir", settings={"steps": 1, "data.bands": ["nir"]})


def test_a_stopped_run_goes_on_exactly(origin, other, tmp_path):
    settings = {"start.frozen_stages": 1, "start.learning_rate_factor": 0.1}
    whole = finetune(origin, other, tmp_path / "whole", settings=settings)

    def stop(stage, done, total):
        if (stage, done) == ("train", 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(origin, other, tmp_path / "broken", settings=settings, on_progress=stop)
    resumed = finetune(origin, other, tmp_path / "broken", settings=settings, resume=True)
    for name in SAME:
        assert (whole.path / name).read_bytes() == (resumed.path / name).read_bytes()
    changed = train(
        other | {"seed": 5, "model": {"options": {"widths": [4, 8, 8]}}}, tmp_path / "x"
    )
    origin.write_bytes(changed.checkpoint.read_bytes())
    with pytest.raises(UsageError, match=r"was trained with start.sha256 = '.*', now it is"):
        finetune(origin, other, tmp_path / "broken", settings=settings, resume=True)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"model.name": "unet"}, UsageError, "'model.name' is 'unet', but "),
        ({"model.options": {"widths": [8, 8, 8]}}, UsageError, "leave [model] out"),
        ({"start.sha256": "00"}, InputError, "holds other weights than start.sha256 says"),
        ({"start.frozen_stages": 9}, UsageError, "must be at most 3, the stages of the encoder"),
        ({"start.frozen": ["neck"]}, UsageError, "has no module 'neck'"),
        ({"start.fresh": ["heads"]}, UsageError, "did you mean 'head'?"),
        ({"start.normalization": "old"}, UsageError, "'start.normalization' cannot be 'old'"),
        ({"start.learning_rate_factor": 0}, UsageError, "above 0 and at most 1"),
    ],
)
def test_bad_settings_are_one_line_and_leave_nothing(
    origin, other, tmp_path, settings, error, words
):
    with pytest.raises(error) as caught:
        finetune(origin, other, tmp_path / "out", settings=settings)
    assert isinstance(caught.value, GeochangeError)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_settings_of_a_start_need_a_checkpoint(tiny):
    with pytest.raises(UsageError, match=r"'start.checkpoint' must be named"):
        parse_config(tiny | {"start": {"frozen_stages": 1}})
    with pytest.raises(InputError, match=r"there is no checkpoint /nowhere/a.safetensors"):
        finetune("/nowhere/a.safetensors", tiny, "out")


def test_a_path_in_the_file_is_relative_to_the_file(origin, other, tmp_path):
    table = other | {"start": {"checkpoint": str(origin)}}
    text = parse_config(table).to_toml().replace(str(origin), "origin/model.safetensors")
    (tmp_path / "config.toml").write_text(text)
    assert read_config(tmp_path / "config.toml").start.checkpoint == str(origin)


@pytest.mark.slow
def test_more_bands_and_known_weights_beat_random_ones(tmp_path, samples):
    """Three bands of one scene, then four of another, at equal and few steps."""
    base = samples.parent / "tests" / "benchmarks" / "configs" / "samples.toml"
    settings = {"compute.threads": 1, "compute.accelerator": "cpu", "chips.size_px": 64}
    rgb = {"data.bands": ["red", "green", "blue"], "steps": 120, "validation.every_steps": 120}
    first = train(base, tmp_path / "rgb", settings=settings | rgb)
    part = {"path": "hard", "layout": "scenes", "changed": [1, 2]}
    few = settings | {
        "steps": 30,
        "validation.every_steps": 30,
        "optimizer.warmup_steps": 5,
        "data.train": [part | {"rows": [0.0, 0.5]}],
        "data.validation": [part | {"rows": [0.5, 1.0]}],
    }
    scratch = train(base, tmp_path / "scratch", settings=few)
    with pytest.warns(DataWarning, match="these scenes have 1 m"):
        tuned = finetune(first.checkpoint, base, tmp_path / "tuned", settings=few)
    assert len(load_checkpoint(tuned.checkpoint)[1].bands_before) == 4
    assert tuned.scores["average_precision"] > scratch.scores["average_precision"] + 0.05
    assert tuned.scores["f1"] > scratch.scores["f1"] - 0.01
    assert json.loads((tuned.path / "run.json").read_text())["start"]["title"].startswith("A test")


DISTRIBUTED = textwrap.dedent("""
    import sys
    from geochange.training.finetune import finetune

    if __name__ == "__main__":
        settings = {"compute.processes": 2, "start.frozen_stages": 1}
        finetune(sys.argv[1], sys.argv[2], sys.argv[3], settings=settings)
""")


@pytest.mark.slow
def test_two_processes_keep_frozen_parts(origin, other, tmp_path):
    config, script = tmp_path / "config.toml", tmp_path / "script.py"
    config.write_text(write_toml(other))
    script.write_text(DISTRIBUTED)
    done = subprocess.run(
        [sys.executable, str(script), str(origin), str(config), str(tmp_path / "out")],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    old, new = weights(origin), weights(tmp_path / "out" / "model.safetensors")
    same = {name for name in old if torch.equal(old[name], new[name])}
    assert {name for name in old if name.startswith("encoder.levels.0.")} <= same
    assert "decoder.levels.0.0.conv.weight" not in same
