"""Tuning: the better setting wins, killed tunings go on, bad trials do not end it."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

import geochange as gc
from geochange.errors import InputError, OutputExistsError, TrainingError, UsageError
from geochange.training.run import train
from geochange.training.settings.config import read_config
from geochange.training.tuning.study import tune

pytest.importorskip("optuna")
RATES = {"optimizer.learning_rate": {"choices": [1e-7, 5e-3]}}
RANGE = {"optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}


@pytest.fixture
def quick(tiny):
    return tiny | {"steps": 8, "validation": {"every_steps": 4, "tile_px": 32}}


def read_table(folder):
    with (folder / "trials.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def chosen(result):
    return [row.settings["optimizer.learning_rate"] for row in result.trials]


@pytest.mark.slow
def test_the_better_of_two_learning_rates_is_found(quick, tmp_path):
    told = []
    settings = {"steps": 16, "optimizer.ema": 0.5}
    result = gc.tune(
        quick, RATES, tmp_path / "out", trials=4, settings=settings,
        on_progress=lambda *now: told.append(now),
    )  # fmt: skip
    assert set(chosen(result)) == {1e-7, 5e-3}
    assert result.best.settings == {"optimizer.learning_rate": 5e-3}
    assert told == [("trials", n, 4) for n in range(5)]
    best = read_config(result.config)
    assert best.optimizer.learning_rate == 5e-3
    assert best.output == ""
    again = train(result.config, tmp_path / "again")
    assert again.scores["f1"] == result.best.f1
    table = read_table(result.path)
    assert [row["number"] for row in table] == ["0", "1", "2", "3"]
    assert max(float(row["f1"]) for row in table) == result.best.f1
    with Image.open(result.path / "trials.png") as picture:
        assert picture.size[0] > 300
    assert str(result).startswith(str(result.config))


def test_a_stopped_tuning_goes_on_as_if_nothing_had_happened(quick, tmp_path):
    whole = tune(quick, RANGE, tmp_path / "whole", trials=3, seed=3)

    def stop(stage, done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        tune(quick, RANGE, tmp_path / "broken", trials=3, seed=3, on_progress=stop)
    assert "go on with --resume" in stopped.value.__notes__[0]
    with pytest.raises(OutputExistsError, match="go on with --resume"):
        tune(quick, RANGE, tmp_path / "broken", trials=3, seed=3)
    resumed = tune(quick, RANGE, tmp_path / "broken", trials=3, seed=3, resume=True)
    assert chosen(resumed) == chosen(whole)
    assert [row.f1 for row in resumed.trials] == [row.f1 for row in whole.trials]
    assert len(set(chosen(whole))) == 3
    more = tune(quick, RANGE, tmp_path / "broken", trials=4, seed=3, resume=True)
    assert [row.number for row in more.trials] == [0, 1, 2, 3]
    assert chosen(more)[:3] == chosen(whole)


@pytest.mark.slow
def test_a_killed_trial_is_taken_up_where_it_stopped(quick, tmp_path, monkeypatch):
    import geochange.training.tuning.campaign as room

    def kill(config, folder, **options):
        def stop(stage, done, total):
            if (stage, done) == ("train", 6):
                raise KeyboardInterrupt

        return train(config, folder, **options, on_progress=stop)

    with monkeypatch.context() as patch:
        patch.setattr(room, "train", kill)
        with pytest.raises(KeyboardInterrupt):
            tune(quick, RANGE, tmp_path / "out", trials=2)
    journal = tmp_path / "out" / "trials.journal"
    assert (tmp_path / "out" / "trial-000" / "state.safetensors").exists()
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 4, "cut sho')
    resumed = tune(quick, RANGE, tmp_path / "out", trials=2, resume=True)
    whole = tune(quick, RANGE, tmp_path / "whole", trials=2)
    assert chosen(resumed) == chosen(whole)
    assert [row.f1 for row in resumed.trials] == [row.f1 for row in whole.trials]


def test_the_journal_is_lines_of_json(quick, tmp_path):
    result = tune(quick, RATES, tmp_path / "out", trials=1)
    lines = (result.path / "trials.journal").read_text().splitlines()
    assert len(lines) > 5
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_settings_that_cannot_be_trained_with_fail_alone(quick, tmp_path):
    space = {"chips.size_px": {"choices": [32, 33]}}
    result = tune(quick, space, tmp_path / "out", trials=6, settings={"steps": 2})
    states = {row.settings["chips.size_px"]: row.state for row in result.trials}
    assert states == {32: "complete", 33: "failed"}
    failed = next(row for row in read_table(result.path) if row["state"] == "failed")
    assert "a multiple of 8, the stride of tinysiam, got 33" in failed["message"]
    space = {"chips.size_px": {"choices": [34, 33]}}
    with pytest.raises(TrainingError, match="none of 2 trials came to its end; the first: "):
        tune(quick, space, tmp_path / "none", trials=2)


@pytest.mark.slow
def test_worse_than_the_median_is_stopped(quick, tmp_path, monkeypatch):
    """Learning rates fall from trial to trial, so later ones are worse at the same step."""
    monkeypatch.setattr("geochange.training.tuning.trials.PRUNING_TRIALS", 1)
    space = {"optimizer.learning_rate": {"choices": [5e-3, 1e-8]}}
    settings = {"steps": 16, "optimizer.ema": 0.5}
    result = tune(quick, space, tmp_path / "out", trials=5, settings=settings, seed=1)
    pruned = [row for row in result.trials if row.state == "pruned"]
    assert pruned
    assert all(row.steps < 16 for row in pruned)
    assert result.best.steps == 16


def test_a_shipped_network_is_found_by_its_name(quick, tmp_path):
    settings = {"start.checkpoint": "building", "steps": 2}
    result = tune(quick | {"model": {}}, RATES, tmp_path / "out", trials=1, settings=settings)
    assert Path(read_config(result.config).start.checkpoint).name == "building.safetensors"


def test_inputs_that_are_not_there_end_it(quick, tmp_path):
    with pytest.raises(InputError, match="no folder /nowhere/set"):
        tune(quick, RATES, tmp_path / "out", trials=2, settings={"data.root": "/nowhere"})


def test_another_config_or_space_is_refused(quick, tmp_path):
    tune(quick, RATES, tmp_path / "out", trials=1, settings={"steps": 2})
    with pytest.raises(UsageError, match="was trained with steps = 2, now it is 8"):
        tune(quick, RATES, tmp_path / "out", trials=2, resume=True)
    with pytest.raises(UsageError, match="was tuned over another space"):
        tune(quick, RANGE, tmp_path / "out", trials=2, settings={"steps": 2}, resume=True)
    with pytest.raises(UsageError, match="trials and jobs must be 1 or more, got 0 and 1"):
        tune(quick, RANGE, tmp_path / "other", trials=0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.docx").touch()
    with pytest.raises(OutputExistsError, match=r"holds thesis.docx; choose another"):
        tune(quick, RANGE, tmp_path / "mine", trials=1, resume=True)


def test_a_missing_optuna_is_one_line(quick, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"run: pip install 'geochange\[tune\]'"):
        tune(quick, RATES, tmp_path / "out", trials=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_several_jobs(quick, tmp_path):
    result = tune(quick, RANGE, tmp_path / "out", trials=3, jobs=2)
    assert {row.state for row in result.trials} <= {"complete", "pruned"}
    assert [row.number for row in result.trials] == [0, 1, 2]
    alone = tune(quick, RANGE, tmp_path / "alone", trials=3)
    assert chosen(alone) == chosen(result)
