"""Several people label blind copies; the command line says how well they agree."""

import json

import pytest

from geochange.annotation.copying import copy_project
from geochange.annotation.labels import read_labels
from geochange.annotation.opening import open_project
from geochange.annotation.views import find_features, list_tiles
from geochange.cli import main
from geochange.errors import OutputExistsError

from .conftest import SHAPE, annotation, edit, square, tile_op

EVERYTHING = (0, 0, SHAPE[1], SHAPE[0])


def test_a_copy_has_the_candidates_and_no_verdict(project, folder, tmp_path):
    found = find_features(project.database, EVERYTHING)["candidates"]
    op = annotation(found[0]["tile"], candidate=found[0]["id"], source="model")
    project.save(edit([op], {str(found[0]["tile"]): 0}, "accept"), "ann")
    project.save(edit([tile_op(9, "no_change", note="nothing")], {"9": 0}, "tile"), "ann")
    copy = open_project(copy_project(folder, tmp_path / "bob.gcproj"))
    there = find_features(copy.database, EVERYTHING)
    assert [c["id"] for c in there["candidates"]] == [
        c["id"] for c in sorted([*found], key=lambda c: c["id"])
    ] or len(there["candidates"]) == len(found)
    assert there["annotations"] == []
    labels = read_labels(copy)
    assert set(labels.tiles["state"]) == {"todo"}
    assert set(labels.tiles["note"]) == {""}
    order = [[t["id"] for t in list_tiles(p.database)] for p in (project, copy)]
    assert order[0] == order[1]
    db = copy.database.read()
    assert db.execute("SELECT count(*) FROM op").fetchone()[0] == 0
    meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
    assert meta["copy_of"] == project.facts["uuid"] != meta["project_uuid"]
    copy.close()
    with pytest.raises(OutputExistsError):
        copy_project(folder, tmp_path / "bob.gcproj")
    assert not list(tmp_path.glob(".bob*"))


def test_agreement_of_two_projects(project, folder, tmp_path, capsys):
    other = tmp_path / "bob.gcproj"
    words = ["annotate", "--copy-of", str(folder), "-o", str(other), "--no-server"]
    assert main(words) == 0
    for target, size in ((project, 10), (open_project(other), 8)):
        target.save(edit([annotation(1, geom=square(20, 20, size))], {"1": 0}), "who")
        target.save(edit([tile_op(1, "labelled"), tile_op(2, "no_change")],
                         {"1": 1, "2": 0}, "tile"), "who")  # fmt: skip
        if target is not project:
            target.close()
    capsys.readouterr()
    assert main(["agree", str(folder), str(other), "--json", "--resamples", "20"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["scores"]["change_iou"]["value"] == pytest.approx(0.64)
    assert facts["tiles"] == 2
    assert main(["agree", str(folder), str(other), "-o", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "Cohen's kappa" in out
    assert (tmp_path / "out" / "consensus.gpkg").exists()
    assert main(["agree", str(folder)]) == 2
    assert main(["agree", str(folder), str(folder)]) == 2
