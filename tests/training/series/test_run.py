"""``train`` with ``task = "series"``: from folders of dates to a network that dates change."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

import geochange as gc
from geochange.cli import main
from geochange.errors import InputError, UsageError
from geochange.nn.checkpoints.checkpoint import load_series_checkpoint
from geochange.training.series.stacks import open_stacks
from geochange.training.settings.config import parse_config

DAYS = [date(2021, 3, 1) + timedelta(24 * n) for n in range(6)]
SIZE = 32


@pytest.fixture
def stacks(write_raster, tmp_path):
    """Write folders of dates: noise, and squares that stand from one date on."""

    def write(count=3, labelled=True):
        for number in range(count):
            rng = np.random.default_rng(number)
            images = 1000 + 40 * rng.standard_normal((6, 2, SIZE, SIZE))
            truth = np.zeros((SIZE, SIZE), np.uint8)
            for _ in range(8):
                row, col, first = (int(n) for n in rng.integers((0, 0, 1), (SIZE - 5, SIZE - 5, 6)))
                here = np.s_[row : row + 5, col : col + 5]
                if truth[here].any():
                    continue
                images[first:, :, *here] += 700
                truth[here] = first + 1
            for day, image in zip(DAYS, images, strict=True):
                write_raster(f"data/s{number}/{day}.tif", image.astype(np.uint16), nodata=0)
            if labelled:
                days = ",".join(day.isoformat() for day in DAYS)
                write_raster(f"data/s{number}/truth.tif", truth[None], tags={"DATES": days})
        return tmp_path / "data"

    return write


def make_config(root, **more):
    tables = {
        "task": "series",
        "steps": 4,
        "data": {"root": str(root), "train": [{"path": "."}], "folds": 3},
        "model": {"options": {"widths": [8, 8], "memory": 8, "decoder": 8}},
        "chips": {"size_px": 16, "batch_size": 4},
        "series": {"dates": [3, 6], "paste": 0.3},
        "optimizer": {"warmup_steps": 5, "ema": 0.9, "learning_rate": 1e-2},
        "validation": {"every_steps": 2},
        "compute": {"threads": 1, "workers": 0},
        "card": {"data_terms": "made here"},
    }
    return {**tables, **more}


def test_it_learns_when_squares_appear_and_the_series_job_uses_it(stacks, tmp_path):
    root = stacks()
    table = make_config(root, steps=70, validation={"every_steps": 35})
    result = gc.train(table, tmp_path / "out")
    assert result.run["task"] == "series"
    assert result.scores["f1"] > 0.8
    model, card = load_series_checkpoint(result.checkpoint)
    assert (card.task, card.architecture, card.automatic) == ("series", "cnn-lstm", False)
    assert {m.name: m.value for m in card.metrics}["dated_within_one"] > 0.9
    assert card.training[0].terms == "made here"
    files = sorted((root / "s0").glob("20*.tif"))
    found = gc.detect_series(files, tmp_path / "map", model=result.checkpoint)
    assert found.run["method"]["architecture"] == model.recipe.name
    assert found.count > 0


def test_the_same_run_gives_the_same_bytes(stacks, tmp_path):
    table = make_config(stacks())
    for name in "ab":
        gc.train(table, tmp_path / name)
    for file in ("model.safetensors", "state.safetensors", "metrics.csv"):
        one, other = ((tmp_path / name / file).read_bytes() for name in "ab")
        assert one == other


def test_a_stack_without_labels_trains_on_exchanged_ground(stacks, tmp_path):
    root = stacks(1, labelled=False)
    table = make_config(root, data={"root": str(root), "train": [{"path": "s0"}], "folds": 2})
    result = gc.train(table, tmp_path / "out")
    assert result.run["training"]["scenes"] == ["s0"]
    assert result.run["validation"]["scenes"] == ["s0"]
    split = open_stacks(parse_config(table).data)
    windows = [part.scenes[0].window for part in (split.training, split.validation)]
    assert windows[0].intersect(windows[1]) is None
    assert split.is_separate


def test_the_command_trains_by_the_same_verb(stacks, tmp_path, capsys):
    config = tmp_path / "series.toml"
    config.write_text(
        f'steps = 2\n[data]\nroot = "{stacks()}"\n[[data.train]]\npath = "."\n'
        "[chips]\nsize_px = 16\nbatch_size = 2\n[series]\ndates = [3, 4]\n"
        "[compute]\nthreads = 1\n"
    )
    words = ["train", str(config), "--task", "series", "-o", str(tmp_path / "out"), "-q"]
    assert main(words) == 0
    assert "best at step 2 of 2" in capsys.readouterr().out


def test_settings_and_data_that_cannot_be_are_one_line(stacks, tmp_path):
    root = stacks(1)
    with pytest.raises(UsageError, match="'task' cannot be 'serie'; did you mean 'series'"):
        parse_config({"task": "serie"})
    with pytest.raises(UsageError, match="two rising numbers of dates"):
        parse_config({"task": "series", "series": {"dates": [9, 3]}})
    wrong = {
        "unknown network for series": {"model": {"name": "tinysiam"}},
        "networks for series begin with random weights": {
            "start": {"checkpoint": "building"},
            "model": {},
        },
        "must be 'fp32'": {"compute": {"precision": "bf16"}},
    }
    for message, more in wrong.items():
        with pytest.raises(UsageError, match=message):
            gc.train(make_config(root, **more), tmp_path / "out")
    for path, message in (("nowhere", "no such folder"), ("..", "no folder of dates")):
        data = {"root": str(root), "train": [{"path": path}]}
        with pytest.raises(InputError, match=message):
            gc.train(make_config(root, data=data), tmp_path / "out")
    for image in sorted((root / "s0").glob("20*.tif"))[2:]:
        image.unlink()
    with pytest.raises(InputError, match="has 2 dates"):
        gc.train(make_config(root), tmp_path / "out")
    assert not (tmp_path / "out").exists()
