import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from xml.etree import ElementTree as ET

import geopandas
import numpy as np
import pyogrio
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.exports.vectors.gpkg import write_gpkg
from geochange.io.vector import read_batches

NAMES = [
    "id",
    "class",
    "score_mean",
    "score_max",
    "pixels",
    "area_m2",
    "perimeter_m",
    "misregistration_risk",
    "date_before",
    "date_after",
    "cloud_risk",
    "delta_red",
    "delta_nir",
    "status",
]
TYPES = ["OFTInteger64", "OFTString", *["OFTReal"] * 2, "OFTInteger64", *["OFTReal"] * 3]
TYPES += ["OFTDate"] * 2 + ["OFTReal"] * 3 + ["OFTString"]


def rows_of(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("count", [0, 12])
def test_layer_has_one_schema_whatever_was_found(count, tmp_path, grid, fields, make_changes):
    batches = [make_changes(grid)[:7], make_changes(grid)[7:]] if count else []
    path = write_gpkg(batches, tmp_path / "changes.gpkg", fields=fields, geobox=grid)
    info = pyogrio.read_info(path, layer="changes")
    assert list(info["fields"]) == NAMES
    assert info["ogr_types"] == TYPES
    assert info["geometry_type"] == "MultiPolygon"
    assert info["crs"] == "EPSG:32633"
    assert info["features"] == count
    assert rows_of(path, "SELECT count(*) FROM rtree_changes_geom") == [(count,)]


def test_features_come_back_as_they_went(tmp_path, grid, fields, changes):
    path = write_gpkg([changes], tmp_path / "changes.gpkg", fields=fields, geobox=grid)
    back = geopandas.read_file(path, layer="changes")
    for name in ("id", "class", "score_mean", "pixels", "area_m2", "delta_red"):
        assert list(back[name]) == list(changes[name])
    assert list(back["date_before"].astype(str).str[:10]) == ["2018-03-01"] * len(changes)
    assert back["delta_nir"].isna().all()
    assert (back["status"] == "unreviewed").all()
    assert back.geometry.explode().geom_equals(changes.geometry).all()


def test_missing_values_are_null(tmp_path, grid, fields, changes):
    changes["date_before"] = None
    changes["area_m2"] = np.nan
    changes.loc[0, "class"] = None
    path = write_gpkg([changes], tmp_path / "changes.gpkg", fields=fields, geobox=grid)
    query = "SELECT count(date_before), count(area_m2), count(class), count(*) FROM changes"
    assert rows_of(path, query) == [(0, 0, 11, 12)]


def test_three_styles_and_one_default(tmp_path, grid, fields, changes, hostile):
    path = write_gpkg([changes], tmp_path / "changes.gpkg", fields=fields, geobox=grid)
    styles = rows_of(
        path,
        "SELECT styleName, useAsDefault, styleQML FROM layer_styles "
        "WHERE f_table_name = 'changes' AND f_geometry_column = 'geom' ORDER BY id",
    )
    assert [(name, default) for name, default, _ in styles] == [
        ("by class", 1),
        ("by score", 0),
        ("by review", 0),
    ]
    renderers = [
        ET.fromstring(qml.partition("'SYSTEM'>")[2]).find("renderer-v2") for *_, qml in styles
    ]
    kinds = [renderer.get("type") for renderer in renderers]
    assert kinds == ["categorizedSymbol", "graduatedSymbol", "categorizedSymbol"]
    assert [renderer.get("attr") for renderer in renderers] == ["class", "score_mean", "status"]
    values = [category.get("value") for category in renderers[0].iter("category")]
    assert values == [*sorted(["appeared", "vanished", hostile]), ""]
    assert len(list(renderers[1].iter("range"))) == 5
    contents = rows_of(path, "SELECT table_name, data_type FROM gpkg_contents ORDER BY 1")
    assert contents == [("changes", "features"), ("layer_styles", "attributes")]


def test_same_features_give_same_bytes(tmp_path, grid, fields, changes):
    first, second = (
        write_gpkg([changes[:5], changes[5:]], tmp_path / name, fields=fields, geobox=grid)
        for name in ("a.gpkg", "b.gpkg")
    )
    assert first.read_bytes() == second.read_bytes()


def test_pair_without_crs_keeps_pixel_coordinates(tmp_path, fields, make_changes):
    grid = GeoBox((150, 230), Affine.identity(), None)
    changes = make_changes(grid)
    path = write_gpkg([changes], tmp_path / "changes.gpkg", fields=fields, geobox=grid)
    back = geopandas.read_file(path, layer="changes")
    np.testing.assert_array_equal(back.total_bounds, changes.total_bounds)


def test_batches_come_back_whole(tmp_path, grid, fields, changes):
    path = write_gpkg([changes], tmp_path / "changes.gpkg", fields=fields, geobox=grid)
    batches = list(read_batches(path, batch_size=5))
    assert [len(batch) for batch in batches] == [5, 5, 2]
    assert [number for batch in batches for number in batch["id"]] == list(range(1, 13))


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="ogrinfo (gdal-bin) not installed")
@pytest.mark.parametrize("crs", ["EPSG:32633", None])
def test_another_gdal_reads_it_without_a_word(crs, tmp_path, fields, make_changes):
    grid = GeoBox((150, 230), Affine(10, 0, 500000, 0, -10, 4000000), crs)
    path = write_gpkg([make_changes(grid)], tmp_path / "c.gpkg", fields=fields, geobox=grid)
    run = subprocess.run(
        ["ogrinfo", "-so", path, "changes"], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    assert "Feature Count: 12" in run.stdout
    assert "Geometry: Multi Polygon" in run.stdout
    assert rows_of(path, "PRAGMA user_version") == [(10200,)]
    assert rows_of(path, "PRAGMA integrity_check") == [("ok",)]
    assert json.dumps(rows_of(path, "PRAGMA foreign_key_check")) == "[]"
