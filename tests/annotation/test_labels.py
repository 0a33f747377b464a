"""Labels as tables, out and in again."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from geochange.annotation.importing import import_labels
from geochange.annotation.labels import read_labels
from geochange.annotation.views import find_features
from geochange.cli import main
from geochange.maps.polygons import to_world

from .conftest import SHAPE, annotation, edit, square, tile_op

EVERYTHING = (0, 0, SHAPE[1], SHAPE[0])


def test_negatives_are_labels(project):
    for tile in (3, 5, 8):
        project.save(edit([tile_op(tile, "no_change")], {str(tile): 0}, "tile"), "ann")
    labels = read_labels(project)
    assert labels.negatives["id"].tolist() == [3, 5, 8]
    assert set(labels.negatives["annotator"]) == {"ann"}
    assert len(labels.polygons) == 0


def test_a_label_says_where_it_comes_from(project):
    one = find_features(project.database, EVERYTHING)["candidates"][0]
    op = annotation(one["tile"], "x", candidate=one["id"], source="model_edited", geom=square(3, 3))
    project.save(edit([op], {str(one["tile"]): 0}, "edit"), "ann")
    row = read_labels(project).polygons.iloc[0]
    assert (row["source"], row["candidate"], row["run"]) == ("model_edited", one["id"], 1)
    assert (row["model"], row["weights_sha256"], row["schema_version"]) == ("cva", "", 1)
    assert (row["annotator"], row["class"], row["view_mode"]) == ("ann", "change", "swipe")
    assert row["score"] == pytest.approx(one["score"])


def test_an_import_leaves_out_what_does_not_fit(project, tmp_path):
    project.save(edit([tile_op(1, "no_change")], {"1": 0}, "tile"), "ann")
    pixels = [shapely.box(10, 10, 20, 20), shapely.box(200, 200, 220, 220),
              shapely.box(9000, 0, 9010, 10)]  # fmt: skip
    world = to_world(np.array(pixels), project.pair.geobox)
    crs = project.pair.geobox.crs.to_wkt()
    geopandas.GeoDataFrame(geometry=world, crs=crs).to_crs("EPSG:4326").to_file(
        tmp_path / "in.geojson", engine="pyogrio"
    )
    done = import_labels(project, tmp_path / "in.geojson")
    assert (done.added, done.outside, done.in_done_tiles) == (1, 1, 1)


def test_a_project_is_exported_like_a_run(project, folder, tmp_path, capsys):
    for tile in (3, 5, 8):
        project.save(edit([tile_op(tile, "no_change")], {str(tile): 0}, "tile"), "ann")
    one = find_features(project.database, EVERYTHING)["candidates"][0]
    op = annotation(one["tile"], "x", candidate=one["id"], source="model_edited", geom=square(3, 3))
    project.save(edit([op], {str(one["tile"]): 0}, "edit"), "ann")
    for name in ("out.gpkg", "out.tif", "chips"):
        assert main(["export", str(folder), str(tmp_path / name)]) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / name)
    tiles = geopandas.read_file(tmp_path / "out.gpkg", layer="tiles", engine="pyogrio")
    assert tiles[tiles["state"] == "no_change"]["id"].tolist() == [3, 5, 8]
    row = geopandas.read_file(tmp_path / "out.gpkg", layer="labels", engine="pyogrio").iloc[0]
    assert (row["source"], row["candidate"], row["schema_version"]) == (
        "model_edited",
        one["id"],
        1,
    )
    assert row["model"] == "cva"
    with rasterio.open(tmp_path / "out.tif") as mask:
        assert (mask.read(1)[3:13, 3:13] == 1).all()
    listed = (tmp_path / "chips" / "manifest.csv").read_text()
    assert listed.count("no_change") == 3
    assert main(["export", str(folder), str(tmp_path / "out.gpkg"), "--crs=x"]) == 2
    assert "labels keep their CRS" in capsys.readouterr().err
