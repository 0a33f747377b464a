"""A network learns from labelled tiles alone and is compared on tiles it has not seen."""

import json

import numpy as np
import pytest
import rasterio

from geochange.errors import InputError, OutputExistsError
from geochange.improvement import improve as module
from geochange.improvement import recipe
from geochange.improvement.comparing import count_run
from geochange.improvement.improve import improve
from geochange.improvement.material import write_scenes
from geochange.improvement.recipe import Recipe, count_steps, make_config
from geochange.nn.checkpoints.cardfile import read_card
from geochange.nn.normalization import FixedNormalization, Scaling
from geochange.pipeline import detect
from geochange.tiles import Window

from .conftest import cut

QUICK = Recipe(steps=24, chip_px=32, batch_size=4, validations=2)


def test_scenes_are_the_pair_and_its_labels(labelled, town, tmp_path):
    windows = [labelled.window(1), labelled.window(16)]
    source = write_scenes(labelled.pair, labelled.read_label, windows, tmp_path / "part")
    assert source["ignore"] == [255]
    folder = tmp_path / "part" / "192_192"
    with rasterio.open(folder / "after.tif") as dataset:
        assert dataset.descriptions == ("red", "green", "blue")
        assert dataset.transform * (0, 0) == (500384, 4999616)
        expected = labelled.pair.read_window(windows[1]).after
        np.testing.assert_array_equal(dataset.read(), expected)
    with rasterio.open(folder / "label.tif") as dataset:
        assert (dataset.read(1) == 255).all()
    with rasterio.open(tmp_path / "part" / "0_0" / "label.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), cut(town[2], windows[0]))


def test_a_network_learns_and_is_compared_with_the_run_so_far(labelled, town, tmp_path):
    run = detect(*town[:2], tmp_path / "run", method="cva", products=("score",), register="off",
                 threads=1)  # fmt: skip
    stages, figures = set(), []
    found = improve(
        labelled, tmp_path / "better", present=run, recipe=QUICK,
        on_progress=lambda stage, done, total: stages.add(stage),
        on_figures=lambda step, scores: figures.append((step, scores["f1"])),
    )  # fmt: skip
    assert not set(found.tiles) & set(found.held_out)
    assert sorted(found.tiles + found.held_out) == list(range(1, 13))
    assert [step for step, _ in figures] == [12, 24]
    assert found.f1 == pytest.approx(figures[-1][1], abs=0.15) or not found.learned
    assert {"reading labelled tiles", "train", "comparing"} <= stages
    windows = [labelled.window(number) for number in found.held_out]
    assert found.before_f1 == count_run(run, labelled.read_label, windows).best_f1
    assert found.before_f1 > 0.8
    assert found.better == (found.f1 >= found.before_f1)
    card = read_card(found.checkpoint)
    assert [band.name for band in card.bands_before] == ["red", "green", "blue"]
    assert not card.automatic
    content = json.loads((tmp_path / "better" / "improvement.json").read_text())
    assert content == found.describe()
    assert not (tmp_path / "better" / "material").exists()


def test_what_is_held_out_stays_held_out(labelled, tmp_path):
    first = improve(labelled, tmp_path / "1", recipe=QUICK)
    labelled.numbers[:] = labelled.numbers[:10]
    second = improve(labelled, tmp_path / "2", start=None, recipe=QUICK)
    assert set(second.held_out) == set(first.held_out) & set(labelled.numbers)
    assert (second.before_f1, second.better) == (None, True)


def test_too_few_labels_leave_nothing_behind(labelled, tmp_path):
    labelled.numbers[:] = [2, 4, 5]
    with pytest.raises(InputError, match="no changed pixel"):
        improve(labelled, tmp_path / "better", recipe=QUICK)
    assert not (tmp_path / "better").exists()


def test_other_files_are_not_overwritten(labelled, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(OutputExistsError, match="not empty"):
        improve(labelled, tmp_path / "mine", recipe=QUICK, overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_a_budget_in_seconds_becomes_steps():
    few = count_steps(Recipe(seconds=0.001), (3, 3), "tinysiam", {})
    more = count_steps(Recipe(seconds=1e6), (3, 3), "tinysiam", {})
    assert (few, more) == (20, 600)
    assert count_steps(Recipe(steps=7), (3, 3), "tinysiam", {}) == 7


def test_windows_without_labels_do_not_count(labelled):
    assert [t.number for t in labelled.survey()] == list(range(1, 13))
    assert labelled.read_label(Window(192, 192, 64, 64)).min() == 255
    assert module.RESULT == "improvement.json"


def test_tiles_are_measured_as_the_checkpoint_is_used_to(shelf, tmp_path, monkeypatch):
    bands = ("red", "green", "blue")
    scaling = Scaling((100.0,) * 3, (20.0,) * 3)
    fixed = shelf("fixed", bands, FixedNormalization(scaling, scaling))
    scene = shelf("scene", bands)
    monkeypatch.setattr(recipe, "FOLDER", fixed.parent)
    own = tmp_path / "own.safetensors"
    own.write_bytes(fixed.read_bytes())
    kinds = {}
    for start in (None, fixed, scene, own):
        config = make_config([], [], QUICK, start=start)
        kept = config["start"].get("normalization", "data")
        kinds[start] = config["data"]["normalization"], kept
    assert kinds == {
        None: ("date", "data"), fixed: ("date", "data"), scene: ("percentiles", "data"),
        own: ("date", "keep"),
    }  # fmt: skip


def test_a_start_that_learning_spoils_is_kept(labelled, tmp_path):
    first = improve(labelled, tmp_path / "1", recipe=Recipe(steps=60, chip_px=32, batch_size=4))
    start = tmp_path / "1" / "model.safetensors"
    assert first.f1 > 0.5
    spoiled = Recipe(steps=3, chip_px=32, batch_size=4, learning_rate=1.0, frozen_stages=0)
    found = improve(labelled, tmp_path / "2", start=start, recipe=spoiled)
    assert not found.learned
    assert found.f1 == pytest.approx(first.f1, abs=0.02)
    assert (tmp_path / "2" / "model.safetensors").read_bytes() == start.read_bytes()
    assert "did not help" in str(found)


def test_a_network_is_judged_as_detection_shows_it(labelled, town, tmp_path):
    quick = improve(labelled, tmp_path / "1", recipe=QUICK)
    run = detect(*town[:2], tmp_path / "run", model=quick.checkpoint, products=("score",),
                 register="off", normalize="off", threads=1)  # fmt: skip
    windows = [labelled.window(number) for number in quick.held_out]
    seen = count_run(run, labelled.read_label, windows)
    assert quick.f1 == pytest.approx(seen.best_f1, abs=1e-3)
    assert quick.average_precision == pytest.approx(seen.average_precision, abs=1e-3)
