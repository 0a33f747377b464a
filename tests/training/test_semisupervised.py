"""Whole trainings with scenes without labels."""

from __future__ import annotations

import csv
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from geochange.errors import BandError, DataWarning, InputNotFoundError, UsageError
from geochange.nn.checkpoints.checkpoint import load_checkpoint
from geochange.training.run import train
from geochange.training.settings.config import parse_config

ROOT = Path(__file__).parents[2]
SAME = ("state.safetensors", "model.safetensors", "metrics.csv")


@pytest.fixture
def semi(tiny):
    """One labelled scene, one without labels."""
    sources = [{"path": "set", "scenes": ["b"]}]
    return tiny | {
        "data": tiny["data"] | {"train": [{"path": "set", "scenes": ["a"]}]},
        "unlabelled": {"sources": sources, "ramp_steps": 2, "confidence": 0.6, "batch_size": 4},
    }


def contents(folder):
    return [(folder / name).read_bytes() for name in SAME]


def read_rows(folder):
    with (folder / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_no_label_of_theirs_is_used(semi, tmp_path):
    """Whatever their labels say, or if there are none, every byte is the same."""
    first = train(semi, tmp_path / "one")
    label = tmp_path / "set" / "b" / "label.tif"
    label.write_bytes((tmp_path / "set" / "c" / "label.tif").read_bytes())
    second = train(semi, tmp_path / "two")
    label.unlink()
    third = train(semi, tmp_path / "three")
    assert contents(first.path) == contents(second.path) == contents(third.path)
    assert first.run["unlabelled"] == {"scenes": ["set:b"]}
    assert first.run["training"]["scenes"] == ["set:a"]
    without = train({**semi, "unlabelled": {}}, tmp_path / "without")
    assert contents(without.path) != contents(first.path)


def test_what_is_logged(semi, tmp_path):
    result = train(semi, tmp_path / "out")
    rows = read_rows(result.path)
    assert [row["step"] for row in rows] == ["2", "3", "4", "6"]
    for row in rows:
        assert float(row["unlabelled_loss"]) >= 0
        assert 0 <= float(row["confident_share"]) <= 1
    assert float(rows[-1]["confident_share"]) > 0
    assert (result.path / "curve.png").stat().st_size > 5000


def test_a_teacher_that_is_never_sure_teaches_nothing(semi, tmp_path):
    settings = {"unlabelled.confidence": 0.9999999}
    rows = read_rows(train(semi, tmp_path / "out", settings=settings).path)
    assert {float(row["unlabelled_loss"]) for row in rows} == {0.0}
    assert {float(row["confident_share"]) for row in rows} == {0.0}


@pytest.mark.parametrize("change", [{"compute.workers": 2}, {"data.cache_mb": 0}])
def test_a_stopped_run_goes_on_exactly(semi, tmp_path, change):
    settings = {"optimizer.accumulate": 2}
    whole = train(semi, tmp_path / "whole", settings=settings)

    def stop(stage, done, total):
        if (stage, done) == ("train", 5):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(semi, tmp_path / "broken", settings=settings, on_progress=stop)
    resumed = train(semi, tmp_path / "broken", settings=settings | change, resume=True)
    assert contents(resumed.path) == contents(whole.path)


def test_ground_that_is_validated_on_is_told(semi, tmp_path):
    semi["unlabelled"]["sources"] = [{"path": "set", "scenes": ["b", "c"]}]
    with pytest.warns(DataWarning, match="the ground of 1 validation scenes such as set:c"):
        train(semi, tmp_path / "out")


def test_their_set_is_on_the_card(semi, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "set" / "b").rename(tmp_path / "more" / "b")
    semi["unlabelled"]["sources"] = [{"path": "more"}]
    card = load_checkpoint(train(semi, tmp_path / "out").checkpoint)[1]
    assert [data.name for data in card.training] == ["more", "set"]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"unlabelled.confidence": 0.4}, UsageError, "'unlabelled.confidence' must be in"),
        ({"unlabelled.weight": 0}, UsageError, "'unlabelled.weight' must be above 0"),
        ({"unlabelled.sources": [{"path": "none"}]}, InputNotFoundError, "no folder "),
        ({"compute.processes": 3, "chips.batch_size": 3}, UsageError, "unlabelled.batch_size"),
        ({"unlabelled.batchsize": 3}, UsageError, "did you mean 'batch_size'"),
    ],
)
def test_bad_settings_are_one_line(semi, tmp_path, settings, error, words):
    with pytest.raises(error) as caught:
        train(semi, tmp_path / "out", settings=settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_scenes_with_other_bands_are_refused(semi, tmp_path, write_raster):
    for date in ("before", "after"):
        write_raster(f"pan/x/{date}.tif", np.ones((1, 64, 64), np.uint8))
    semi["unlabelled"]["sources"] = [{"path": "pan"}]
    with pytest.raises(BandError, match="scene pan:x has 1 and 1 bands"):
        train(semi, tmp_path / "out")


DISTRIBUTED = textwrap.dedent("""
    import sys
    from geochange.training.run import train

    if __name__ == "__main__":
        train(sys.argv[1], sys.argv[2], settings={"compute.processes": 2})
""")


@pytest.mark.slow
def test_two_processes_do_the_same_twice(semi, tmp_path):
    config, script = tmp_path / "config.toml", tmp_path / "script.py"
    config.write_text(parse_config(semi).to_toml())
    script.write_text(DISTRIBUTED)
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
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
