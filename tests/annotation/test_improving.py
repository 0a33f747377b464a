"""A14: the model learns from the labels; verdicts stay, candidates come as a new run."""

import json
import subprocess
import sys
import time

import pytest

from geochange.annotation import improving
from geochange.annotation.improving import (
    describe_improvement,
    list_improvements,
    start_improvement,
    use_improvement,
    write_every,
)
from geochange.annotation.labels import read_labels
from geochange.annotation.learning import collect, labelled_tiles, learn
from geochange.annotation.refusals import RefusedError
from geochange.annotation.views import find_features, list_tiles
from geochange.cli import main
from geochange.errors import InputError
from geochange.improvement.recipe import Recipe

from .conftest import SHAPE, SQUARES, annotation, edit, tile_op

EVERYTHING = (0, 0, SHAPE[1], SHAPE[0])
SEEN = {1: "labelled", 3: "labelled", 4: "labelled", 2: "no_change", 6: "unsure"}
QUICK = Recipe(steps=12, chip_px=32, batch_size=4, validations=1)


def label_tiles(project, states=None):
    """Accept the candidates of the tiles and say what is in them."""
    for number, state in (states or SEEN).items():
        found = [
            one for one in find_features(project.database, EVERYTHING)["candidates"]
            if one["tile"] == number
        ]  # fmt: skip
        ops = [
            annotation(number, f"a{one['id']}", geom=one["geom"], candidate=one["id"],
                       source="model")
            for one in found
        ]  # fmt: skip
        project.save(edit([*ops, tile_op(number, state)], {str(number): 0}, "tile"), "ann")


@pytest.fixture
def labelled(project):
    label_tiles(project)
    return project


def test_labels_are_what_people_are_done_with(labelled):
    found = collect(labelled)
    assert labelled_tiles(labelled) == [1, 2, 3, 4] == list(found.numbers)
    whole = found.read_label(labelled.plan[0].core)
    row, col, size = SQUARES[0]
    assert abs(int((whole == 1).sum()) - size**2) < 0.1 * size**2
    assert whole[row + 4, col + 4] == 1
    assert set(whole.ravel().tolist()) == {0, 1}
    assert (found.read_label(labelled.plan[1].core) == 0).all()
    for unseen in (4, 5):  # tiles 5 and 6: nobody looked, and nobody was sure
        assert (found.read_label(labelled.plan[unseen].core) == 255).all()


def test_learning_compares_with_the_newest_run(labelled, tmp_path):
    found = learn(labelled, tmp_path / "better", recipe=QUICK)
    assert sorted(found.tiles + found.held_out) == [1, 2, 3, 4]
    assert found.before_f1 > 0.8
    assert found.start.endswith(".safetensors")  # bands of the samples are on the shelf


def test_the_offer_comes_after_so_many_new_tiles(labelled):
    facts = describe_improvement(labelled)
    assert (facts["labelled"], facts["fresh"], facts["every"], facts["offer"]) == (4, 4, 20, False)
    write_every(labelled, 4)
    assert describe_improvement(labelled)["offer"]
    keep_model(labelled, better=True, tiles=[1, 2], held_out=[3])
    assert describe_improvement(labelled)["fresh"] == 1
    for wrong in (0, "4", 1.5, True, None):
        with pytest.raises(RefusedError):
            write_every(labelled, wrong)


def keep_model(project, *, better, tiles=(1, 2), held_out=(3, 4), checkpoint="gone.safetensors"):
    """Put a model there as training leaves it."""
    folder = project.folder / "models" / "001"
    folder.mkdir(parents=True)
    facts = {"checkpoint": checkpoint, "f1": 0.5 + 0.4 * better, "before_f1": 0.7,
             "better": better, "tiles": list(tiles), "held_out": list(held_out)}  # fmt: skip
    (folder / "improvement.json").write_text(json.dumps(facts))


def test_too_few_tiles_are_refused_at_once(project):
    with pytest.raises(RefusedError, match="0 tiles are labelled; the model needs 4"):
        start_improvement(project)
    with pytest.raises(RefusedError, match="no improved model 7"):
        use_improvement(project, 7)


def snapshot(project):
    """Return all that people said."""
    labels = read_labels(project)
    found = find_features(project.database, EVERYTHING)["annotations"]
    states = {tile["id"]: (tile["state"], tile["rev"]) for tile in list_tiles(project.database)}
    return found, states, len(labels.polygons)


@pytest.mark.slow
def test_the_model_learns_in_a_process_of_its_own(labelled, monkeypatch):
    before = snapshot(labelled)
    monkeypatch.setattr(improving, "is_better", lambda found: True)
    old = find_features(labelled.database, EVERYTHING, 1)["candidates"]
    job = start_improvement(labelled, seconds=4)
    said = set()
    while job.state == "running":
        said.add(job.stage)
        time.sleep(0.05)
    assert job.state == "done", job.message
    assert any(stage.startswith("step ") for stage in said)
    assert "candidates by labels 1; F1" in job.message
    assert snapshot(labelled) == before
    runs = labelled.describe()["runs"]
    assert [(run["id"], run["name"]) for run in runs] == [(2, "labels 1"), (1, "cva")]
    assert runs[0]["weights"] != runs[1]["weights"]
    assert find_features(labelled.database, EVERYTHING, 1)["candidates"] == old
    fresh = find_features(labelled.database, EVERYTHING)["candidates"]
    assert not {one["tile"] for one in fresh} & set(SEEN)
    [found] = list_improvements(labelled)
    assert found["number"] == 1
    assert not set(found["tiles"]) & set(found["held_out"])
    assert json.loads((labelled.folder / "held_out.json").read_text())["places"]


@pytest.mark.slow
def test_a_worse_model_is_kept_back_until_told(labelled, monkeypatch):
    monkeypatch.setattr(improving, "is_better", lambda found: False)
    job = start_improvement(labelled, seconds=1)
    labelled.jobs.wait()
    assert job.state == "done", job.message
    assert "worse on the" in job.message
    assert [run["id"] for run in labelled.describe()["runs"]] == [1]
    job = use_improvement(labelled, 1)
    labelled.jobs.wait()
    assert job.state == "done", job.message
    assert [run["id"] for run in labelled.describe()["runs"]] == [2, 1]
    assert describe_improvement(labelled)["last"]["used"]


@pytest.mark.slow
def test_stopping_ends_the_process_and_leaves_nothing(labelled):
    job = start_improvement(labelled, seconds=600)
    while job.stage in ("", "starting"):
        time.sleep(0.05)
    labelled.jobs.stop(job.id)
    started = time.monotonic()
    labelled.jobs.wait()
    assert time.monotonic() - started < 60
    assert job.state == "stopped"
    assert list_improvements(labelled) == []
    assert not list((labelled.folder / "models").iterdir())


@pytest.mark.slow
def test_the_process_ends_with_whoever_started_it(labelled, tmp_path):
    command = [sys.executable, "-m", "geochange", "finetune", "--piped", "--seconds", "600"]
    command += ["--from-labels", str(labelled.folder), "-o", str(tmp_path / "out")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert json.loads(process.stdout.readline())["stage"] == "reading labelled tiles"
        process.stdin.close()
        assert process.wait(20) == 130


def test_labels_without_enough_change_fail_with_one_line(project):
    label_tiles(project, {1: "labelled", 2: "no_change", 6: "no_change", 7: "no_change"})
    with pytest.raises(InputError, match="label change in two tiles"):
        learn(project, project.folder / "models" / "001", recipe=QUICK)
    assert not (project.folder / "models" / "001").exists()


def test_a_rejected_place_is_not_offered_again(labelled, run):
    [one] = [
        c for c in find_features(labelled.database, EVERYTHING)["candidates"] if c["tile"] == 5
    ]
    op = annotation(5, "no", geom=one["geom"], candidate=one["id"], verdict="rejected",
                    source="model")  # fmt: skip
    labelled.save(edit([op], {"5": 0}, "reject"), "ann")
    labelled.add_run(run, "again")
    assert find_features(labelled.database, EVERYTHING)["candidates"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give CHECKPOINT and CONFIG, or --from-labels"),
        (["a.safetensors", "b.toml", "-m", "building"], "go with --from-labels"),
        (["--from-labels", "labels.gcproj"], "-o OUT"),
        (["a.safetensors", "--from-labels", "labels.gcproj", "-o", "x"], "takes the place of"),
    ],
)
def test_the_command_says_what_it_needs(words, said, capsys):
    assert main(["finetune", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_learns_from_a_project(labelled, tmp_path, capsys):
    words = ["--from-labels", str(labelled.folder), "-m", "structures", "--seconds", "1"]
    assert main(["finetune", *words, "-o", str(tmp_path / "better"), "-q"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == str(tmp_path / "better" / "model.safetensors")
    assert said[1].startswith("F1 ")
    assert "learned from" in said[1]
    assert main(["finetune", *words, "-o", str(tmp_path / "better"), "-q"]) == 5
    assert "--overwrite" in capsys.readouterr().err


def test_blind_copies_of_tiles_teach_nothing(labelled):
    with labelled.database.write() as db:
        db.execute(
            "INSERT INTO tile(pair_id, col, row, width, height, state, probe_of, assigned_to)"
            " VALUES (1, 0, 0, 128, 128, 'labelled', 1, 'bob')"
        )
    assert labelled_tiles(labelled) == [1, 2, 3, 4]
