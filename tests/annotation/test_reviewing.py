"""The review pass: by somebody else, with a word when sent back, read-only until reopened."""

import sqlite3

import pytest

from geochange.annotation.database import Database
from geochange.annotation.opening import open_project
from geochange.annotation.refusals import RefusedError
from geochange.annotation.views import list_history, measure_progress

from .conftest import annotation, edit, tile_op


@pytest.fixture
def desk(project):
    """Save edits without counting revisions: ``desk(who, op, ..., kind=...)``."""

    def save(who, *ops, kind="tile", **more):
        revs = dict(project.database.read().execute("SELECT id, rev FROM tile").fetchall())
        base = {str(op["tile"] if "tile" in op else op["id"]): 0 for op in ops}
        base = {tile: revs[int(tile)] for tile in base}
        content = edit(list(ops), base, kind, **more)
        project.save(content, who, reviewer=who in ("carl", "dora"))
        return content

    save.project = project
    return save


def tile(desk, number=1):
    row = desk.project.database.read().execute("SELECT * FROM tile WHERE id = ?", (number,))
    return dict(row.fetchone())


def labelled(desk, who="ann"):
    desk(who, annotation(1, "a"), tile_op(1, "labelled"))


def test_a_reviewer_approves_and_the_verdict_stays(desk):
    labelled(desk)
    desk("carl", tile_op(1, "labelled", review="approved"), kind="approve")
    found = tile(desk)
    assert (found["state"], found["review"], found["author"]) == ("labelled", "approved", "ann")
    assert measure_progress(desk.project.database)["reviews"] == {"approved": 1}
    assert measure_progress(desk.project.database)["annotators"] == {"ann": 1}


@pytest.mark.parametrize(
    ("state", "more"),
    [("labelled", {"review": "approved"}), ("labelled", {"review": "fixed"}),
     ("returned", {"remark": "no"})],
)  # fmt: skip
def test_nobody_reviews_what_they_labelled_themselves(desk, state, more):
    labelled(desk, "carl")
    with pytest.raises(RefusedError, match="labelled by carl; somebody else") as refused:
        desk("carl", tile_op(1, state, **more), kind="approve")
    assert refused.value.status == 403
    assert tile(desk)["review"] == ""


def test_who_only_drew_in_it_may_not_approve_it_either(desk):
    desk("carl", annotation(1, "a"), kind="draw")
    desk("ann", tile_op(1, "labelled"))
    with pytest.raises(RefusedError, match="labelled by carl"):
        desk("carl", tile_op(1, "labelled", review="approved"), kind="approve")
    desk("dora", tile_op(1, "labelled", review="approved"), kind="approve")


def test_who_is_no_reviewer_may_not_review(desk):
    labelled(desk)
    for more in ({"review": "approved"}, {"remark": "hm"}):
        with pytest.raises(RefusedError, match="only a reviewer") as refused:
            desk("bob", tile_op(1, "labelled", **more), kind="approve")
        assert refused.value.status == 403


def test_what_is_not_labelled_cannot_be_approved(desk):
    with pytest.raises(RefusedError, match="not labelled yet"):
        desk("carl", tile_op(1, "labelled", review="approved"), kind="approve")


def test_sent_back_with_a_word_and_labelled_again(desk):
    labelled(desk)
    with pytest.raises(RefusedError, match="say in a comment why"):
        desk("carl", tile_op(1, "returned", remark="  "), kind="return")
    desk("carl", tile_op(1, "returned", remark="the shed is missing"), kind="return")
    assert measure_progress(desk.project.database)["states"]["returned"] == 1
    desk("ann", annotation(1, "b"), kind="draw")
    desk("ann", tile_op(1, "labelled", remark="the shed is missing"))
    desk("carl", tile_op(1, "labelled", review="approved", remark=""), kind="approve")
    assert tile(desk)["author"] == "ann"


def test_a_reviewer_fixes_and_signs_it_as_fixed(desk):
    labelled(desk)
    desk("carl", annotation(1, "a", note="smaller"), kind="edit")
    with pytest.raises(RefusedError, match="counts as fixed"):
        desk("carl", tile_op(1, "labelled", review="approved"), kind="approve")
    desk("carl", tile_op(1, "labelled", review="fixed"), kind="fix")
    assert tile(desk)["author"] == "ann"
    with pytest.raises(RefusedError, match="is done"):
        desk("carl", annotation(1, "a"), kind="edit")
    desk("carl", tile_op(1, "labelled"), kind="reopen")
    assert tile(desk)["review"] == ""


def test_done_tiles_are_read_only_until_reopened_and_that_is_logged(desk):
    labelled(desk)
    for ops in ([annotation(1, "a")], [tile_op(1, "unsure")]):
        with pytest.raises(RefusedError, match="open it again"):
            desk("ann", *ops, kind="edit")
    desk("ann", tile_op(1, "labelled", note="a note is no change", flag=1), kind="note")
    desk("ann", tile_op(1, "todo"), kind="reopen")
    desk("ann", annotation(1, "a", note="x"), kind="edit")
    assert "reopen" in [e["kind"] for e in list_history(desk.project.database, "ann")["undo"]]


def test_only_a_reviewer_opens_an_approved_tile_again(desk):
    labelled(desk)
    desk("carl", tile_op(1, "labelled", review="approved"), kind="approve")
    with pytest.raises(RefusedError, match="only a reviewer can open"):
        desk("ann", tile_op(1, "todo"), kind="reopen")
    desk("carl", tile_op(1, "todo"), kind="reopen")
    assert tile(desk)["state"] == "todo"


def test_undo_and_redo_do_not_make_another_the_author(desk):
    labelled(desk)
    sent = desk("carl", tile_op(1, "returned", remark="look"), kind="return")
    desk("carl", tile_op(1, "labelled"), kind="undo", undoes=sent["uuid"])
    assert tile(desk)["author"] == "ann"
    desk("carl", tile_op(1, "labelled", review="approved"), kind="approve")


def test_a_project_of_the_first_format_is_brought_up(folder):
    db = sqlite3.connect(folder / "project.db")
    db.executescript("DROP INDEX tile_probe; DROP INDEX op_tile; DROP TABLE truth")
    for name in ("author", "review", "remark", "probe_of"):
        db.execute(f"ALTER TABLE tile DROP COLUMN {name}")
    db.execute("UPDATE tile SET state = 'no_change', annotator = 'ann' WHERE id = 2")
    db.execute("PRAGMA user_version=1")
    db.commit()
    db.close()
    project = open_project(folder)
    assert measure_progress(project.database)["annotators"] == {"ann": 1}
    project.close()
    assert Database(folder / "project.db").read().execute("PRAGMA user_version").fetchone()[0] == 2
