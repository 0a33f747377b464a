"""Scenes on one grid: georeference, labels, validity, and the part that is used."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.errors import GridError, InputError
from geochange.testing import coordinate_image
from geochange.tiles import Window
from geochange.training.scenes.layouts import SceneFiles
from geochange.training.scenes.scene import open_scene
from geochange.training.settings.data import DataConfig, SourceConfig

from ..conftest import save

DATA = DataConfig()


def files(folder, *, label="label.tif", **source):
    paths = (str(folder / f"{name}.tif") for name in ("before", "after"))
    return SceneFiles("here", *paths, str(folder / label) if label else "", SourceConfig(**source))


def test_whole_scene_label_and_validity(write_scene):
    scene = open_scene(files(write_scene("s", invalid_rows=10)), DATA)
    sample = scene.read(Window(0, 0, *scene.shape))
    assert sample.before.shape == (3, 64, 64)
    assert sample.before.dtype == np.float32
    assert not sample.valid[:10].any()
    assert sample.valid[10:].all()
    assert (sample.label[:10] == 255).all()
    assert (sample.after[:, :10] == 0).all()
    assert set(np.unique(sample.label[10:])) == {0, 1}
    assert (scene.read_label(Window(0, 0, 64, 64))[10:] == sample.label[10:]).all()


def test_windows_that_leave_the_scene_and_parts_of_it(write_scene):
    folder = write_scene("s")
    whole = open_scene(files(folder), DATA).read(Window(0, 0, 64, 64))
    scene = open_scene(files(folder, rows=(0.25, 0.75), cols=(0.5, 1.0)), DATA)
    assert scene.shape == (32, 32)
    assert scene.geobox.affine.c == 500_000 + 2 * 32
    assert scene.geobox.affine.f == 5_000_000 - 2 * 16
    sample = scene.read(Window(-4, -4, 40, 40))
    inside = np.zeros((40, 40), bool)
    inside[4:36, 4:36] = True
    assert (sample.valid == inside).all()
    assert (sample.label[~inside] == 255).all()
    assert (sample.before[:, 4:36, 4:36] == whole.before[:, 16:48, 32:]).all()
    assert (sample.label[4:36, 4:36] == whole.label[16:48, 32:]).all()


def test_every_date_is_read_where_it_lies(tmp_path):
    """The after date starts 0.72 columns and 0.4 rows further, as in the building set."""
    grid = GeoBox((48, 48), Affine(2, 0, 500_000, 0, -2, 5_000_000), "EPSG:32632")
    shifted = GeoBox((48, 48), grid.affine @ Affine.translation(0.72, 0.4), grid.crs)
    for name, box in (("before", grid), ("after", shifted)):
        local = Affine.translation(-500_000, -5_000_000) @ box.affine
        image = coordinate_image(GeoBox(box.shape, local, box.crs))
        origin = box.affine.c, box.affine.f
        save(tmp_path / f"{name}.tif", image.astype(np.float32), crs="EPSG:32632", origin=origin)
    label = np.zeros((1, 48, 48), np.uint8)
    label[0, 20, 30] = 1
    save(tmp_path / "label.tif", label, crs="EPSG:32632", origin=(500_000, 5_000_000))
    sample = open_scene(files(tmp_path), DATA).read(Window(0, 0, 48, 48))
    inner = np.zeros((48, 48), bool)
    inner[4:-4, 4:-4] = True
    assert np.abs(sample.before - sample.after)[:, inner].max() < 0.02
    assert sample.label[20, 30] == 1
    assert (sample.label == 1).sum() == 1


def test_polygons_are_labels(write_scene, tmp_path):
    folder = write_scene("s", label=False)
    box = shapely.box(500_010, 4_999_960, 500_030, 4_999_980)
    frame = geopandas.GeoDataFrame(geometry=[box], crs="EPSG:32632")
    for name in ("truth.gpkg", "truth.geojson"):
        frame.to_crs("EPSG:4326" if "geojson" in name else frame.crs).to_file(folder / name)
        label = open_scene(files(folder, label=name), DATA).read(Window(0, 0, 64, 64)).label
        assert (label[10:20, 5:15] == 1).all()
        assert (label == 1).sum() == 100
    with pytest.raises(InputError, match=r"scene here: label .* holds polygons"):
        open_scene(files(folder, label="truth.gpkg"), DATA, changed=(1,))


def test_label_values_that_mean_change(write_scene):
    folder = write_scene("s", change=2)
    kept = open_scene(files(folder), DATA, changed=(1,)).read(Window(0, 0, 64, 64)).label
    assert (kept == 0).all()
    silent = open_scene(files(folder, ignore=(2,)), DATA).read(Window(0, 0, 64, 64)).label
    assert set(np.unique(silent)) == {0, 255}


def test_labels_elsewhere_are_refused(write_scene, tmp_path):
    folder = write_scene("s")
    far = write_scene("far", east_px=100_000)
    (far / "label.tif").replace(folder / "far.tif")
    with pytest.raises(GridError, match=r"scene here: label .*far.tif does not overlap the images"):
        open_scene(files(folder, label="far.tif"), DATA)
    frame = geopandas.GeoDataFrame(geometry=[shapely.box(0, 0, 9, 9)], crs="EPSG:32632")
    frame.to_file(folder / "far.gpkg")
    with pytest.raises(GridError, match="does not overlap the images: no polygon lies on them"):
        open_scene(files(folder, label="far.gpkg"), DATA)
    save(folder / "bare.tif", np.zeros((1, 9, 9), np.uint8), crs=None, origin=None)
    with pytest.raises(InputError, match=r"scene here: .*bare.tif has 9 x 9 px"):
        open_scene(files(folder, label="bare.tif"), DATA)


def test_missing_images_name_the_scene(write_scene):
    folder = write_scene("s")
    (folder / "after.tif").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"scene here: .*after.tif is not a raster"):
        open_scene(files(folder), DATA)
    with rasterio.open(folder / "before.tif") as dataset:
        assert dataset.count == 3
