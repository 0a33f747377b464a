"""Labels as files: GeoPackage, GeoJSON, COCO."""

import json
import sqlite3

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely

from geochange.alignment.pair import open_pair
from geochange.errors import DataWarning, OutputExistsError, UsageError
from geochange.labels.conversion import export
from geochange.labels.mask import LabelMask
from geochange.maps.polygons import to_pixels
from geochange.tiles import Window

from .conftest import DRAWN, PLACES, SHAPE, make_labels, write_dates


def test_geopackage_has_two_styled_layers(labels, tmp_path):
    path = export(labels, tmp_path / "out.gpkg")
    drawn, tiles = (pyogrio.read_dataframe(path, layer=name) for name in ("labels", "tiles"))
    assert len(drawn) == 7
    assert set(drawn["verdict"]) == {"accepted"}
    assert drawn.crs.to_epsg() == 32632
    assert (tiles["state"] == "no_change").sum() == 3
    assert len(tiles) == 12
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT f_table_name, styleName, useAsDefault FROM layer_styles")
        assert rows.fetchall() == [
            ("labels", "by class", 1), ("labels", "by source", 0), ("tiles", "by state", 1)
        ]  # fmt: skip
        style = db.execute("SELECT styleQML FROM layer_styles").fetchone()[0]
    assert 'attr="class"' in style
    assert 'value="house"' in style
    assert "230,159,0" in style
    with pytest.raises(OutputExistsError):
        export(labels, path)
    export(labels, path, overwrite=True, verdicts=("accepted", "rejected"))
    assert len(pyogrio.read_dataframe(path, layer="labels")) == 8


def test_where_a_label_comes_from_is_in_every_format(labels, tmp_path):
    rows = labels.polygons
    rows.loc[0, ["source", "candidate", "weights_sha256", "schema_version"]] = [
        "model_edited", 17, "ab12", 3
    ]  # fmt: skip
    wanted = ("model_edited", 17, "ab12", 3)
    names = ("source", "candidate", "weights_sha256", "schema_version")
    for suffix in ("gpkg", "geojson"):
        path = export(labels, tmp_path / f"out.{suffix}")
        row = pyogrio.read_dataframe(path, layer=None if suffix == "geojson" else "labels").iloc[0]
        assert tuple(row[name] for name in names) == wanted
    content = json.loads(export(labels, tmp_path / "out.json").read_text())
    assert tuple(content["annotations"][0][name] for name in names) == wanted


@pytest.mark.parametrize("place", ["utm", "geographic", "rotated"])
def test_geojson_is_in_longitude_and_latitude_to_the_last_digit(place, tmp_path):
    labels = make_labels(open_pair(*write_dates(tmp_path, place)))
    path = export(labels, tmp_path / "out.geojson", verdicts=["accepted", "rejected", "pending"])
    content = json.loads(path.read_text())
    assert "crs" not in content
    west, south, east, north = content["bbox"]
    assert -180 <= west < east <= 180
    assert 40 < south < north < 50
    assert sum(t["state"] == "no_change" for t in content["geochange"]["tiles"]) == 3
    back = geopandas.read_file(path).to_crs(labels.geobox.crs.to_wkt())
    pixels = to_pixels(np.asarray(back.geometry.array), labels.geobox)
    for (_, _, drawn), found in zip(DRAWN, pixels, strict=True):
        vertices = shapely.points(shapely.get_coordinates(drawn))
        there = shapely.multipoints(shapely.get_coordinates(found))
        assert shapely.distance(vertices, there).max() <= 1e-6


def test_geojson_without_crs_holds_pixels_and_says_so(tmp_path):
    labels = make_labels(open_pair(*write_dates(tmp_path, "none")))
    with pytest.warns(DataWarning, match="holds pixels"):
        path = export(labels, tmp_path / "out.geojson")
    content = json.loads(path.read_text())
    assert content["geochange"]["coordinates"].startswith("pixels")
    assert shapely.geometry.shape(content["features"][0]["geometry"]).equals(DRAWN[0][2])


@pytest.mark.parametrize("place", PLACES)
def test_coco_has_tiles_as_images(place, tmp_path):
    labels = make_labels(open_pair(*write_dates(tmp_path, place)))
    content = json.loads(export(labels, tmp_path / "out.json").read_text())
    images = {image["id"]: image for image in content["images"]}
    assert [i["file_name"] for i in content["images"]][:2] == ["A/tile0001.tif", "A/tile0002.tif"]
    assert len(images) == 7  # gone through, and neither unsure nor unusable
    with_labels = {row["image_id"] for row in content["annotations"]}
    assert [n for n in images if n not in with_labels] == [3, 10, 11]  # negatives
    assert [c["name"] for c in content["categories"]] == ["house", "road", "blur"]
    halves = [row for row in content["annotations"] if row["label_id"] == "2"]
    assert [row["bbox"] for row in halves] == [[26, 8, 6, 12], [0, 8, 8, 12]]
    assert [row["area"] for row in halves] == [72, 96]
    assert halves[0]["segmentation"][0]
    assert len(halves[0]["segmentation"][0]) == 8
    blur = next(row for row in content["annotations"] if row["category_id"] == 3)
    assert blur["iscrowd"] == 1
    hole = next(row for row in content["annotations"] if row["category_id"] == 2)
    counts = hole["segmentation"]["counts"]
    values = np.repeat(np.arange(len(counts)) % 2, counts)
    assert hole["iscrowd"] == 0
    assert len(values) == 32 * 32
    drawn = values.reshape(32, 32, order="F")
    tile = LabelMask(labels).read(Window(32, 0, 32, 32))
    assert np.array_equal(drawn, tile == 2)


def test_what_cannot_be_written_is_refused(labels, tmp_path):
    with pytest.raises(UsageError, match=r"\.xyz"):
        export(labels, tmp_path / "out.xyz")
    with pytest.raises(UsageError, match="unknown verdict 'acepted'"):
        export(labels, tmp_path / "out.gpkg", verdicts=["acepted"])
    with pytest.raises(UsageError, match="size is for chips"):
        export(labels, tmp_path / "out.gpkg", chips={"size": 64})
    assert labels.shape == SHAPE
    assert not list(tmp_path.glob("out*"))
