"""Candidates come from runs, and never touch what people have judged."""

import shapely
from shapely.geometry import shape

from geochange.annotation.views import find_features, list_tiles

from .conftest import SHAPE, SQUARES, annotation, edit

EVERYTHING = (0, 0, SHAPE[1], SHAPE[0])


def candidates(project, run=None):
    return find_features(project.database, EVERYTHING, run)["candidates"]


def test_the_polygons_of_the_run_are_candidates(project):
    found = candidates(project)
    assert len(found) == len(SQUARES)
    boxes = [shapely.box(c, r, c + s, r + s) for r, c, s in SQUARES]
    for one in found:
        polygon = shape(one["geom"])
        assert polygon.is_valid
        assert max(polygon.intersection(b).area / polygon.union(b).area for b in boxes) > 0.9
        assert len(polygon.exterior.coords) <= 30
        assert 0.5 <= one["score"] <= one["score_max"] <= 1
    tiles = {tile["id"]: tile for tile in list_tiles(project.database)}
    for one in found:
        box = tiles[one["tile"]]
        middle = shape(one["geom"]).representative_point()
        assert 0 <= middle.x - box["col"] <= box["width"]
        assert 0 <= middle.y - box["row"] <= box["height"]


def test_a_new_run_leaves_verdicts_as_they_are(project, run):
    accepted, rejected, *_ = candidates(project)
    ops = [
        annotation(one["tile"], f"cand-{one['id']}", geom=one["geom"], candidate=one["id"],
                   source="model", verdict=verdict)
        for one, verdict in ((accepted, "accepted"), (rejected, "rejected"))
    ]  # fmt: skip
    base = {str(one["tile"]): 0 for one in (accepted, rejected)}
    project.save(edit(ops, base, "accept"), "ann")
    before = find_features(project.database, EVERYTHING)["annotations"]
    number = project.add_run(run, "again")
    after = find_features(project.database, EVERYTHING)["annotations"]
    assert after == before
    assert number == 2
    fresh = candidates(project)
    assert len(fresh) == len(SQUARES) - 2
    assert {one["id"] for one in fresh}.isdisjoint({accepted["id"], rejected["id"]})
    row = project.database.read().execute("SELECT * FROM model_run WHERE id=2").fetchone()
    assert (row["name"], row["candidates"], row["left_out"]) == ("again", 2, 2)
    assert len(candidates(project, run=1)) == len(SQUARES) - 2


def test_detection_in_the_background_adds_candidates(project):
    job = project.start_detection(method="cva", threshold=0.5)
    project.jobs.wait()
    assert (job.state, job.message) == ("done", f"{len(SQUARES)} candidates by cva")
    assert project.result(2).path.parent == project.folder / "runs"


def test_a_detection_that_fails_says_why(project):
    job = project.start_detection(method="cva", options={"misspelt": 1})
    project.jobs.wait()
    assert job.state == "failed"
    assert "misspelt" in job.message
    assert len(candidates(project)) == len(SQUARES)


def test_a_detection_can_be_stopped(project):
    started = project.jobs.start("prelabels", _work_until_stopped)
    project.jobs.stop(started.id)
    project.jobs.wait()
    assert started.state == "stopped"


def _work_until_stopped(job):
    while True:
        job.report("score", 1, 2)
