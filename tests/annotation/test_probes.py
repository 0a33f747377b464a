"""Honeypots: unseen by who is asked, never among the labels, measured by hand-checked numbers."""

import geopandas
import pytest
import shapely

from geochange.annotation.copying import copy_project
from geochange.annotation.importing import import_labels
from geochange.annotation.labels import read_labels
from geochange.annotation.leases import take_lease
from geochange.annotation.opening import open_project
from geochange.annotation.people import measure_people
from geochange.annotation.probes import offer_probe, set_rate
from geochange.annotation.refusals import RefusedError
from geochange.annotation.truths import import_truth
from geochange.annotation.views import find_features, list_notes, list_tiles, measure_progress
from geochange.errors import UsageError
from geochange.labels.conversion import export
from geochange.maps.polygons import to_world

from .conftest import SHAPE, annotation, edit, square, tile_op

EVERYTHING = (0, 0, SHAPE[1], SHAPE[0])
REFERENCE = square(20, 20, 40)
ANSWER = square(20, 30, 40)


def do(project, who, number, state, *ops, **more):
    """Save one edit in a tile by whoever."""
    rev = project.database.read().execute("SELECT rev FROM tile WHERE id = ?", (number,))
    content = edit([*ops, tile_op(number, state, **more)], {str(number): rev.fetchone()[0]},
                   "approve" if more else "tile")  # fmt: skip
    project.save(content, who, reviewer=who == "carl")


@pytest.fixture
def gold(project):
    """Tile 1 is labelled by ann and approved; every third tile of bob is a probe."""
    set_rate(project.database, 0.34)
    do(project, "ann", 1, "labelled", annotation(1, "a", geom=REFERENCE))
    do(project, "carl", 1, "labelled", review="approved")
    return project


@pytest.fixture
def probed(gold):
    """Bob has done one tile, and now tile 1 comes to him as if nobody had seen it."""
    do(gold, "bob", 2, "no_change")
    return gold


def probe_of(project, who="bob"):
    db = project.database.read()
    row = db.execute("SELECT * FROM tile WHERE probe_of = 1 AND assigned_to = ?", (who,))
    return row.fetchone()


def people(project):
    return {p["annotator"]: p for p in measure_people(project.database, project.schema)}


def test_a_probe_looks_like_any_tile_to_who_is_asked(probed):
    probe = probe_of(probed)
    tiles = {tile["id"]: tile for tile in list_tiles(probed.database, "bob")}
    assert 1 not in tiles
    assert tiles[probe["id"]]["number"] == 1
    assert tiles[probe["id"]]["state"] == "todo"
    assert set(tiles[probe["id"]]) == set(tiles[2])
    assert len(tiles) == 9
    seen = find_features(probed.database, EVERYTHING, annotator="bob")
    assert seen["annotations"] == []
    assert [c["tile"] for c in seen["candidates"] if c["tile"] == probe["id"]]
    assert measure_progress(probed.database, "bob")["total"] == 9
    assert measure_progress(probed.database, "bob")["done"] == 1


def test_nobody_else_sees_it(probed):
    probe = probe_of(probed)
    for who in ("ann", "carl", ""):
        assert sorted(t["id"] for t in list_tiles(probed.database, who)) == list(range(1, 10))
        seen = find_features(probed.database, EVERYTHING, annotator=who)
        assert [a["id"] for a in seen["annotations"]] == ["a"]
        assert probe["id"] not in [c["tile"] for c in seen["candidates"]]
        assert measure_progress(probed.database, who)["done"] == 2
    with pytest.raises(RefusedError, match="there is no tile"):
        do(probed, "ann", probe["id"], "no_change")
    with pytest.raises(RefusedError, match="there is no tile"):
        do(probed, "carl", probe["id"], "labelled", review="approved")


def test_no_request_tells_probes_from_tiles(probed):
    probe = probe_of(probed)["id"]
    asked = {"ann": probe, "carl": probe, "bob": 1}
    for who, number in asked.items():
        with pytest.raises(RefusedError, match="there is no tile"):
            take_lease(probed.database, number, who, "page")
        stale = edit([tile_op(number, "no_change")], {str(number): 99}, "tile")
        with pytest.raises(RefusedError, match="there is no tile") as refused:
            probed.save(stale, who)
        assert refused.value.facts == {}, "neither state nor author are told"
    do(probed, "bob", probe, "labelled", annotation(probe, "b", geom=ANSWER, note="hm"))
    assert measure_progress(probed.database, "bob")["annotators"] == {"bob": 2}
    assert measure_progress(probed.database, "ann")["classes"] == {1: 1}
    assert [note["tile"] for note in list_notes(probed.database, "bob")] == [probe]


def test_labels_come_in_beside_probes(probed, tmp_path):
    path = export(read_labels(probed), tmp_path / "out.gpkg")
    with probed.database.write() as db:
        db.execute("UPDATE tile SET state = 'todo', review = '' WHERE id IN (1, 2)")
        db.execute("UPDATE annotation SET deleted = 1")
    done = import_labels(probed, path, annotator="carl", verdict="accepted")
    assert (done.added, done.tiles) == (1, 2)
    assert probe_of(probed)["state"] == "todo"


def test_the_answer_is_measured_and_is_no_label(probed):
    probe = probe_of(probed)
    assert people(probed)["bob"]["answered"] == 0
    do(probed, "bob", probe["id"], "labelled",
       annotation(probe["id"], "b", geom=ANSWER, note="hm"))  # fmt: skip
    found = people(probed)["bob"]
    assert found["answered"] == 1
    assert found["agreement"] == 1
    assert found["iou"] == pytest.approx(1200 / 2000)
    assert found["done"] == 1
    labels = read_labels(probed)
    assert labels.polygons["id"].tolist() == ["a"]
    assert labels.tiles["id"].tolist() == list(range(1, 10))
    assert list_notes(probed.database) == []
    assert people(probed)["ann"] == {
        "annotator": "ann", "done": 1, "approved": 1, "fixed": 0, "returned": 0, "seconds": 1.5,
        "hurry": None, "answered": 0, "agreement": None, "iou": None,
    }  # fmt: skip


def test_a_wrong_verdict_does_not_agree(probed):
    do(probed, "bob", probe_of(probed)["id"], "no_change")
    assert people(probed)["bob"]["agreement"] == 0
    assert people(probed)["bob"]["iou"] == 0


def test_one_waits_at_a_time_and_the_rate_is_kept(probed):
    assert offer_probe(probed.database, "bob") is None
    do(probed, "bob", probe_of(probed)["id"], "no_change")
    for number in (3, 4, 5, 6):
        do(probed, "bob", number, "no_change")
    probes = "SELECT count(*) FROM tile WHERE probe_of IS NOT NULL"
    assert probed.database.read().execute(probes).fetchone()[0] == 1, "only tile 1 is known"
    do(probed, "ann", 7, "no_change")
    assert probe_of(probed, "ann") is None, "nobody is asked for a tile of their own"
    do(probed, "carl", 7, "no_change", review="approved")
    do(probed, "bob", 8, "unsure")
    assert probed.database.read().execute(probes).fetchone()[0] == 2


def test_without_a_rate_there_are_none(project):
    do(project, "ann", 1, "no_change")
    do(project, "carl", 1, "no_change", review="approved")
    do(project, "bob", 2, "no_change")
    assert len(list_tiles(project.database, "bob")) == 9
    with pytest.raises(UsageError, match=r"0 to 0\.5"):
        set_rate(project.database, 0.9)


def test_truth_of_a_file_measures_whoever_labels_there(project, tmp_path):
    world = to_world(shapely.from_geojson([str(REFERENCE).replace("'", '"')]), project.pair.geobox)
    frame = geopandas.GeoDataFrame(geometry=list(world), crs=project.pair.geobox.crs.to_wkt())
    frame.to_file(tmp_path / "truth.gpkg")
    assert import_truth(project, tmp_path / "truth.gpkg", tiles=[1, 2]) == 2
    assert find_features(project.database, EVERYTHING, annotator="ann")["annotations"] == []
    do(project, "ann", 1, "labelled", annotation(1, "a", geom=ANSWER))
    do(project, "ann", 2, "no_change")
    do(project, "ann", 3, "no_change")
    found = people(project)["ann"]
    assert (found["answered"], found["agreement"]) == (2, 1)
    assert found["iou"] == pytest.approx(1200 / 2000)


def test_what_was_sent_back_and_hurried_is_counted(project):
    ops = [annotation(1, f"a{n}") for n in range(4)]
    for number, op in enumerate(ops):
        content = edit([op], {"1": number}, "accept", seconds=0.2 if number else 3.0)
        project.save(content, "ann")
    do(project, "ann", 1, "labelled")
    do(project, "carl", 1, "returned", remark="no")
    do(project, "ann", 1, "labelled", remark="no")
    found = people(project)["ann"]
    assert (found["returned"], found["hurry"]) == (1, 0.75)


def test_a_blind_copy_has_no_probes(probed, tmp_path):
    copy = open_project(copy_project(probed.folder, tmp_path / "copy.gcproj"))
    assert [tile["id"] for tile in list_tiles(copy.database, "bob")] != []
    count = copy.database.read().execute("SELECT count(*) FROM tile").fetchone()[0]
    assert count == 9
    copy.close()
