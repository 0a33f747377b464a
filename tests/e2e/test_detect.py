"""The main job through its public functions, on rasters made in code."""

from __future__ import annotations

import json

import numpy as np
import pyogrio
import pytest
import rasterio
from affine import Affine
from scipy.ndimage import gaussian_filter

import geochange as gc
from geochange.errors import DataWarning, InputError, OutputExistsError, UsageError

HERE = Affine(10, 0, 500000, 0, -10, 5000000)


NAMES = ("Blue", "Green", "Red", "NIR")


@pytest.fixture
def scene(write_raster):
    """A textured pair with two changed squares, and where they are."""
    rng = np.random.default_rng(3)
    ground = np.stack([gaussian_filter(rng.normal(0, 1, (150, 170)), 3) for _ in range(4)])
    before = 1000 + 2500 * ground + rng.normal(0, 15, ground.shape)
    after = 1.1 * (1000 + 2500 * ground) + 60 + rng.normal(0, 15, ground.shape)
    truth = np.zeros((150, 170), bool)
    for row, col in ((30, 40), (100, 120)):
        truth[row : row + 12, col : col + 14] = True
    after[:, truth] += np.array([900, 800, 700, -500])[:, None]
    paths = [
        write_raster(f"{name}.tif", image.clip(1, 9999).astype(np.uint16), names=NAMES, nodata=0)
        for name, image in (("2020-05-01", before), ("2022-06-02", after))
    ]
    return paths, truth


def test_a_run_leaves_what_the_contract_says(scene, tmp_path):
    (before, after), truth = scene
    result = gc.detect(before, after, tmp_path / "out", method="cva", threshold="otsu")
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {
        "score.tif", "mask.tif", "changes.gpkg", "changes.geojson", "changes.qgz",
        "report.html", "run.json", "item.json", "quicklook",
    }  # fmt: skip
    with rasterio.open(tmp_path / "out" / "mask.tif") as dataset:
        mask = dataset.read(1)
        assert dataset.nodata == 255
    found = mask == 1
    assert (found & truth).sum() / (found | truth).sum() > 0.9
    frame = result.polygons()
    assert len(frame) == result.count == 2
    assert frame.geometry.is_valid.all()
    assert frame["pixels"].sum() == found.sum()
    assert frame["area_m2"].sum() == pytest.approx(100 * found.sum(), rel=2e-3)
    assert set(frame["date_before"].astype(str).str[:10]) == {"2020-05-01"}
    assert {"delta_Blue", "delta_NIR", "score_max", "perimeter_m"} <= set(frame.columns)
    assert (frame["delta_Blue"] > 0).all()
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["method"]["name"] == "cva"
    assert run["inputs"]["before"]["files"][0]["sha256"]
    assert "geochange detect" in run["command"]
    assert not list(tmp_path.glob("*.partial"))


def test_tile_size_and_workers_do_not_change_the_result(scene, tmp_path):
    (before, after), _ = scene
    contents = []
    for tile_size, workers in ((64, 1), (48, 2), (512, 2)):
        out = tmp_path / f"out{tile_size}"
        gc.detect(before, after, out, method="irmad", tile_size=tile_size, threads=workers)
        with rasterio.open(out / "score.tif") as score, rasterio.open(out / "mask.tif") as mask:
            contents.append((score.read(1).astype(int), mask.read(1)))
        frame = pyogrio.read_dataframe(out / "changes.gpkg", layer="changes")
        contents[-1] += (frame.drop(columns="geometry").to_csv(), frame.geometry.to_wkt().to_list())
    for other in contents[1:]:
        assert abs(other[0] - contents[0][0]).max() <= 1
        np.testing.assert_array_equal(other[1], contents[0][1])
        assert other[3] == contents[0][3]


def test_invalid_pixels_are_never_no_change(scene, tmp_path, write_raster):
    (before, after), _ = scene
    codes = np.zeros((1, 150, 170), np.uint8)
    codes[0, 20:60, 30:70] = 1
    mask_path = write_raster("clouds.tif", codes)
    gc.detect(before, after, tmp_path / "out", method="cva", mask_after=mask_path, threshold=0.5)
    for name, nodata in (("mask", 255), ("score", 65535)):
        with rasterio.open(tmp_path / "out" / f"{name}.tif") as dataset:
            pixels = dataset.read(1)
            assert dataset.nodata == nodata
        np.testing.assert_array_equal(pixels == nodata, codes[0] == 1)


def test_nothing_changed_is_an_answer(scene, tmp_path, write_raster):
    (before, _), _ = scene
    with rasterio.open(before) as dataset:
        pixels = dataset.read().astype(float)
    noisy = pixels * 1.2 + 40 + np.random.default_rng(1).normal(0, 15, pixels.shape)
    again = write_raster("again.tif", noisy.astype(np.uint16), names=NAMES, nodata=0)
    result = gc.detect(before, again, tmp_path / "out")
    assert result.threshold is None or result.run["changes"]["share_of_valid"] <= 0.001
    assert (result.polygons()["pixels"] <= 4).all()
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000


def test_an_existing_result_is_kept_unless_told_otherwise(scene, tmp_path):
    (before, after), _ = scene
    out = tmp_path / "out"
    gc.detect(before, after, out, method="cva")
    stamp = (out / "run.json").read_bytes()
    with pytest.raises(OutputExistsError, match="overwrite"):
        gc.detect(before, after, out, method="cva")
    assert (out / "run.json").read_bytes() == stamp
    result = gc.detect(before, after, out, method="cva", overwrite=True, products=("score",))
    assert {p.name for p in out.iterdir()} == {"score.tif", "run.json", "item.json", "quicklook"}
    assert result.path == out
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputExistsError, match="not a result of geochange"):
        gc.detect(before, after, precious, overwrite=True)
    assert (precious / "thesis.txt").exists()


def test_a_failing_run_leaves_nothing(scene, tmp_path, write_raster):
    (before, _), _ = scene
    empty = write_raster("empty.tif", np.zeros((4, 150, 170), np.uint16), names=NAMES, nodata=0)
    nans = write_raster("nans.tif", np.full((4, 150, 170), np.nan, np.float32), names=NAMES)
    for after in (empty, nans):
        with pytest.raises(InputError, match="valid"):
            gc.detect(before, after, tmp_path / "out")
    for arguments in ({"method": "irmd"}, {"min_area": "big"}, {"threshold": "otsuu"}):
        with pytest.raises(UsageError):
            gc.detect(before, before, tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.partial").exists()


def test_a_change_map_shows_itself(scene, tmp_path):
    (before, after), truth = scene
    result = gc.detect(before, after, tmp_path / "out", method="cva", threshold="otsu")
    again = gc.open_map(tmp_path / "out")
    assert "2 changes" in repr(again)
    page = again._repr_html_()
    assert page.count("<img") == 4
    assert "<script" not in page
    assert len(page) < 300_000
    score = result.open()
    assert score.chunks is not None
    assert score.attrs == {"long_name": "change score"}
    assert str(score.rio.crs) == "EPSG:32632"
    assert score.shape == truth.shape
    assert float(score.where(truth).mean()) > float(score.where(~truth).mean()) + 0.2
    assert set(np.unique(result.open("mask"))) == {0, 1}
    figure = again.plot()
    assert len(figure.axes) == 4
    swipe = again.swipe(400).to_html(tmp_path / "swipe.html")
    assert "resize:horizontal" in swipe.read_text()


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:32633", "EPSG:3035"])
@pytest.mark.parametrize("size", [10.0, 7.0, 14.0])
@pytest.mark.parametrize("origin", [0.0, 0.5, 0.27])
def test_grids_that_differ_give_the_same_changes(tmp_path, write_raster, crs, size, origin):
    """The after date on another CRS, resolution and sub-pixel origin: centroids within 0.5 px."""
    rng = np.random.default_rng(5)
    fine = np.stack([gaussian_filter(rng.normal(0, 1, (600, 600)), 9) for _ in range(3)])
    changed = fine.copy()
    for row, col in ((150, 160), (380, 420)):
        changed[:, row : row + 60, col : col + 50] += 0.25
    fine, changed = (
        20000 * image + 5000 + rng.normal(0, 300, fine.shape) for image in (fine, changed)
    )
    at = HERE @ Affine.scale(0.2)
    sources = [
        write_raster(f"{name}.tif", image.astype(np.float32), transform=at)
        for name, image in (("fine_before", fine), ("fine_after", changed))
    ]
    from odc.geo.geobox import GeoBox
    from pyproj import Transformer

    from geochange.io.rasters.geotiff import GridReader
    from geochange.io.rasters.rasterfile import describe_raster
    from geochange.tiles import Window

    def resample(source, geobox, name):
        reader = GridReader(describe_raster(source), geobox)
        pixels, valid = reader.read(Window(0, 0, *geobox.shape))
        pixels[:, ~valid] = np.nan
        return write_raster(
            name, pixels, crs=str(geobox.crs), transform=geobox.affine, nodata=np.nan
        )

    before_grid = GeoBox((110, 110), HERE @ Affine.translation(4, 4), "EPSG:32632")
    x, y = Transformer.from_crs("EPSG:32632", crs, always_xy=True).transform(500030, 4999970)
    n = int(1150 / size)
    there = Affine(size, 0, x + origin * size, 0, -size, y - origin * size)
    after_grid = GeoBox((n, n), there, crs)
    before = resample(sources[0], before_grid, "before.tif")
    aligned = resample(sources[1], before_grid, "aligned.tif")
    after = resample(sources[1], after_grid, "after.tif")
    settings = {"min_area": "20px", "products": ("changes",)}
    first = gc.detect(before, aligned, tmp_path / "a", **settings).polygons()
    second = gc.detect(before, after, tmp_path / "b", **settings).polygons()
    assert len(first) == len(second) == 2
    ours = first.geometry.centroid
    theirs = second.geometry.centroid
    assert all(theirs.distance(point).min() < 5 for point in ours)


def test_a_finished_score_can_be_cut_again(scene, tmp_path):
    (before, after), _ = scene
    result = gc.detect(before, after, tmp_path / "out", method="cva", threshold="otsu")
    found = gc.threshold(result, "otsu")
    assert found.value == pytest.approx(result.threshold)
    again = gc.clean(result, tmp_path / "again.tif", found.value)
    with rasterio.open(again) as one, rasterio.open(tmp_path / "out" / "mask.tif") as other:
        np.testing.assert_array_equal(one.read(1), other.read(1))
        assert one.transform == other.transform
    path, count = gc.vectorize(again, tmp_path / "again.gpkg")
    ours = pyogrio.read_dataframe(path, layer="changes")
    assert count == result.count
    assert ours.geometry.geom_equals(result.polygons().geometry).all()
    assert gc.vectorize(again, tmp_path / "large.geojson", min_area="999px")[1] == 0
    smooth = gc.vectorize(again, tmp_path / "smooth.gpkg", smooth=True)[0]
    areas = pyogrio.read_dataframe(smooth, layer="changes").geometry.area
    np.testing.assert_allclose(areas, ours.geometry.area, rtol=0.01)
    with pytest.raises(OutputExistsError):
        gc.clean(result, again)
    with pytest.raises(OutputExistsError):
        gc.vectorize(again, path)


def test_different_band_counts_run_through_a_method_for_them(scene, tmp_path, write_raster):
    (before, _), _ = scene
    with rasterio.open(before) as dataset:
        pixels = dataset.read()
    three = write_raster("three.tif", pixels[:3], nodata=0)
    with pytest.warns(DataWarning, match="4 and 3 bands"):
        result = gc.detect(before, three, tmp_path / "out")
    assert result.run["method"]["name"] == "irmad"
    assert not [name for name in result.polygons().columns if name.startswith("delta_")]
    with pytest.warns(DataWarning), pytest.raises(InputError, match="bands"):
        gc.detect(before, three, tmp_path / "cva", method="cva")


def test_a_pair_without_crs_has_everything_but_geojson(write_raster, tmp_path):
    rng = np.random.default_rng(0)
    before = rng.integers(90, 110, (3, 120, 130)).astype(np.uint8)
    after = before + rng.integers(0, 5, before.shape).astype(np.uint8)
    after[:, 40:60, 50:70] = 240
    paths = [write_raster(f"{n}.tif", a, crs=None) for n, a in (("b", before), ("a", after))]
    with pytest.warns(DataWarning, match="no CRS"):
        result = gc.detect(*paths, tmp_path / "out")
    assert not (tmp_path / "out" / "changes.geojson").exists()
    frame = result.polygons()
    assert result.area_m2 is None
    assert frame.crs is None
    assert len(frame) == 1
    assert frame["area_m2"].isna().all()
    with pytest.raises(UsageError, match="CRS"):
        gc.detect(*paths, tmp_path / "o2", min_area="50m2")


def test_what_cannot_work_is_said_before_any_pixel_is_scored(scene, tmp_path, monkeypatch):
    import geochange.pipeline

    def score(*_, **__):
        raise AssertionError

    monkeypatch.setattr(geochange.pipeline, "score_tiles", score)
    (before, after), _ = scene
    for arguments, words in (
        ({"threshold": "otsuu"}, "did you mean 'otsu'"),
        ({"threshold": "p:0.1", "method": "pca-kmeans"}, "p:"),
        ({"threshold": 2}, "0..1"),
        ({"products": ("scores",)}, "did you mean 'score'"),
        ({"products": "score"}, "list of names"),
        ({"products": ("report",)}, "need 'changes'"),
        ({"tile_size": 0}, "at least 16"),
        ({"workers": -1}, "workers"),
    ):
        with pytest.raises(UsageError, match=words):
            gc.detect(before, after, tmp_path / "out", **arguments)
    assert not list(tmp_path.glob("out*"))


def test_numpy_arguments_are_as_good_as_python_ones(scene, tmp_path):
    (before, after), _ = scene
    result = gc.detect(
        before,
        after,
        tmp_path / "out",
        method="cva",
        tile_size=np.int64(64),
        bands=np.array([1, 2, 3]),
        threshold=np.float32(1e-5),
        products=("score", "changes"),
    )
    assert result.run["settings"]["bands"] == [1, 2, 3]
    assert result.threshold == pytest.approx(1e-5)


def test_a_run_may_not_overwrite_its_own_inputs(scene, tmp_path):
    (before, after), _ = scene
    first, second = gc.align(before, after, tmp_path / "al")[0]
    with pytest.raises(OutputExistsError, match="holds an input"):
        gc.detect(first, second, tmp_path / "al", overwrite=True)
    assert first.exists()
    assert second.exists()


def test_bands_that_the_method_does_not_look_at_change_nothing_but_their_deltas(
    write_raster, tmp_path, monkeypatch
):
    rng = np.random.default_rng(3)
    ground = 1000 + 2500 * gaussian_filter(rng.normal(0, 1, (7, 150, 170)), (0, 3, 3))
    before, after = (ground + rng.normal(0, 15, ground.shape) for _ in range(2))
    after[:, 30:42, 40:54] += np.arange(300, 1000, 100)[:, None, None]
    names = ("B01", "B02", "B03", "B04", "B08", "B11", "B12")
    paths = [
        write_raster(f"{day}.tif", image.clip(1, 9999).astype(np.uint16), names=names, nodata=0)
        for day, image in (("2020-05-01", before), ("2022-06-02", after))
    ]
    assert gc.open_pair(*paths).traits.roles[1:4] == ("blue", "green", "red")
    measured = []
    monkeypatch.setattr(
        "geochange.pipeline.describe_limits", lambda pair, *_: measured.append(pair) or {}
    )
    tags = {"method": "context", "register": "off", "normalize": "off", "sensitivity": True}
    lean = gc.detect(*paths, tmp_path / "lean", **tags)
    monkeypatch.setattr("geochange.pipeline.see_needed", lambda detector, pair, shown: pair)
    full = gc.detect(*paths, tmp_path / "full", **tags)
    for layer in ("score", "mask"):
        np.testing.assert_array_equal(lean.open(layer).values, full.open(layer).values)
    columns = [name for name in full.polygons().columns if name != "geometry"]
    assert "delta_B12" in columns
    assert lean.count == full.count > 0
    assert lean.polygons()[columns].equals(full.polygons()[columns])
    assert measured[0] == measured[1]
