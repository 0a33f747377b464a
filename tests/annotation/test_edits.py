"""Saving: once, whole, and only onto the state that was known."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import shapely
from shapely.geometry import shape

from geochange.annotation.leases import end_lease, take_lease
from geochange.annotation.refusals import RefusedError
from geochange.annotation.views import find_features, list_history, measure_progress

from .conftest import SHAPE, annotation, edit, square, tile_op

EVERYTHING = (0, 0, SHAPE[1], SHAPE[0])


def labels(project):
    return {a["id"]: a for a in find_features(project.database, EVERYTHING)["annotations"]}


def revision(project, tile):
    return project.database.read().execute("SELECT rev FROM tile WHERE id=?", (tile,)).fetchone()[0]


def test_an_edit_is_stored_with_who_when_and_how(project):
    reply = project.save(edit([annotation(1, "a", note="roof")], {"1": 0}), "ann")
    assert reply["revs"] == {1: 1}
    row = project.database.read().execute("SELECT * FROM annotation WHERE id='a'").fetchone()
    assert (row["annotator"], row["source"], row["view_mode"]) == ("ann", "manual", "swipe")
    assert (row["schema_version"], row["seconds"], row["note"]) == (1, 1.5, "roof")
    assert labels(project)["a"]["geom"] == square(20, 20)


def test_the_same_edit_twice_is_saved_once(project):
    content = edit([annotation(1, "a")], {"1": 0})
    assert project.save(content, "ann") == project.save(content, "ann")
    assert revision(project, 1) == 1
    other = content | {"ops": [annotation(1, "b")]}
    with pytest.raises(RefusedError, match="another content") as refused:
        project.save(other, "ann")
    assert refused.value.status == 409
    with pytest.raises(RefusedError, match="another content"):
        project.save(content, "bob")


def test_sixteen_racing_writers_one_wins(project):
    def save(number):
        try:
            return project.save(edit([annotation(2, f"a{number}")], {"2": 0}), "ann")
        except RefusedError as error:
            return error

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(save, range(16)))
    refused = [f for f in found if isinstance(f, RefusedError)]
    assert len(refused) == 15
    assert {e.status for e in refused} == {409}
    assert all(e.facts["revs"] == {2: 1} for e in refused)
    assert len(labels(project)) == 1


def test_a_clash_tells_the_state_that_is(project):
    project.save(edit([annotation(1, "a")], {"1": 0}), "ann")
    with pytest.raises(RefusedError, match="changed meanwhile") as refused:
        project.save(edit([annotation(1, "a", note="mine")], {"1": 0}), "bob")
    facts = refused.value.facts
    assert facts["states"]["annotation:a"]["note"] == ""
    assert facts["by"] == "ann"


def test_an_edit_is_whole_or_not_at_all(project):
    ops = [annotation(1, "a"), annotation(1, "b", candidate=10**6)]
    with pytest.raises(RefusedError, match="no candidate"):
        project.save(edit(ops, {"1": 0}), "ann")
    assert labels(project) == {}
    assert revision(project, 1) == 0
    assert project.database.read().execute("SELECT count(*) FROM op").fetchone()[0] == 0


def test_deleting_leaves_the_row_and_undo_brings_it_back(project):
    first = project.save(edit([annotation(1, "a")], {"1": 0}), "ann")
    gone = edit([annotation(1, "a") | {"after": None}], first["revs"], "delete")
    project.save({**gone, "base": {"1": 1}}, "ann")
    assert labels(project) == {}
    history = list_history(project.database, "ann")
    assert [e["kind"] for e in history["undo"]] == ["draw", "delete"]
    before = history["undo"][-1]["ops"][0]["before"]
    back = edit([{**annotation(1, "a"), "after": before}], {"1": 2}, "undo", undoes=gone["uuid"])
    project.save(back, "ann")
    assert labels(project)["a"]["geom"] == square(20, 20)
    history = list_history(project.database, "ann")
    assert [e["kind"] for e in history["undo"]] == ["draw"]
    assert [e["kind"] for e in history["redo"]] == ["delete"]


def test_somebody_elses_tile_is_locked_until_given_back(project):
    take_lease(project.database, 1, "bob", "page")
    with pytest.raises(RefusedError, match="held by bob") as refused:
        project.save(edit([annotation(1)], {"1": 0}), "ann")
    assert refused.value.status == 423
    with pytest.raises(RefusedError, match="held by bob"):
        take_lease(project.database, 1, "ann", "other")
    end_lease(project.database, 1, "bob", "page")
    project.save(edit([annotation(1)], {"1": 0}), "ann")


def test_ones_own_second_page_takes_a_lease_over(project):
    assert not take_lease(project.database, 1, "ann", "one")["taken_over"]
    assert take_lease(project.database, 1, "ann", "two")["taken_over"]
    kinds = project.database.read().execute("SELECT kind FROM event").fetchall()
    assert [row[0] for row in kinds] == ["lease"]


def test_a_tile_that_is_done_must_be_opened_first(project):
    project.save(edit([tile_op(1, "no_change")], {"1": 0}, "tile"), "ann")
    with pytest.raises(RefusedError, match="is done"):
        project.save(edit([annotation(1)], {"1": 1}), "ann")
    both = [annotation(1, "a"), tile_op(1, "todo")]
    project.save(edit(both, {"1": 1}), "ann")
    assert list(labels(project)) == ["a"]


def test_no_change_where_change_is_marked_is_refused(project):
    project.save(edit([annotation(1, "a")], {"1": 0}), "ann")
    with pytest.raises(RefusedError, match="1 accepted labels"):
        project.save(edit([tile_op(1, "no_change")], {"1": 1}, "tile"), "ann")
    ops = [annotation(1, "a", verdict="rejected"), tile_op(1, "no_change")]
    project.save(edit(ops, {"1": 1}, "tile"), "ann")
    assert measure_progress(project.database)["states"]["no_change"] == 1


def test_geometry_is_repaired_and_kept_inside(project):
    bow = {"type": "Polygon", "coordinates": [[[-9, 0], [9, 9], [9, 0], [-9, 9], [-9, 0]]]}
    reply = project.save(edit([annotation(1, "a", geom=bow)], {"1": 0}), "ann")
    stored = shape(reply["states"][0]["geom"])
    assert stored.is_valid
    assert shapely.box(0, 0, SHAPE[1], SHAPE[0]).covers(stored)
    assert labels(project)["a"]["geom"] == reply["states"][0]["geom"]


@pytest.mark.parametrize(
    "wrong",
    [
        None, [], {"uuid": "../x"}, {"kind": "drop"}, {"ops": []}, {"ops": "all"}, {"ops": [7]},
        {"ops": [{"target": "meta", "id": "x"}]}, {"base": {"one": 0}}, {"base": {"1": -1}},
        {"ops": [{"target": "tile", "id": "1; DROP TABLE tile", "after": {}}]},
        {"ops": [annotation(999)]}, {"ops": [annotation(1, **{"class": 99})]},
        {"ops": [annotation(1, verdict="maybe")]}, {"ops": [annotation(1, extra=1)]},
        {"ops": [annotation(1, geom=None)]}, {"ops": [annotation(1, note="x" * 3000)]},
        {"ops": [annotation(1, geom={"type": "Point", "coordinates": [1, 2]})]},
        {"ops": [annotation(1, geom={"type": "Polygon", "coordinates": [[[1, 2]]]})]},
        {"ops": [annotation(1, geom={"type": "Polygon", "coordinates": [[[1, "2"]]]})]},
        {"ops": [annotation(1, geom=square(5000, 5000))]},
        {"ops": [annotation(1, geom=square(1, 1, 0))]},
        {"ops": [tile_op(1, "finished")]}, {"ops": [tile_op(1, "todo", dx="far")]},
        {"seconds": float("nan")},
    ],
)  # fmt: skip
def test_what_makes_no_sense_changes_nothing(project, wrong):
    content = wrong if not isinstance(wrong, dict) else edit([annotation(1)], {"1": 0}) | wrong
    with pytest.raises(RefusedError) as refused:
        project.save(content, "ann")
    assert refused.value.status in (409, 422)
    assert labels(project) == {}


def test_many_random_edits_and_their_undoing_end_where_they_began(project):
    rng = random.Random(4)
    start, revs, done = labels(project), {1: 0, 2: 0}, []
    for number in range(40):
        tile = rng.choice((1, 2))
        given = rng.choice([o["id"] for e in done for o in e["ops"]] or ["n"])
        known = labels(project).get(given)
        op = annotation(known["tile"], given) if known else annotation(tile, f"n{number}")
        op["after"] = None if known and rng.random() < 0.4 else op["after"] | {"note": str(number)}
        content = edit([op], {str(op["tile"]): revs[op["tile"]]}, "edit")
        revs |= project.save(content, "ann")["revs"]
        done.append(content)
    for step in reversed(list_history(project.database, "ann")["undo"]):
        ops = [{"target": o["target"], "id": o["id"], "tile": o["tile"], "after": o["before"]}
               for o in reversed(step["ops"])]  # fmt: skip
        base = {str(o["tile"]): revs[o["tile"]] for o in ops}
        revs |= project.save(edit(ops, base, "undo", undoes=step["uuid"]), "ann")["revs"]
    assert labels(project) == start
    assert len(list_history(project.database, "ann")["redo"]) == 40
