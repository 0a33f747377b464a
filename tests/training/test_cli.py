"""``geochange train`` as a user meets it."""

from __future__ import annotations

import json

import pytest

from geochange.cli import main
from geochange.training.config import parse_config


@pytest.fixture
def config(tiny, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(parse_config(tiny).to_toml())
    return path


def run(capsys, *words):
    code = main(["train", *(str(word) for word in words)])
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
