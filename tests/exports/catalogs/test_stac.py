"""STAC items and collections: valid by pystac's bundled schemas, read by GDAL's driver."""

import json

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from affine import Affine
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.validation import validate_dict

from geochange.exports.catalogs.stac import (
    date_span,
    describe_collection,
    describe_item,
    write_item,
)


@pytest.fixture
def make_run():
    return _make_run


def _make_run(
    crs="EPSG:32633", affine=(10, 0, 5e5, 0, -10, 4e6), days=("2020-05-01", "2022-06-02")
):
    inputs = {
        when: {"date": day, "files": [{"path": f"/data/{when}.tif"}, {"path": "s3://in/b.tif"}]}
        for when, day in zip(("before", "after"), days, strict=True)
    }
    return {
        "geochange": "1.2.3",
        "inputs": inputs,
        "grid": {"crs": crs, "affine": list(affine), "height": 200, "width": 300, "gsd_m": 10.0},
        "method": {"name": "cva", "reason": "chosen by the user"},
        "changes": {"count": 3, "share_of_valid": 0.01, "area_m2": 100.0},
    }


def check(content):
    """Validate against the core schemas; those of extensions are not bundled."""
    content = json.loads(json.dumps(content, allow_nan=False))
    validate_dict(content, extensions=[])
    return content


def test_item_says_what_when_where(make_run, tmp_path):
    for name in ("score.tif", "mask.tif", "changes.gpkg"):
        (tmp_path / name).touch()
    content = check(describe_item(make_run(), tmp_path, "lisbon"))
    item = pystac.Item.from_dict(content)
    assert item.id == "lisbon"
    assert item.datetime is None
    assert item.common_metadata.start_datetime.date().isoformat() == "2020-05-01"
    assert item.common_metadata.end_datetime.date().isoformat() == "2022-06-02"
    assert set(item.assets) == {"score", "mask", "changes", "run"}
    assert all("data" in item.assets[key].roles for key in ("score", "mask", "changes"))
    projection = ProjectionExtension.ext(item)
    assert projection.code == "EPSG:32633"
    assert projection.shape == [200, 300]
    assert projection.transform == [10, 0, 5e5, 0, -10, 4e6]
    (band,) = item.assets["score"].extra_fields["bands"]
    assert band["nodata"] == 65535
    assert 65534 * band["raster:scale"] + band["raster:offset"] == pytest.approx(1)
    assert content["properties"]["processing:software"] == {"geochange": "1.2.3"}
    box = shapely.geometry.shape(content["geometry"])
    assert box.is_valid
    assert box.exterior.is_ccw
    assert content["bbox"] == list(box.bounds)


def test_the_item_of_a_series_spans_all_its_dates(make_run, tmp_path):
    run = make_run()
    days = ["2010-06-01", "2011-06-01", "2012-06-01"]
    run["days"], run["inputs"] = days, [
        {"date": day, "files": [{"path": f"/data/{day}.tif"}]} for day in days[1:]
    ]  # fmt: skip
    for name in ("score.tif", "date.tif", "magnitude.tif", "animation.gif"):
        (tmp_path / name).touch()
    item = pystac.Item.from_dict(check(describe_item(run, tmp_path, "years")))
    assert item.common_metadata.start_datetime.date().isoformat() == "2010-06-01"
    assert item.common_metadata.end_datetime.date().isoformat() == "2012-06-01"
    assert set(item.assets) == {"score", "date", "magnitude", "animation", "run"}
    links = [link.to_dict()["title"] for link in item.get_links("derived_from")]
    assert links == days[1:]  # those of a state are not read again


def test_inputs_are_named_so_that_both_can_move(make_run, tmp_path):
    links = describe_item(make_run(), tmp_path, "x")["links"]
    assert {link["rel"] for link in links} == {"derived_from"}
    assert [link["title"] for link in links] == ["before", "before", "after", "after"]
    assert (tmp_path / links[0]["href"]).resolve().as_posix() == "/data/before.tif"
    assert links[1]["href"] == "s3://in/b.tif"


@pytest.mark.parametrize(
    ("days", "span"),
    [
        (("2020-05-01", "2022-06-02"), ("2020-05-01", "2022-06-02")),
        (("2022-06-02", "2020-05-01"), ("2020-05-01", "2022-06-02")),
        ((None, "2022-06-02"), ("2022-06-02", "2022-06-02")),
        (("2020-05-01", None), ("2020-05-01", "2020-05-01")),
    ],
)
def test_one_known_date_is_begin_and_end(days, span, make_run, tmp_path):
    item = check(describe_item(make_run(days=days), tmp_path, "x"))
    found = item["properties"]["start_datetime"], item["properties"]["end_datetime"]
    assert found == tuple(f"{day}T00:00:00Z" for day in span)
    assert item["properties"]["datetime"] is None


def test_without_dates_there_is_no_item(make_run, tmp_path):
    run = make_run(days=(None, None))
    assert date_span(run) is None
    assert describe_item(run, tmp_path, "x") is None
    assert write_item(run, tmp_path, "x") is None
    assert not list(tmp_path.iterdir())


def test_pair_without_crs_has_no_place(make_run, tmp_path):
    item = check(describe_item(make_run(crs=None, affine=(1, 0, 0, 0, 1, 0)), tmp_path, "x"))
    assert item["geometry"] is None
    assert "bbox" not in item
    assert item["properties"]["proj:code"] is None
    assert describe_collection("runs", [item]) is None


def test_crs_without_code_comes_as_wkt(make_run, tmp_path):
    wkt = rasterio.CRS.from_proj4("+proj=laea +lat_0=47 +lon_0=8 +datum=WGS84").to_wkt()
    item = pystac.Item.from_dict(
        check(describe_item(make_run(crs=wkt, affine=(10, 0, 0, 0, -10, 0)), tmp_path, "x"))
    )
    projection = ProjectionExtension.ext(item)
    assert projection.code is None
    assert projection.wkt2 == wkt
    assert item.bbox == pytest.approx([8, 46.98, 8.04, 47], abs=0.01)


def test_grid_across_180_is_cut(make_run, tmp_path):
    run = make_run(crs="EPSG:32601", affine=(30, 0, 160000, 0, -30, 10000))
    item = check(describe_item(run, tmp_path, "x"))
    west, south, east, north = item["bbox"]
    assert 179 < west < 180
    assert -180 < east < -179
    assert item["geometry"]["type"] == "MultiPolygon"
    extent = check(describe_collection("runs", [item]))["extent"]["spatial"]["bbox"]
    assert extent == [[west, south, east, north]]


def test_classes_of_the_mask_are_named(make_run, tmp_path):
    (tmp_path / "mask.tif").touch()
    content = check(describe_item(make_run(), tmp_path, "x"))
    (band,) = content["assets"]["mask"]["bands"]
    assert [c["value"] for c in band["classification:classes"]] == [0, 1, 255]
    assert ClassificationExtension.get_schema_uri() in content["stac_extensions"]


def test_a_run_without_polygons_is_an_item_too(make_run, tmp_path):
    run = make_run()
    del run["changes"]
    item = check(describe_item(run, tmp_path, "x"))
    assert "geochange:changes" not in item["properties"]


def test_gdal_opens_the_score_of_an_item(make_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # GDAL takes relative places from there
    grid = {"crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, -10, 4e6)}
    with rasterio.open(
        tmp_path / "score.tif", "w", driver="GTiff", count=1, dtype="uint16", nodata=65535,
        height=200, width=300, **grid,
    ) as dataset:  # fmt: skip
        dataset.write(np.full((1, 200, 300), 7, np.uint16))
    write_item(make_run(), tmp_path, tmp_path.name)
    with rasterio.open('STACIT:"item.json":asset=score') as dataset:
        assert dataset.shape == (200, 300)
        assert dataset.crs == grid["crs"]
        assert dataset.transform == grid["transform"]
        assert (dataset.read(1) == 7).all()


def test_collection_spans_its_items(make_run, tmp_path):
    runs = {
        "a": make_run(days=("2019-01-01", "2020-01-01")),
        "b": make_run(affine=(10, 0, 6e5, 0, -10, 4e6), days=(None, "2021-01-01")),
        "c": make_run(crs=None, days=("2018-01-01", None)),
    }
    for name, run in runs.items():
        (tmp_path / name).mkdir()
        write_item(run, tmp_path / name, name)
    items = [json.loads((tmp_path / n / "item.json").read_text()) for n in runs]
    content = check(describe_collection("runs", items))
    path = tmp_path / "collection.json"
    path.write_text(json.dumps(content))
    collection = pystac.Collection.from_file(path)
    assert [item.id for item in collection.get_items()] == ["a", "b", "c"]
    first, last = collection.extent.temporal.intervals[0]
    assert (first.year, last.year) == (2018, 2021)
    (extent,) = collection.extent.spatial.bboxes
    boxes = np.array([item["bbox"] for item in items[:2]])
    assert extent == [*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)]


def test_same_findings_give_same_bytes(make_run, tmp_path):
    """Times and sizes of memory are for run.json."""
    contents = []
    for created in ("2024-01-01", "2025-01-01"):
        run = make_run() | {"created": created, "seconds": {"fit": len(contents)}}
        contents.append(write_item(run, tmp_path, "x").read_bytes())
    assert contents[0] == contents[1]
