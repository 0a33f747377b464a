import json
import sqlite3
from contextlib import closing
from itertools import pairwise
from xml.etree import ElementTree as ET

import geopandas
import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.exports.catalogs.footprints import FIELDS, SHARES, grid_footprint, write_footprints

UTM = GeoBox((4000, 5000), Affine(10, 0, 3e5, 0, -10, 7e6), "EPSG:32633")
GRIDS = {
    "utm": UTM,
    "rotated": GeoBox((4000, 5000), Affine(8, 6, 3e5, 6, -8, 7e6), "EPSG:32633"),
    "south up": GeoBox((4000, 5000), Affine(10, 0, 3e5, 0, 10, 7e6), "EPSG:32633"),
    "at 180": GeoBox((4000, 5000), Affine(10, 0, 1.6e5, 0, -10, 2e4), "EPSG:32601"),
    "degrees": GeoBox((400, 500), Affine(0.01, 0, 10, 0, -0.01, 50), "EPSG:4326"),
    "polar": GeoBox((4000, 4000), Affine(100, 0, -2e5, 0, -100, 2e5), "EPSG:3413"),
}


@pytest.mark.parametrize("name", GRIDS)
def test_footprint_holds_the_grid_and_no_more(name, rng):
    """Points a pixel inside the border are in it, points a pixel outside are not."""
    geobox = GRIDS[name]
    height, width = geobox.shape
    along = rng.uniform(1, 0.99 * width, 400), rng.uniform(1, 0.99 * height, 400)
    area = grid_footprint(geobox)
    assert area.is_valid
    to_lonlat = pyproj.Transformer.from_crs(geobox.crs.to_wkt(), "EPSG:4326", always_xy=True)

    def holds(cols, rows):
        lon, lat = to_lonlat.transform(*(geobox.affine * (np.asarray(cols), np.asarray(rows))))
        return shapely.contains_xy(area, (np.asarray(lon) + 180) % 360 - 180, lat)

    for offset, expected in ((1.0, True), (-1.0, False)):
        edges = [
            (along[0], np.full(400, offset)),
            (along[0], np.full(400, height - offset)),
            (np.full(400, offset), along[1]),
            (np.full(400, width - offset), along[1]),
        ]
        for cols, rows in edges:
            assert (holds(cols, rows) == expected).all()


def test_footprint_is_small_whatever_the_grid():
    for geobox in GRIDS.values():
        assert shapely.get_num_coordinates(grid_footprint(geobox)) < 500


def test_grid_without_place_has_no_footprint():
    assert grid_footprint(GeoBox((9, 9), Affine.identity(), None)) is None
    nowhere = GeoBox((10, 10), Affine(1e6, 0, 3e7, 0, -1e6, 3e7), "ESRI:54009")
    assert grid_footprint(nowhere) is None


ROWS = [
    {
        "id": "lisbon", "status": "done", "date_before": "2020-05-01", "date_after": "2022-06-02",
        "changes": 12, "area_m2": 5e4, "area_ha": 5.0, "changed_share": 0.02, "valid_share": 0.9,
        "method": "cva", "threshold": 0.5, "tiles_failed": 0, "output": "lisbon",
        "geometry": grid_footprint(UTM),
    },
    {"id": "bare", "status": "incomplete", "tiles_failed": 2, "geometry": None},
]  # fmt: skip


QGIS = """
import json, sys
from qgis.core import *
application = QgsApplication([], False)
application.initQgis()
layer = QgsVectorLayer(sys.argv[1] + "|layername=results", "results", "ogr")
layer.loadDefaultStyle()
context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
context.setFeature(next(layer.getFeatures()))
print(json.dumps({
    "field": layer.renderer().classAttribute(),
    "labels": [shown.label() for shown in layer.renderer().ranges()],
    "tip": QgsExpression.replaceExpressionText(layer.mapTipTemplate(), context).strip(),
}))
"""


def rows_of(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_results_come_back(tmp_path):
    path = write_footprints(ROWS, tmp_path / "summary.gpkg")
    frame = geopandas.read_file(path, layer="results")
    assert frame.crs.to_epsg() == 4326
    assert list(frame.columns) == [*FIELDS, "geometry"]
    assert list(frame["id"]) == ["lisbon", "bare"]
    assert frame["date_after"].astype(str).str[:10][0] == "2022-06-02"
    assert frame["date_after"].isna().tolist() == [False, True]
    assert frame["changes"].isna().tolist() == [False, True]
    assert list(frame["tiles_failed"]) == [0, 2]
    assert frame.geometry.isna().tolist() == [False, True]
    assert frame.geometry[0].geoms[0].equals(ROWS[0]["geometry"])
    assert rows_of(path, "SELECT count(*) FROM rtree_results_geom") == [(1,)]


@pytest.mark.parametrize("rows", [[], ROWS[1:], ROWS])
def test_layer_has_one_schema_whatever_there_is(rows, tmp_path):
    path = write_footprints(iter(rows), tmp_path / "summary.gpkg")
    info = pyogrio.read_info(path, layer="results")
    assert list(info["fields"]) == list(FIELDS)
    assert info["geometry_type"] == "MultiPolygon"
    assert info["features"] == len(rows)
    assert rows_of(path, "PRAGMA integrity_check") == [("ok",)]


def test_style_is_by_the_share_that_changed(tmp_path):
    path = write_footprints(ROWS, tmp_path / "summary.gpkg")
    ((layer, column, qml),) = rows_of(
        path,
        "SELECT f_table_name, f_geometry_column, styleQML FROM layer_styles WHERE useAsDefault",
    )
    assert (layer, column) == ("results", "geom")
    renderer = ET.fromstring(qml.partition("'SYSTEM'>")[2]).find("renderer-v2")
    assert (renderer.get("type"), renderer.get("attr")) == ("graduatedSymbol", "changed_share")
    limits = [(float(r.get("lower")), float(r.get("upper"))) for r in renderer.iter("range")]
    assert limits == list(pairwise(SHARES))
    fills = {e.get("value") for e in renderer.iter("Option") if e.get("name") == "color"}
    assert len(fills) == len(limits)


@pytest.mark.slow
def test_qgis_opens_it_styled(tmp_path, run_with_qgis):
    path = write_footprints(ROWS, tmp_path / "summary.gpkg")
    run = run_with_qgis("-c", QGIS, path)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["field"] == "changed_share"
    assert found["labels"][0] == "0 - 0.1 % changed"
    assert len(found["labels"]) == len(SHARES) - 1
    assert found["tip"].splitlines() == [
        "<b>lisbon</b> 2020-05-01 to 2022-06-02<br>",
        "12 changes, 5.00 ha<br>",
        "2 % of the valid pixels",
    ]


def test_same_results_give_same_bytes(tmp_path):
    paths = [write_footprints(ROWS, tmp_path / name) for name in ("a.gpkg", "b.gpkg")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
