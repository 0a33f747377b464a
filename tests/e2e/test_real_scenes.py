"""The main job on the development data sets; skipped where they are not."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

import geochange as gc

LIGHT = {"products": ("score", "mask")}


def test_every_oscd_city_opens_on_the_grid_of_its_label(real_data):
    cities = sorted(path.parent for path in (real_data / "oscd").glob("*/label.tif"))
    assert len(cities) == 14
    for city in cities:
        pair = gc.open_pair(city / "before", city / "after")
        assert len(pair.before.bands) == len(pair.after.bands) == 13
        with rasterio.open(city / "label.tif") as label:
            here = label.transform
            lost = np.subtract(label.shape, pair.shape)
        assert pair.geobox.affine.almost_equals(here, 1e-9) or lost.max() <= 2, city.name
        assert lost.max() <= 2, city.name
        assert abs(pair.traits.gsd_m - 10) < 1


def test_landsat_nanjing_is_mapped_as_well_as_a_plain_irmad(real_data, tmp_path):
    scene = real_data / "landsat_nanjing"
    result = gc.detect(scene / "before.tif", scene / "after.tif", tmp_path / "out", **LIGHT)
    found = gc.evaluate(result, scene / "label.tif", changed=1, ignore=0)
    assert found.scores["kappa"] > 0.70
    assert result.run["inputs"]["before"]["date"] == "2000-05-03"


@pytest.mark.parametrize(("pair", "floor"), [("sulzberger", 0.9), ("farmland", 0.8)])
def test_radar_pairs_are_mapped_by_their_ratio(real_data, tmp_path, pair, floor):
    scene = real_data / "sar" / pair
    result = gc.detect(scene / "before.tif", scene / "after.tif", tmp_path / "out", **LIGHT)
    assert result.run["method"]["name"] == "log-ratio"
    assert gc.evaluate(result, scene / "label.tif").scores["kappa"] > floor


@pytest.mark.filterwarnings("ignore:no GeoJSON")
@pytest.mark.parametrize(
    "name", ["oscd/beirut/before", "landsat_nanjing/before.tif", "sar/sulzberger/before.tif"]
)
def test_a_disturbed_copy_of_a_scene_is_no_change(real_data, tmp_path, write_raster, name):
    source = real_data / name
    files = sorted(source.glob("B0[2348].tif")) if source.is_dir() else [source]
    pair = gc.open_pair(files, files)
    pixels = pair.read_window(gc.Window(0, 0, *pair.shape)).before
    rng = np.random.default_rng(0)
    spread = pixels.std(axis=(1, 2), keepdims=True)
    noisy = 1.15 * pixels + 0.1 * spread + 0.02 * spread * rng.normal(size=pixels.shape)
    copies = [
        write_raster(
            f"{when}.tif",
            image.astype(np.float32),
            crs=None if pair.geobox.crs is None else str(pair.geobox.crs),
            transform=pair.geobox.affine,
            names=pair.before.bands,
        )
        for when, image in (("one", pixels), ("two", noisy))
    ]
    result = gc.detect(*copies, tmp_path / "out", products=("score", "mask", "changes"))
    assert result.run["changes"]["share_of_valid"] <= 0.001
    assert (result.polygons()["pixels"] <= 4).all()
