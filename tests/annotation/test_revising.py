"""Runs are fused, refined and given a threshold without leaving the tool; verdicts stay."""

import warnings

import numpy as np
import pytest

from geochange.annotation.app import make_app
from geochange.annotation.revising import UNTAUGHT, measure_labels, start_fusion
from geochange.annotation.views import find_features
from geochange.maps.changemap import open_map
from geochange.pipeline import detect
from geochange.revision.tune import tune_threshold

from .conftest import SQUARES
from .test_improving import EVERYTHING, label_tiles, snapshot

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    TestClient = pytest.importorskip("starlette.testclient").TestClient


@pytest.fixture(scope="session")
def second_run(pair, tmp_path_factory):
    """A run by another method on the same pair."""
    folder = tmp_path_factory.mktemp("second") / "log-ratio"
    return detect(*pair, folder, method="log-ratio", register="off", threads=1, threshold=0.1).path


@pytest.fixture
def client(project):
    app = make_app(project, tokens={"secret": "ann"})
    head = {"X-Geochange-Token": "secret"}
    return TestClient(app, base_url="http://127.0.0.1:8000", headers=head)


@pytest.fixture
def both(project, second_run):
    project.add_run(second_run)
    return project


def end(project, reply):
    """Wait for the job of a reply and return it."""
    assert reply.status_code == 200, reply.text
    project.jobs.wait()
    [job] = [job for job in project.jobs.list() if job["id"] == reply.json()["id"]]
    return job


def test_runs_are_fused_into_a_new_one(both, client):
    label_tiles(both, {1: "labelled", 2: "no_change"})
    before = snapshot(both)
    job = end(both, client.post("/api/fusion", json={"runs": [2, 1], "rule": "mean"}))
    assert (job["state"], job["message"]) == ("done", "3 candidates by mean of log-ratio, cva")
    assert snapshot(both) == before
    newest, *_ = both.describe()["runs"]
    assert (newest["id"], newest["candidates"], newest["left_out"]) == (3, 3, 1)
    result = open_map(both.folder / "runs" / "001-fuse")
    assert result.run["kind"] == "fuse"
    assert {"score", "mask"} <= set(result.layers)
    assert [run["method"]["name"] for run in result.run["runs"]] == ["log-ratio", "cva"]
    assert client.get("/api/score/3/0/0/0").status_code == 200


def test_a_run_is_refined_into_a_new_one(project, client):
    job = end(project, client.post("/api/refinement", json={"run": 1, "method": "superpixels"}))
    assert (job["state"], job["message"].partition(" by ")[2]) == ("done", "cva, superpixels")
    assert project.result(2).run["kind"] == "refine"
    assert len(find_features(project.database, EVERYTHING, 2)["candidates"]) == len(SQUARES)
    job = end(project, client.post("/api/refinement", json={"run": 2}))
    assert project.result(3).path.name == "002-refine"
    assert job["message"].endswith("by cva, superpixels, guided")


def test_a_fusion_that_fails_or_is_stopped_leaves_nothing(both, monkeypatch):
    (both.result(2).path / "score.tif").rename(both.folder / "away.tif")
    try:
        job = start_fusion(both, [1, 2])
        both.jobs.wait()
    finally:
        (both.folder / "away.tif").rename(both.result(2).path / "score.tif")
    assert job.state == "failed"
    assert "\n" not in job.message
    monkeypatch.setattr("geochange.annotation.revising.KIND", "stopped")
    job = start_fusion(both, [1, 2])
    job.stop.set()
    both.jobs.wait()
    assert job.state == "stopped"
    assert not list((both.folder / "runs").iterdir())
    assert len(both.describe()["runs"]) == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("fusion", {"runs": [1]}, 400, "2 to 20 runs, each once, got 1"),
        ("fusion", {"runs": [1, 1]}, 400, "each once"),
        ("fusion", {"runs": [1, 7]}, 404, "no such run"),
        ("fusion", {"runs": "1,2"}, 400, "a list of numbers"),
        ("fusion", {"runs": [1, "../2"]}, 400, "not a whole number"),
        ("fusion", {"runs": [1, 2], "rule": "meen"}, 400, "did you mean 'mean'"),
        ("fusion", {"runs": [1, 2], "rule": "stacking"}, 400, "no rule 'stacking' here"),
        ("refinement", {"run": 9}, 404, "no such run"),
        ("refinement", {"run": 1, "method": "guide"}, 400, "did you mean 'guided'"),
        ("threshold", {}, 400, "not a whole number"),
        ("threshold", {"run": 1, "precision": "high"}, 400, "not a number"),
        ("threshold", {"run": 1, "precision": 1.5}, 422, "at most 1"),
        ("threshold", {"run": 1, "precision": 0.9, "recall": 0.9}, 422, "exclude each other"),
        ("threshold", {"run": 1, "precision": 0.9}, 422, "the labels has no unchanged pixel"),
    ],
)
def test_what_cannot_be_is_refused_at_once(both, client, path, body, status, said):
    reply = client.post(f"/api/{path}", json=body)
    assert (reply.status_code, said in reply.json()["error"]) == (status, True), reply.text
    assert both.jobs.list() == []
    assert len(both.describe()["runs"]) == 2


def test_the_threshold_is_what_the_mask_of_the_labels_asks_for(project, client, tmp_path):
    from geochange.annotation.labels import read_labels
    from geochange.errors import DataWarning
    from geochange.labels.mask import write_mask

    label_tiles(project)
    found = client.post("/api/threshold", json={"run": 1, "precision": 0.9}).json()
    mask = write_mask(read_labels(project), tmp_path / "labels.tif", binary=True)
    with pytest.warns(DataWarning):
        tuned = tune_threshold(project.result(1), mask, precision=0.9, threads=1)
    assert found["threshold"] == tuned.threshold
    assert found["precision"] == tuned.chosen.precision >= 0.9
    assert found["recall_interval"] == list(tuned.chosen.recall_interval)
    assert found["pixels"] == list(tuned.pixels)
    assert np.all(np.diff([found["precision_interval"]]) >= 0)
    assert "most recall at a precision of 0.9" in found["goal"]
    assert any("few labels" in doubt for doubt in found["doubts"])


def test_tiles_that_a_model_chose_are_told(project):
    label_tiles(project)
    with project.database.write() as db:
        db.execute("UPDATE tile SET reason = 'random'")
    assert not any("model" in doubt for doubt in measure_labels(project, 1)["doubts"])
    with project.database.write() as db:
        db.execute("UPDATE tile SET reason = 'uncertainty' WHERE id IN (1, 2, 5)")
    [said] = [doubt for doubt in measure_labels(project, 1)["doubts"] if "model" in doubt]
    assert said.startswith("2 of the tiles that were looked at")  # tile 5 waits still


def test_the_page_offers_the_rules_that_there_are():
    from pathlib import Path

    import geochange.annotation
    from geochange.revision.refine import METHODS

    folder = Path(geochange.annotation.__file__).parent / "static"
    code = (folder / "app.js").read_text(encoding="utf-8")
    for name in (*UNTAUGHT, *METHODS):
        assert f"{name}:" in code or f'"{name}":' in code
