import json
import sqlite3
import sys
from contextlib import closing

import geopandas
import numpy as np
import pyogrio
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.errors import OutputError, OutputExistsError, UsageError
from geochange.exports.conversion import export
from geochange.exports.vectors.fields import polygon_fields
from geochange.exports.vectors.gpkg import write_gpkg

AFFINE = Affine(10, 0, 500000, 0, -10, 4000000)


@pytest.fixture
def make_run(tmp_path, make_changes):
    """Write the part of a run that ``export`` reads."""

    def make(crs="EPSG:32633", bands=("red",), count=12):
        folder = tmp_path / "run"
        folder.mkdir()
        geobox = GeoBox((150, 230), AFFINE, crs)
        fields = polygon_fields(bands)
        changes = make_changes(geobox, count) if count else None
        if count:
            changes["status"] = ["unreviewed"] * (count - 1) + ["accepted"]
            for position, name in enumerate(n for n in fields if n.startswith("delta_")):
                changes[name] = position + 0.5
        write_gpkg([] if changes is None else [changes], folder / "changes.gpkg",
                   fields=fields, geobox=geobox)  # fmt: skip
        grid = {"crs": crs, "affine": list(AFFINE)[:6], "height": 150, "width": 230}
        (folder / "run.json").write_text(json.dumps({"kind": "detect", "grid": grid}))
        return folder

    return make


def test_geopackage_keeps_its_styles_and_the_review(make_run, tmp_path):
    run = make_run()
    path = export(run, tmp_path / "best.gpkg", crs="EPSG:4326", min_score=0.6)
    back = geopandas.read_file(path, layer="changes")
    assert list(back["id"]) == [11, 12]
    assert list(back["status"]) == ["unreviewed", "accepted"]
    assert back.crs.to_epsg() == 4326
    assert 14.9 < back.total_bounds[0] < 15.1
    with closing(sqlite3.connect(path)) as connection:
        styles = connection.execute("SELECT styleName FROM layer_styles").fetchall()
    assert len(styles) == 3


@pytest.mark.parametrize("suffix", ["fgb", "kml"])
@pytest.mark.parametrize("count", [12, 0])
def test_the_layer_is_called_changes(suffix, count, make_run, tmp_path):
    path = export(make_run(count=count), tmp_path / f"x.{suffix}")
    assert pyogrio.list_layers(path)[0][0] == "changes"
    assert len(pyogrio.read_dataframe(path)) == count


def test_geojson_is_that_of_the_run(make_run, tmp_path):
    path = export(make_run(), tmp_path / "x.geojson", crs="EPSG:4326", min_score=0.55)
    content = json.loads(path.read_text())
    assert set(content) == {"type", "features", "bbox"}
    assert len(content["features"]) == 7
    assert content["features"][0]["properties"]["date_before"] == "2018-03-01"


@pytest.mark.parametrize("suffix", ["kml", "geojson"])
def test_a_crs_that_the_format_cannot_have_is_refused(suffix, make_run, tmp_path):
    with pytest.raises(UsageError, match=r"always in longitude/latitude"):
        export(make_run(), tmp_path / f"x.{suffix}", crs="EPSG:3857")


@pytest.mark.parametrize(
    ("suffix", "crs"), [("kml", None), ("geojson", None), ("fgb", "EPSG:4326")]
)
def test_a_run_without_crs_gets_none(suffix, crs, make_run, tmp_path):
    with pytest.raises(UsageError, match=r"has no CRS"):
        export(make_run(crs=None), tmp_path / f"x.{suffix}", crs=crs)


def test_a_crs_that_is_none_is_one_line(make_run, tmp_path):
    with pytest.raises(UsageError, match=r"^'garbage' is not a CRS; give one such as EPSG:4326$"):
        export(make_run(), tmp_path / "x.fgb", crs="garbage")


def test_parquet_without_pyarrow_says_what_to_install(make_run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    run = make_run()
    with pytest.raises(UsageError, match=r"^x\.parquet needs pyarrow: pip install pyarrow$"):
        export(run, tmp_path / "x.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("count", [12, 0])
def test_shapefile_names_stay_apart(count, make_run, tmp_path):
    bands = ("Reflectance_Blue", "Reflectance_Green", "Reflectance_Red")
    run = make_run(bands=bands, count=count)
    path = export(run, tmp_path / "long.shp")
    info = pyogrio.read_info(path)
    names = list(info["fields"])
    assert names[-4:-1] == ["d_Reflecta", "d_Reflec_2", "d_Reflec_3"]
    assert len({name.lower() for name in names}) == len(names)
    assert info["features"] == count
    back = geopandas.read_file(path)
    for position, name in enumerate(names[-4:-1]):
        np.testing.assert_array_equal(back[name].astype(float), np.full(count, position + 0.5))
    with pytest.raises(OutputExistsError):
        export(run, path)
    export(run, path, min_score=0.6, overwrite=True)
    assert pyogrio.read_info(path)["features"] == (2 if count else 0)


def test_a_missing_folder_is_one_clear_line(make_run, tmp_path):
    run = make_run()
    for name in ("x.shp", "x.gpkg", "x.csv"):
        with pytest.raises(OutputError, match=r"there is no folder .*nowhere"):
            export(run, tmp_path / "nowhere" / name)


def test_an_unknown_suffix_names_the_known(make_run, tmp_path):
    with pytest.raises(UsageError, match=r"cannot export to 'x\.shpx'; did you mean '\.shp'\?"):
        export(make_run(), tmp_path / "x.shpx")


def test_csv_holds_the_geometry(make_run, tmp_path):
    text = export(make_run(), tmp_path / "x.csv").read_text()
    assert "POLYGON" in text.splitlines()[1]
