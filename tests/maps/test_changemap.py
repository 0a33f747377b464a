import json
import os

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from PIL import Image

from geochange.errors import InputError
from geochange.exports.rasters.cog import write_mask, write_score
from geochange.io.stores.score import encode_score
from geochange.io.stores.tilestore import TileStore
from geochange.maps.changemap import ChangeMap, open_map

GRID = GeoBox((30, 40), Affine(10, 0, 500000, 0, -10, 4000000), "EPSG:32633")


@pytest.fixture
def make_run(tmp_path):
    """Write a run that was told to leave things out."""

    def make(products=(), kind="detect"):
        folder = tmp_path / "run"
        (folder / "quicklook").mkdir(parents=True)
        for name in ("before", "after"):
            picture = np.full((30, 40, 4), 200, np.uint8)
            Image.fromarray(picture).save(folder / "quicklook" / f"{name}.png")
        score = TileStore(tmp_path / "s", GRID, 40, "uint16", 65535)
        mask = TileStore(tmp_path / "m", GRID, 40, "uint8", 255)
        pixels = np.linspace(0, 1, 1200, dtype=np.float32).reshape(30, 40)
        pixels[0, 0] = np.nan
        score.write(score.plan[0], encode_score(pixels))
        mask.write(mask.plan[0], (pixels > 0.5).astype(np.uint8))
        if "score" in products:
            write_score(score, folder / "score.tif", tags={})
        if "mask" in products:
            write_mask(mask, folder / "mask.tif", tags={})
        run = {
            "kind": kind,
            "grid": {"crs": "EPSG:32633", "affine": list(GRID.affine)[:6], "height": 30,
                     "width": 40},
            "inputs": {"before": {"date": "2020-01-01"}, "after": {}},
            "method": {"name": "cva", "reason": "chosen"},
            "threshold": {"value": 0.5, "reason": "fixed"},
        }  # fmt: skip
        if kind == "align":
            del run["grid"]
        (folder / "run.json").write_text(json.dumps(run))
        return folder

    return make


@pytest.mark.parametrize("products", [(), ("score",), ("mask",), ("score", "mask")])
def test_what_is_there_is_shown(products, make_run):
    result = open_map(make_run(products))
    assert repr(result) == ("<ChangeMap 30 x 40 px EPSG:32633 | no polygons | threshold 0.500>")
    assert result.geobox == GRID
    assert result.count is None
    assert result.area_m2 is None
    assert result.layers == products
    assert result._repr_html_().count("<figure") == len(products)
    drawn = [axes for axes in result.plot().axes if axes.images]
    assert len(drawn) == 2 + len(products)


def test_what_is_missing_names_the_product(make_run):
    result = open_map(make_run())
    for ask, product in (
        (result.polygons, "changes"),
        (result.open, "score"),
        (lambda: result.open("mask"), "mask"),
        (lambda: result.picture("score"), "score"),
    ):
        with pytest.raises(InputError, match=f"run detect with '{product}' among its products"):
            ask()


def test_a_score_is_opened_decoded(make_run):
    score = open_map(make_run(("score",))).open("score")
    expected = np.linspace(0, 1, 1200, dtype=np.float32).reshape(30, 40)
    expected[0, 0] = np.nan
    assert score.dtype == np.float32
    assert score.rio.crs.to_epsg() == 32633
    np.testing.assert_allclose(score.values, expected, atol=1e-5)


def test_aligned_dates_are_no_map(make_run):
    folder = make_run(kind="align")
    with pytest.raises(InputError, match=r"was written by align; give the output directory of"):
        open_map(folder)


def test_a_map_stays_where_it_is(make_run, monkeypatch):
    folder = make_run()
    monkeypatch.chdir(folder.parent)
    result = ChangeMap("run")
    os.chdir("/")
    assert result.path == folder
    assert result.geobox == GRID
