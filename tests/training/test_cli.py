"""``geochange train``, ``finetune`` and ``tune`` as a user meets them."""

from __future__ import annotations

import json

import pytest

from geochange.cli import main
from geochange.training.settings.config import parse_config
from geochange.training.settings.toml import write_toml


@pytest.fixture
def config(tiny, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(parse_config(tiny).to_toml())
    return path


def run(capsys, *words, verb="train"):
    code = main([verb, *(str(word) for word in words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_it_trains_and_prints_the_checkpoint(capsys, config, tmp_path):
    code, out, err = run(capsys, config, "-o", tmp_path / "out", "--set", "steps=4")
    assert code == 0
    assert out.splitlines()[0] == str(tmp_path / "out" / "model.safetensors")
    assert "of 4: F1 0." in out
    assert err.startswith("read: ")
    code, out, err = run(capsys, config, "-o", tmp_path / "out", "--set", "steps=4")
    assert code == 5
    assert err.count("\n") == 1
    words = ("-o", tmp_path / "out", "--set", "steps=4", "--resume", "--json", "-q")
    code, out, err = run(capsys, config, *words)
    assert code == 0
    assert json.loads(out)["steps"] == 4
    assert err == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--set", "chips.size_pix=3"], 2, "config.toml: unknown key 'size_pix' in [chips]; did"),
        (["--set", "steps"], 2, "'steps' is not NAME=VALUE"),
        (["--set", "data.root=/nowhere"], 4, "no folder /nowhere/set"),
        (["--set", "data.train=[]"], 4, "names no training data"),
        (["--refit"], 2, "--refit goes with --folds"),
        (["--folds"], 2, "a config without [[data.validation]]"),
    ],
)
def test_errors_are_one_line_with_a_code(capsys, config, tmp_path, words, code, said):
    found, out, err = run(capsys, config, "-o", tmp_path / "out", *words)
    assert found == code
    assert out == ""
    assert said in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_every_fold_by_place(capsys, tiny, tmp_path):
    tiny["data"] = {"root": str(tmp_path), "train": [{"path": "set"}], "folds": 3}
    path = tmp_path / "folds.toml"
    path.write_text(parse_config(tiny | {"steps": 3}).to_toml())
    code, out, _ = run(capsys, path, "-o", tmp_path / "out", "--folds", "-q")
    assert code == 0
    assert "3 folds pooled: F1" in out
    run_folder = json.loads((tmp_path / "out" / "folds.json").read_text())
    assert sum(run_folder["pixels"].values()) == 3 * 64 * 64
    names = sorted(name for fold in run_folder["folds"] for name in fold["validation"])
    assert names == ["set:a", "set:b", "set:c"]
    assert run(capsys, path, "-o", tmp_path / "out", "--folds", "-q")[0] == 5
    again = run(capsys, path, "-o", tmp_path / "out", "--folds", "-q", "--resume")
    assert again[0] == 0
    assert again[1] == out


def test_finetune_starts_from_a_checkpoint(capsys, tiny, config, tmp_path):
    assert run(capsys, config, "-o", tmp_path / "first", "-q")[0] == 0
    checkpoint = tmp_path / "first" / "model.safetensors"
    del tiny["model"]
    other = tmp_path / "other.toml"
    other.write_text(write_toml(tiny))
    words = (checkpoint, other, "-o", tmp_path / "out", "--set", "start.frozen_stages=2")
    code, out, err = run(capsys, *words, "--json", "-q", verb="finetune")
    assert (code, err) == (0, "")
    told = json.loads(out)["start"]
    assert told["frozen"] == ["encoder.levels.0", "encoder.levels.1"]
    assert told["checkpoint"] == str(checkpoint)
    code, out, err = run(capsys, "no.safetensors", other, "-o", tmp_path / "no", verb="finetune")
    assert (code, out) == (4, "")
    assert err.startswith("error: there is no checkpoint ")
    assert err.count("\n") == 1


def test_tune_writes_a_config_that_train_takes(capsys, config, tmp_path):
    pytest.importorskip("optuna")
    space = tmp_path / "space.toml"
    space.write_text('"optimizer.learning_rate" = { low = 1e-4, high = 1e-2, log = true }')
    words = (config, space, "-o", tmp_path / "out", "--set", "steps=2", "-q")
    code, out, err = run(capsys, *words, "--trials", "1", verb="tune")
    assert (code, err) == (0, "")
    best = tmp_path / "out" / "best.toml"
    assert out.splitlines()[0] == str(best)
    assert "best of 1 trials (0 pruned, 0 failed): number 0, F1 0." in out
    assert run(capsys, best, "-o", tmp_path / "best", "-q")[0] == 0
    code, out, err = run(capsys, *words, "--trials", "2", verb="tune")
    assert (code, out) == (5, "")
    code, out, err = run(capsys, *words, "--trials", "2", "--resume", "--json", verb="tune")
    assert code == 0
    assert [row["number"] for row in json.loads(out)["trials"]] == [0, 1]
    space.write_text('"optimizer.rate" = { low = 1e-4, high = 1e-2 }')
    code, out, err = run(capsys, *words, "--trials", "2", "--resume", verb="tune")
    assert (code, out) == (2, "")
    assert "space.toml: unknown key 'rate' in [optimizer]" in err
    assert err.count("\n") == 1
