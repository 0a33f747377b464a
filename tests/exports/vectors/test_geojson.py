import json
import re
import shutil
import subprocess

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.errors import DataWarning
from geochange.exports.vectors.geojson import write_geojson
from geochange.exports.vectors.gpkg import write_gpkg
from geochange.io.vector import read_batches

CROSSING = GeoBox((150, 400), Affine(30, 0, 163030, 0, -30, 10000), "EPSG:32601")


def rings_of(document):
    for feature in document["features"]:
        geometry = feature["geometry"]
        many = geometry["type"] == "MultiPolygon"
        for polygon in geometry["coordinates"] if many else [geometry["coordinates"]]:
            yield from enumerate(polygon)


@pytest.mark.parametrize("name", ["utm", "across 180"])
def test_file_keeps_rfc_7946(name, tmp_path, grid, fields, make_changes):
    geobox = grid if name == "utm" else CROSSING
    changes = make_changes(geobox, count=40)
    path = write_geojson(
        [changes[:7], changes[7:]], tmp_path / "changes.geojson", fields=fields, geobox=geobox
    )
    text = path.read_text()
    document = json.loads(text)
    assert document["type"] == "FeatureCollection"
    assert "crs" not in document
    assert len(document["features"]) == 40
    for position, ring in rings_of(document):
        assert ring[0] == ring[-1]
        assert len(ring) >= 4
        assert shapely.LinearRing(ring).is_ccw == (position == 0)
        assert all(len(point) == 2 for point in ring)
        assert np.ptp([lon for lon, _ in ring]) < 180
    assert max(len(d) for d in re.findall(r"\.(\d+)[,\]]", text.partition('"geometry"')[2])) <= 7
    parts = [shapely.geometry.shape(feature["geometry"]) for feature in document["features"]]
    assert shapely.is_valid(parts).all()
    west, south, east, north = document["bbox"]
    lonlat = shapely.get_coordinates(parts)
    assert (south, north) == (lonlat[:, 1].min(), lonlat[:, 1].max())
    if name == "utm":
        assert (west, east) == (lonlat[:, 0].min(), lonlat[:, 0].max())
    else:
        assert 179 < west <= 180
        assert -180 <= east < -179
        assert any(part.geom_type == "MultiPolygon" for part in parts)


def test_properties_have_one_order_and_plain_values(tmp_path, grid, fields, changes, hostile):
    changes["date_before"] = None
    changes.loc[1, "area_m2"] = np.nan
    path = write_geojson([changes], tmp_path / "c.geojson", fields=fields, geobox=grid)
    features = json.loads(path.read_text())["features"]
    assert all(list(feature["properties"]) == list(fields) for feature in features)
    assert features[1]["properties"] == {
        "id": 2,
        "class": "vanished",
        "score_mean": 0.51,
        "score_max": 0.9,
        "pixels": 9,
        "area_m2": None,
        "perimeter_m": 120.0,
        "misregistration_risk": None,
        "date_before": None,
        "date_after": "2020-06-09",
        "cloud_risk": None,
        "delta_red": -0.25,
        "delta_nir": None,
    }
    assert features[2]["properties"]["class"] == hostile


def test_geojson_of_a_written_geopackage_is_the_same(tmp_path, grid, fields, changes):
    gpkg = write_gpkg([changes], tmp_path / "changes.gpkg", fields=fields, geobox=grid)
    options = {"fields": fields, "geobox": grid}
    direct = write_geojson([changes], tmp_path / "a.geojson", **options)
    again = write_geojson(read_batches(gpkg, batch_size=5), tmp_path / "b.geojson", **options)
    first, second = (json.loads(path.read_text()) for path in (direct, again))
    assert [f["properties"] for f in first["features"]] == [
        f["properties"] for f in second["features"]
    ]
    shapes = [
        [shapely.geometry.shape(f["geometry"]) for f in document["features"]]
        for document in (first, second)
    ]
    assert shapely.equals(*shapes).all()


def test_places_agree_with_another_reprojection(tmp_path, grid, fields, changes):
    path = write_geojson([changes], tmp_path / "c.geojson", fields=fields, geobox=grid)
    back = geopandas.read_file(path).to_crs(grid.crs.to_wkt())
    moved = back.geometry.hausdorff_distance(changes.geometry.set_crs(back.crs))
    assert moved.max() < 0.02  # metres; 7 decimals are 1 cm


def test_no_change_is_an_empty_collection(tmp_path, grid, fields):
    path = write_geojson([], tmp_path / "c.geojson", fields=fields, geobox=grid)
    assert json.loads(path.read_text()) == {"type": "FeatureCollection", "features": []}


def test_pair_without_crs_has_no_geojson(tmp_path, fields, make_changes):
    grid = GeoBox((150, 230), Affine.identity(), None)
    with pytest.warns(DataWarning, match="no GeoJSON is written"):
        path = write_geojson(
            [make_changes(grid)], tmp_path / "c.geojson", fields=fields, geobox=grid
        )
    assert path is None
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="ogrinfo (gdal-bin) not installed")
def test_another_gdal_reads_it(tmp_path, fields, make_changes):
    changes = make_changes(CROSSING, count=40)
    path = write_geojson([changes], tmp_path / "c.geojson", fields=fields, geobox=CROSSING)
    run = subprocess.run(
        ["ogrinfo", "-so", "-al", path], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    assert "Feature Count: 40" in run.stdout
