"""The project of a run, opened and drawn by real QGIS."""

import datetime
import json
from functools import partial
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from PIL import Image

from geochange.exports.qgis.project import ShownDate, list_bookmarks, write_project
from geochange.exports.rasters.cog import write_mask, write_score
from geochange.exports.rasters.vrt import write_stack_vrt
from geochange.exports.vectors.changes import best_changes
from geochange.exports.vectors.fields import polygon_fields
from geochange.exports.vectors.gpkg import write_gpkg
from geochange.io.stores.score import encode_score
from geochange.io.stores.tilestore import TileStore

CHECK = Path(__file__).with_name("check_qgis.py")
SIZE = 120
HOLE = (10, 40)  # rows and columns without data
BUILT = (60, 90)  # rows and columns of the one change
DATES = (datetime.date(2018, 3, 1), datetime.date(2020, 6, 9))


def make_run(folder, geobox, found=True):
    """Two grey images, before in three files; one bright square appears."""
    values = np.full((3, SIZE, SIZE), 1000, np.uint16)
    values[:, slice(*HOLE), slice(*HOLE)] = 0
    built = values.copy()
    built[:, slice(*BUILT), slice(*BUILT)] = 2000
    profile = {
        "driver": "GTiff",
        "height": SIZE,
        "width": SIZE,
        "dtype": "uint16",
        "nodata": 0,
        "transform": geobox.affine,
        "crs": geobox.crs.to_wkt() if geobox.crs else None,
    }
    inputs, out = folder / "in", folder / "out"
    inputs.mkdir()
    out.mkdir()
    for band in range(3):
        with rasterio.open(inputs / f"B{band}.tif", "w", count=1, **profile) as file:
            file.write(values[band], 1)
    with rasterio.open(inputs / "after.tif", "w", count=3, **profile) as file:
        file.write(built)
    stack = write_stack_vrt([(inputs / f"B{band}.tif", 1) for band in range(3)], out / "before.vrt")
    score = np.where(built[0] == 2000, np.float32(0.8), np.float32(0.1))
    score[built[0] == 0] = np.nan
    levels = TileStore(folder / "score", geobox, SIZE, "uint16", 65535)
    mask = TileStore(folder / "mask", geobox, SIZE, "uint8", 255)
    levels.write(levels.plan[0], encode_score(score))
    mask.write(mask.plan[0], np.where(np.isnan(score), 255, score > 0.5).astype(np.uint8))
    write_score(levels, out / "score.tif", tags={})
    write_mask(mask, out / "mask.tif", tags={})
    fields = polygon_fields(["red"])
    changes = write_gpkg(
        [_polygon(geobox)] if found else [], out / "changes.gpkg", fields=fields, geobox=geobox
    )
    stretch = ((500.0, 2500.0),) * 3
    best = best_changes(changes, 200)
    return write_project(
        out / "changes.qgz",
        before=ShownDate(str(stack), (1, 2, 3), stretch, geobox.crs, DATES[0]),
        after=ShownDate(str(inputs / "after.tif"), (1, 2, 3), stretch, geobox.crs, DATES[1]),
        geobox=geobox,
        classes=["building <b>"] if found else [],
        fields=fields,
        bookmarks=list_bookmarks(best, geobox),
    )


def _polygon(geobox):
    low, high = BUILT
    corners = [geobox.affine * c for c in ((low, low), (high, low), (high, high), (low, high))]
    return geopandas.GeoDataFrame(
        {
            "id": [1],
            "class": ["building <b>"],
            "score_mean": [0.8],
            "score_max": [0.8],
            "pixels": [900],
            "area_m2": [90000.0],
            "perimeter_m": [1200.0],
            "date_before": DATES[:1],
            "date_after": DATES[1:],
        },
        geometry=[shapely.Polygon(corners)],
        crs=geobox.crs.to_wkt() if geobox.crs else None,
    )


@pytest.fixture
def check(run_with_qgis):
    """Open a project in QGIS and return what it found and drew."""
    return partial(open_project, run_with_qgis)


def open_project(run_with_qgis, project, folder):
    pictures = folder / "pictures"
    pictures.mkdir()
    run = run_with_qgis(CHECK, project, pictures)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    drawn = {
        theme: np.asarray(Image.open(pictures / f"{theme}.png").convert("RGB")).astype(int)
        for theme in found["themes"]
    }
    return found, drawn


def look_at(picture, row, col):
    """Colour of a pixel of the grid in a picture of all of it."""
    height, width = picture.shape[:2]
    return picture[int((row + 0.5) * height / SIZE), int((col + 0.5) * width / SIZE)]


GRIDS = {
    "utm": GeoBox((SIZE, SIZE), Affine(10, 0, 500000, 0, -10, 4000000), "EPSG:32633"),
    "degrees": GeoBox((SIZE, SIZE), Affine(1e-4, 0, 12, 0, -1e-4, 50), "EPSG:4326"),
    "custom": GeoBox(
        (SIZE, SIZE),
        Affine(10, 0, 0, 0, -10, 0),
        "+proj=laea +lat_0=47 +lon_0=11 +ellps=WGS84 +units=m",
    ),
    "no crs": GeoBox((SIZE, SIZE), Affine(1, 0, 0, 0, -1, 0), None),
}


@pytest.mark.parametrize("name", GRIDS)
def test_project_opens_styled_and_draws_the_change(name, tmp_path, check):
    geobox = GRIDS[name]
    found, drawn = check(make_run(tmp_path, geobox), tmp_path)
    assert found["loaded"]
    assert found["error"] == ""
    layers = found["layers"]
    assert {key: layer["renderer"] for key, layer in layers.items()} == {
        "geochange_after_layer": "multibandcolor",
        "geochange_before_layer": "multibandcolor",
        "geochange_changes_layer": "categorizedSymbol",
        "geochange_mask_layer": "paletted",
        "geochange_score_layer": "singlebandpseudocolor",
    }
    assert all(layer["valid"] for layer in layers.values())
    crs = {"utm": "EPSG:32633", "degrees": "EPSG:4326", "no crs": ""}
    if name in crs:
        assert {found["crs"], *(layer["crs"] for layer in layers.values())} == {crs[name]}
    else:
        assert found["crs"]
    assert found["groups"] == ["After 2020-06-09", "Before 2018-03-01"]
    assert found["classes"] == ["building <b>", ""]
    assert found["stretch"]["geochange_before_layer"] == [500.0, 2500.0]
    assert found["stretch"]["geochange_after_layer"] == [500.0, 2500.0]
    assert found["bookmarks"] == ["001 building <b> 0.80"]
    assert found["period"] == ["2018-03-01", "2020-06-10"]
    assert found["status_widget"] == "ValueMap"
    assert found["default_style"] == "categorizedSymbol"
    assert found["styles_alone"] == ["by class", "by score", "by review"]

    gray, bright, white, red = [64] * 3, [191] * 3, [255] * 3, np.array([228, 26, 28])
    for theme, change in (("Before", gray), ("After", bright)):
        np.testing.assert_allclose(look_at(drawn[theme], 75, 75), change, atol=2)
        np.testing.assert_allclose(look_at(drawn[theme], 100, 20), gray, atol=2)
        np.testing.assert_allclose(look_at(drawn[theme], 25, 25), white, atol=2)
    blended = 0.45 * red + 0.55 * np.array(bright)
    np.testing.assert_allclose(look_at(drawn["After + change"], 75, 75), blended, atol=4)
    np.testing.assert_allclose(look_at(drawn["After + change"], 100, 20), gray, atol=2)
    score = look_at(drawn["After + score"], 75, 75)
    assert score[0] > 1.5 * score[1]
    np.testing.assert_allclose(look_at(drawn["After + score"], 100, 20), gray, atol=2)


def test_run_without_changes_opens_too(tmp_path, check):
    found, drawn = check(make_run(tmp_path, GRIDS["utm"], found=False), tmp_path)
    assert all(layer["valid"] for layer in found["layers"].values())
    assert found["features"] == 0
    assert found["bookmarks"] == []
    np.testing.assert_array_equal(drawn["After"], drawn["After + change"])
