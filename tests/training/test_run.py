"""Whole runs: what they leave, exact resume after a kill, several processes, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from safetensors.torch import load_file

import geochange as gc
from geochange.errors import (
    BandError,
    GeochangeError,
    InputError,
    OutputExistsError,
    ResourceError,
    TrainingError,
    UsageError,
)
from geochange.nn.checkpoints.checkpoint import load_checkpoint
from geochange.training.average import WeightAverage
from geochange.training.histograms import read_histogram
from geochange.training.run import train
from geochange.training.settings.config import read_config

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "tests" / "benchmarks" / "configs"
EARLY = {"model.name": "fc-ef", "model.options": {"widths": [4, 8]}}
SAME = ("state.safetensors", "model.safetensors", "metrics.csv")


def contents(folder):
    return {name: (folder / name).read_bytes() for name in SAME}


def run_python(text, *words):
    return subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::PendingDeprecationWarning", "-c", text]
        + [str(word) for word in words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_a_run_leaves(tiny, tmp_path):
    stages = []
    result = gc.train(tiny, tmp_path / "out", on_progress=lambda *now: stages.append(now))
    names = {path.name for path in result.path.iterdir()}
    assert names == {*SAME, "config.toml", "curve.png", "run.json", "validation.npz", "logs"}
    run = json.loads((result.path / "run.json").read_text())
    assert run == result.run
    assert run["steps"] == 6
    counts = read_histogram(result.path / "validation.npz").counts_at(0.0)
    assert counts.tp + counts.fp == run["validation"]["labelled_px"]
    assert run["training"]["scenes"] == ["set:a", "set:b"]
    assert 0 < run["training"]["changed_px"] < run["training"]["labelled_px"] == 2 * 64 * 64
    model, card = load_checkpoint(result.checkpoint)
    assert [band.name for band in card.bands_before] == ["blue", "green", "red"]
    assert card.bands_before[2].wavelength_nm == 665
    assert card.threshold == pytest.approx(run["best"]["threshold"])
    assert card.gsd_m == pytest.approx((2.0 / 1.1, 2.0 * 1.1), rel=2e-3)
    assert {m.name: m.value for m in card.metrics}["f1"] == result.scores["f1"]
    assert model.recipe.options == {"widths": [4, 8, 8]}
    assert read_config(result.path / "config.toml").chips.size_px == 32
    assert [now for now in stages if now[0] == "train"] == [("train", n, 6) for n in range(7)]
    assert str(result).startswith(str(result.checkpoint))


def test_mixed_precision_learns_alike_and_a_wrong_one_is_refused(tiny, tmp_path, monkeypatch):
    full, mixed = (
        train(tiny, tmp_path / p, settings={"compute.precision": p}) for p in ("fp32", "bf16")
    )
    losses = [
        np.genfromtxt(run.path / "metrics.csv", delimiter=",", names=True)["train_loss"]
        for run in (full, mixed)
    ]
    np.testing.assert_allclose(*losses, rtol=0.02)
    assert not np.array_equal(*losses)
    monkeypatch.setattr("geochange.nn.inference.precision.MOST_SCORE_ERROR", -1.0)
    with pytest.raises(UsageError, match="bf16 gives other scores than fp32 on this machine"):
        train(tiny, tmp_path / "wrong", settings={"compute.precision": "bf16"})


def test_torch_is_left_as_it_was(tiny, tmp_path):
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    random = torch.get_rng_state()
    train(tiny, tmp_path / "out")
    assert before == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("change", [{}, {"compute.workers": 2}, {"data.cache_mb": 0}])
def test_the_same_weights_whatever_threads_and_memory(tiny, tmp_path, change):
    everything = {
        "synthesis.copy_paste": 0.5,
        "synthesis.patches": 0.2,
        "augment.scale": 1.2,
        "optimizer.accumulate": 2,
    }
    first = train(tiny, tmp_path / "one", settings=everything)
    second = train(tiny, tmp_path / "two", settings=everything | change)
    assert contents(first.path) == contents(second.path)


KILLED = """
import os, signal, sys
from geochange.training.run import train

def kill(stage, done, total):
    if stage == "train" and done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

train(sys.argv[1], sys.argv[2], on_progress=kill)
"""


@pytest.mark.parametrize(
    "step", [2, *(pytest.param(step, marks=pytest.mark.slow) for step in (4, 5))]
)
def test_a_killed_run_resumes_exactly(tiny, tmp_path, step):
    config = tmp_path / "config.toml"
    config.write_text(to_toml(tiny))
    unbroken = train(config, tmp_path / "unbroken")
    killed = run_python(KILLED, config, tmp_path / "killed", step)
    assert killed.returncode == -9, killed.stderr
    assert not (tmp_path / "killed" / "run.json").exists()
    assert (tmp_path / "killed" / "state.safetensors").exists() == (step > 3)
    with pytest.raises(OutputExistsError, match="--resume"):
        train(config, tmp_path / "killed")
    resumed = train(config, tmp_path / "killed", resume=True)
    assert contents(resumed.path) == contents(unbroken.path)
    assert resumed.run["best"] == unbroken.run["best"]
    again = train(config, tmp_path / "killed", resume=True)
    assert again.run == resumed.run


def to_toml(table):
    from geochange.training.settings.config import parse_config

    return parse_config(table).to_toml()


def test_resuming_with_another_config_is_refused(tiny, tmp_path):
    train(tiny, tmp_path / "out")
    with pytest.raises(UsageError, match=r"trained with optimizer.learning_rate = 0.002, now"):
        train(tiny, tmp_path / "out", settings={"optimizer.learning_rate": 0.1}, resume=True)
    train(tiny, tmp_path / "out", settings={"compute.workers": 3}, resume=True)


def test_folders_of_others_are_never_replaced(tiny, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.docx").touch()
    with pytest.raises(OutputExistsError, match=r"mine holds thesis.docx; choose another"):
        train(tiny, folder, overwrite=True)
    train(tiny, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").touch()
    with pytest.raises(OutputExistsError, match=r"holds notes.txt"):
        train(tiny, tmp_path / "out", overwrite=True)
    (tmp_path / "out" / "notes.txt").unlink()
    train(tiny, tmp_path / "out", overwrite=True)
    with pytest.raises(UsageError, match="needs an output folder"):
        train(tiny)


def test_a_loss_that_is_no_number_stops_and_says_where(tiny, tmp_path):
    with pytest.raises(TrainingError) as error:
        train(tiny, tmp_path / "out", settings={"loss.class_weights": [3e38, 3e38]})
    message = str(error.value)
    assert message.startswith("the loss is inf at step 1, batch: set:")
    assert message.count("row") == 4
    assert "\n" not in message
    assert not (tmp_path / "out").exists()


def test_weights_that_are_no_numbers_stop_training(tiny, tmp_path, monkeypatch):
    update = WeightAverage.update

    def spoil(self, network, step):
        next(network.parameters()).data.fill_(float("nan"))
        update(self, network, step)

    monkeypatch.setattr(WeightAverage, "update", spoil)
    with pytest.raises(TrainingError, match=r"^weight '.*' is no number any more at step 1; lower"):
        train(tiny, tmp_path / "out", settings={"validation.every_steps": 1})


def test_scenes_without_labels_cannot_validate(tiny, tmp_path, write_scene):
    write_scene("bare/a", label=False)
    data = {"root": str(tmp_path), "train": [{"path": "bare"}]}
    with pytest.raises(InputError, match="none of the 1 scenes has a label, so none can validate"):
        train(tiny | {"data": data}, tmp_path / "out")


@pytest.mark.parametrize(
    "full", [RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), MemoryError()]
)
def test_too_little_memory_is_one_line(tiny, tmp_path, monkeypatch, full):
    def fail(*_):
        raise full

    monkeypatch.setattr("geochange.training.learner.Learner.take_step", fail)
    with pytest.raises(ResourceError, match=r"4 chips of 32 px do not fit into .*memory; lower"):
        train(tiny, tmp_path / "out")


@pytest.mark.parametrize(("step", "said"), [(1, "holds no state yet"), (5, "keeps the state of")])
def test_an_interrupted_run_says_what_is_kept(tiny, tmp_path, step, said):
    def interrupt(stage, done, total):
        if stage == "train" and done == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as error:
        train(tiny, tmp_path / "out", on_progress=interrupt)
    [note] = error.value.__notes__
    assert said in note
    assert note.endswith("go on with --resume")


def test_training_stops_when_validation_gets_no_better(tiny, tmp_path):
    settings = {"steps": 60, "validation.patience": 2, "optimizer.learning_rate": 1e-6}
    result = train(tiny, tmp_path / "out", settings=settings)
    assert result.run["steps"] < 60
    assert result.run["stopped"] == "no better F1 in 2 validations"
    assert result.run["best"]["step"] == result.run["steps"] - 6
    resumed = train(tiny, tmp_path / "out", settings=settings, resume=True)
    assert resumed.run == result.run


def test_the_last_weights_are_kept_when_nothing_may_be_chosen(tiny, tmp_path):
    settings = {"steps": 9, "validation.every_steps": 3, "validation.keep": "last"}
    result = train(tiny, tmp_path / "out", settings=settings)
    assert result.run["best"]["step"] == 9
    model, _ = load_checkpoint(result.checkpoint)
    state = load_file(result.path / "state.safetensors")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, state[f"average/{name}"])
    with pytest.raises(UsageError, match=r"patience.* must be 0 with"):
        train(tiny, tmp_path / "two", settings={**settings, "validation.patience": 2})


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"chips.size_px": 33}, UsageError, "a multiple of 8, the stride of tinysiam, got 33"),
        ({"model.name": "tinysium"}, UsageError, "did you mean 'tinysiam'?"),
        ({"model.options": {"width": 3}}, UsageError, "has no option 'width'"),
        ({"loss.name": "bse"}, UsageError, "did you mean 'bce'?"),
        ({"data.train": []}, InputError, "names no training data"),
        ({"data.root": "/nowhere"}, InputError, "no folder /nowhere/set"),
        ({"data.bands": ["nir"]}, BandError, "scene set:a: "),
        ({"data.validation": [{"path": "set", "scenes": ["b"]}]}, InputError, "set:b on set:b"),
        ({"compute.accelerator": "cuda"}, UsageError, "sees no GPU"),
        ({"loss.name": "contrastive", **EARLY}, UsageError, "'contrastive' compares the features"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tiny, tmp_path, settings, error, words):
    if settings.get("compute.accelerator") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(error) as caught:
        train(tiny, tmp_path / "out", settings=settings)
    assert isinstance(caught.value, GeochangeError)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_scenes_with_other_bands_are_refused(tiny, tmp_path, write_scene):
    folder = write_scene("set/b", seed=1, east_px=64)
    for date in ("before", "after"):
        with rasterio.open(folder / f"{date}.tif", "r+") as dataset:
            dataset.descriptions = ("Red", "NIR", "Blue")
    with pytest.raises(BandError, match="the bands of scene set:b are Red, NIR, Blue, those of"):
        train(tiny, tmp_path / "out")


DISTRIBUTED = textwrap.dedent("""
    import json, sys
    from geochange.training.run import train

    if __name__ == "__main__":
        result = train(sys.argv[1], sys.argv[2], settings={"compute.processes": 2})
        print(json.dumps(result.run["best"]["pixels"]))
""")


@pytest.mark.slow
def test_two_processes_train_one_network(tiny, tmp_path):
    config, script = tmp_path / "config.toml", tmp_path / "script.py"
    config.write_text(to_toml(tiny))
    script.write_text(DISTRIBUTED)
    outputs = []
    for name in ("one", "two"):
        done = subprocess.run(
            [sys.executable, str(script), str(config), str(tmp_path / name)],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        outputs.append(json.loads(done.stdout))
    assert sum(outputs[0].values()) == 64 * 64
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    alone = train(config, tmp_path / "alone")
    losses = [
        np.genfromtxt(p / "metrics.csv", delimiter=",", names=True)["train_loss"]
        for p in (tmp_path / "one", alone.path)
    ]
    np.testing.assert_allclose(*losses, rtol=0.2)


def test_the_committed_sample_config_learns_from_scratch(tmp_path, samples):
    """And a map made with its checkpoint is as good as validation said."""
    result = train(CONFIGS / "samples.toml", tmp_path / "out", settings={"compute.threads": 1})
    assert result.scores["f1"] >= 0.65
    assert result.scores["average_precision"] >= 0.65
    dates = (samples / "vhr" / f"{date}.tif" for date in ("before", "after"))
    options = {"checkpoint": str(result.checkpoint), "precision": "fp32", "device": "cpu"}
    gc.detect(
        *dates, tmp_path / "map", method="network", options=options, products=["score", "mask"],
        min_area=1, max_hole=0,
    )  # fmt: skip
    with rasterio.open(tmp_path / "map" / "mask.tif") as mask:
        found = mask.read(1)[384:]
    with rasterio.open(samples / "vhr" / "truth.tif") as truth:
        wanted = truth.read(1)[384:]
    known = (found != 255) & (wanted != 255)
    hits = (found == 1)[known] & (wanted > 0)[known]
    f1 = 2 * hits.sum() / ((found == 1)[known].sum() + (wanted > 0)[known].sum())
    assert f1 == pytest.approx(result.scores["f1"], abs=0.02)
