import json
import warnings
from concurrent.futures import ThreadPoolExecutor

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import Transformer
from scipy import ndimage
from sklearn import metrics

from geochange.errors import DataWarning, GridError, InputError, InputNotFoundError, UsageError
from geochange.evaluation import Counts, ObjectCounts, count_pixels, evaluate, mean_scores, pool
from geochange.io.stores.score import SCORE_NODATA, SCORE_SCALE, encode_score

from .conftest import ORIGIN, transform_of


def scene(seed=0, shape=(70, 90), noise=0.6):
    """Blobs of change, a noisy score that sees most of them, and the mask of it."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.standard_normal(shape), 3)
    truth = (field > np.quantile(field, 0.9)).astype(np.uint8)
    blurred = ndimage.gaussian_filter(truth + noise * rng.standard_normal(shape), 1)
    score = np.clip(blurred, 0, 1).astype(np.float32)
    return truth, score, (score >= 0.4).astype(np.uint8)


@pytest.fixture
def write_run(write):
    """Write an output directory with a score and a mask."""

    def write_run(name, mask, score, **grid):
        write(
            f"{name}/score.tif", encode_score(score), nodata=SCORE_NODATA, scale=SCORE_SCALE, **grid
        )
        return write(f"{name}/mask.tif", mask, nodata=255, **grid).parent

    return write_run


def test_output_directory_against_scikit_learn(write, write_run):
    truth, score, mask = scene()
    evaluation = evaluate(write_run("out", mask, score), write("label.tif", truth))
    levels = encode_score(score)
    assert evaluation.counts == count_pixels(mask, truth)
    scores = evaluation.scores
    assert scores["f1"] == pytest.approx(metrics.f1_score(truth.ravel(), mask.ravel()))
    assert scores["average_precision"] == pytest.approx(
        metrics.average_precision_score(truth.ravel(), levels.ravel())
    )
    assert scores["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth.ravel(), levels.ravel()))
    total = evaluation.objects.tp + evaluation.objects.fn
    assert total == ndimage.label(truth, np.ones((3, 3)))[1]


@pytest.mark.parametrize("tile_size", [7, 33, 64])
def test_neither_tiles_nor_threads_matter(write, write_run, tile_size):
    truth, score, mask = scene(1)
    mask[:9, :20], score[:9, :20], truth[40:50, 60:] = 255, np.nan, 255
    run, label = write_run("out", mask, score), write("label.tif", truth)
    whole = evaluate(run, label)
    with ThreadPoolExecutor(2) as threads:
        tiled = evaluate(run, label, tile_size=tile_size, run=threads.map)
    assert tiled.counts == whole.counts == count_pixels(mask, truth)
    assert tiled.objects == whole.objects
    np.testing.assert_equal(tiled.scores, whole.scores)


def test_label_codes(write):
    truth, _, mask = scene(2)
    labels = np.where(truth, 1, 2).astype(np.uint8)
    labels[:, ::3] = 0
    evaluation = evaluate(write("mask.tif", mask), write("label.tif", labels), changed=1, ignore=0)
    known = np.where(labels == 0, 255, truth).astype(np.uint8)
    assert evaluation.counts == count_pixels(mask, known)
    assert evaluation.counts.ignored == truth[:, ::3].size


def test_default_codes_ignore_nodata_and_255(write):
    labels = np.array([[0, 1, 7, 9, 255]], np.uint8)
    mask = write("mask.tif", np.ones((1, 5), np.uint8))
    label = write("label.tif", labels, nodata=9)
    with pytest.warns(DataWarning, match="values 1, 7, which all count as change"):
        assert evaluate(mask, label).counts == Counts(tp=2, fp=1, ignored=2)
    assert evaluate(mask, label, changed=[255]).counts == Counts(tp=1, fp=3, ignored=1)
    assert evaluate(mask, label, changed=[1, 7, 9, 255], ignore=()).counts == Counts(tp=4, fp=1)


def test_floating_point_label_ignores_nan(write):
    mask = write("mask.tif", np.ones((1, 3), np.uint8))
    label = write("label.tif", np.array([[1, 0, np.nan]], np.float32))
    assert evaluate(mask, label).counts == Counts(tp=1, fp=1, ignored=1)


def test_codes_that_hide_a_class_warn(write):
    mask = write("mask.tif", np.array([[1, 0]], np.uint8))
    with pytest.warns(DataWarning, match="no changed pixel.*name `changed`"):
        evaluate(mask, write("a.tif", np.array([[255, 0]], np.uint8)))
    with pytest.warns(DataWarning, match="no unchanged pixel.*name `ignore`"):
        evaluate(mask, write("b.tif", np.array([[1, 0]], np.uint8), nodata=0))
    with pytest.warns(DataWarning, match="no known pixel in common"):
        evaluation = evaluate(mask, write("c.tif", np.array([[255, 255]], np.uint8)))
    assert np.isnan(evaluation.scores["accuracy"])


def test_a_crop_is_reported_as_unmapped(write):
    truth, _, mask = scene(3)
    crop = write("mask.tif", mask[5:, 8:-4], transform=transform_of(row=5, col=8))
    counts = evaluate(crop, write("label.tif", truth), tile_size=16).counts
    inside = count_pixels(mask[5:, 8:-4], truth[5:, 8:-4])
    assert counts == inside + Counts(unmapped=truth.size - inside.compared)


def test_a_label_far_larger_than_the_map_is_followed_one_map_far(write):
    mask = write("mask.tif", np.ones((4, 5), np.uint8), transform=transform_of(row=20, col=20))
    counts = evaluate(mask, write("label.tif", np.ones((60, 70), np.uint8))).counts
    assert counts == Counts(tp=20, unmapped=12 * 15 - 20)


def test_a_label_smaller_than_the_map_leaves_the_rest_ignored(write):
    label = write("label.tif", np.ones((3, 3), np.uint8), transform=transform_of(row=2, col=2))
    assert evaluate(write("mask.tif", np.ones((9, 9), np.uint8)), label).counts == Counts(
        tp=9, ignored=72
    )


@pytest.mark.parametrize("factor", [2, 0.5])
def test_label_of_another_resolution(write, factor):
    truth, _, mask = scene(4, shape=(60, 80))
    if factor == 2:
        labels, expected = np.kron(truth, np.ones((2, 2), np.uint8)), truth
    else:
        labels = truth[::2, ::2]
        expected = np.kron(labels, np.ones((2, 2), np.uint8))
    label = write("label.tif", labels, transform=transform_of(10 / factor))
    assert evaluate(write("mask.tif", mask), label, tile_size=32).counts == count_pixels(
        mask, expected
    )


def test_label_of_another_crs(write):
    """A block of changed pixels, labelled on a fine longitude-latitude grid."""
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:60] = 1
    to_utm = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    west, north = to_utm.transform(ORIGIN[0], ORIGIN[1], direction="INVERSE")
    step = 2e-5
    lon = west + step * (np.arange(700) - 100 + 0.5)
    lat = north - step * (np.arange(500) - 100 + 0.5)
    x, y = to_utm.transform(*np.meshgrid(lon, lat))
    col, row = np.floor((x - ORIGIN[0]) / 10), np.floor((ORIGIN[1] - y) / 10)
    labels = ((row >= 20) & (row < 40) & (col >= 30) & (col < 60)).astype(np.uint8)
    transform = Affine(step, 0, west - 100 * step, 0, -step, north + 100 * step)
    label = write("label.tif", labels, crs="EPSG:4326", transform=transform)
    for tile_size in (64, 17):
        counts = evaluate(write("mask.tif", mask), label, tile_size=tile_size).counts
        assert (counts.tp, counts.fp, counts.fn) == (600, 0, 0)
        assert counts.compared == mask.size
        assert counts.unmapped > 0


def test_without_crs_pixels_are_matched_by_position(write):
    truth = scene(5)[0]
    mask = write("mask.tif", truth, crs=None)
    assert evaluate(mask, write("label.tif", truth, crs=None)).counts.f1 == 1
    assert evaluate(mask, write("other.tif", truth)).counts.f1 == 1
    with pytest.raises(InputError, match=r"69 x 90 px, the map 70 x 90 px: without a CRS"):
        evaluate(mask, write("short.tif", truth[1:], crs=None))


def boxes(*bounds):
    """Boxes given as (row, col, stop row, stop col) of the 10 m grid."""
    return [
        shapely.box(
            ORIGIN[0] + 10 * c0, ORIGIN[1] - 10 * r1, ORIGIN[0] + 10 * c1, ORIGIN[1] - 10 * r0
        )
        for r0, c0, r1, c1 in bounds
    ]


@pytest.mark.parametrize(
    ("name", "crs"), [("t.gpkg", 32633), ("t.shp", 32633), ("t.geojson", 4326)]
)
def test_polygons(write, tmp_path, name, crs):
    mask = np.zeros((40, 50), np.uint8)
    mask[5:10, 5:15] = mask[20:30, 20:30] = mask[35, 45] = 1
    geometry = boxes((5, 5, 10, 10), (5, 10, 10, 15), (20, 20, 30, 31), (-9, -9, -8, -8))
    frame = geopandas.GeoDataFrame(geometry=geometry, crs=32633).to_crs(crs)
    frame.to_file(tmp_path / name, engine="pyogrio")
    truth = np.zeros_like(mask)
    truth[5:10, 5:15] = truth[20:30, 20:31] = 1
    for tile_size in (1024, 8):
        evaluation = evaluate(write("mask.tif", mask), tmp_path / name, tile_size=tile_size)
        assert evaluation.counts == count_pixels(mask, truth)
        assert evaluation.objects == ObjectCounts(tp=2, fp=1, fn=1)


def test_no_polygon_at_all_is_a_reference_without_change(write, tmp_path):
    mask = write("mask.tif", np.array([[1, 0]], np.uint8))
    empty = {"type": "FeatureCollection", "features": []}
    (tmp_path / "none.geojson").write_text(json.dumps(empty))
    assert evaluate(mask, tmp_path / "none.geojson").counts == Counts(fp=1, tn=1)


def test_polygons_elsewhere_warn(write, tmp_path):
    mask = write("mask.tif", np.array([[1, 0]], np.uint8))
    away = geopandas.GeoDataFrame(geometry=boxes((900, 900, 910, 910)), crs=32633)
    away.to_file(tmp_path / "away.gpkg", engine="pyogrio")
    with pytest.warns(DataWarning, match="no polygon of .* lies on the map"):
        assert evaluate(mask, tmp_path / "away.gpkg").counts == Counts(fp=1, tn=1)


def test_score_alone(write):
    truth, score, _ = scene(6)
    truth[0], score[:, 0] = 255, np.nan
    evaluation = evaluate(write("score.tif", score), write("label.tif", truth), threshold=0.4)
    mask = np.where(np.isnan(score), 255, score >= 0.4).astype(np.uint8)
    assert evaluation.counts == count_pixels(mask, truth)
    assert evaluation.scores["average_precision"] > evaluation.counts.prevalence


@pytest.mark.parametrize("value", [0, 1])
def test_no_change_at_all_and_nothing_but_change(write, write_run, value):
    shape = (9, 11)
    truth, score = np.full(shape, value, np.uint8), np.full(shape, value, np.float32)
    evaluation = evaluate(write_run("out", truth, score), write("label.tif", truth))
    assert evaluation.scores["accuracy"] == 1
    assert evaluation.objects == ObjectCounts(tp=value)
    np.testing.assert_equal(evaluation.scores["f1"], [np.nan, 1.0][value])
    np.testing.assert_equal(evaluation.scores["average_precision"], [np.nan, 1.0][value])


def test_pooling_pairs_equals_one_map_of_them_all(write, write_run):
    scenes = [scene(seed) for seed in (7, 8, 9)]
    pairs = [
        evaluate(write_run(f"out{i}", mask, score), write(f"label{i}.tif", truth))
        for i, (truth, score, mask) in enumerate(scenes)
    ]
    truth, score, mask = (np.concatenate(parts) for parts in zip(*scenes, strict=True))
    whole = evaluate(write_run("all", mask, score), write("all.tif", truth))
    pooled = pool(pairs)
    assert pooled.counts == whole.counts
    assert pooled.objects.tp == sum(pair.objects.tp for pair in pairs)
    assert pooled.scores["average_precision"] == whole.scores["average_precision"]
    assert mean_scores(pairs)["f1"] == pytest.approx(np.mean([p.counts.f1 for p in pairs]))
    mask_only = evaluate(write("m.tif", mask), write("l.tif", truth))
    assert "average_precision" not in pool([*pairs, mask_only]).scores
    assert "average_precision" not in mean_scores([*pairs, mask_only])


def test_json_and_table(write, write_run):
    truth, score, mask = scene(10)
    evaluation = evaluate(write_run("out", mask, score), write("label.tif", truth))
    stored = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert stored["pixels"]["tp"] == evaluation.counts.tp
    assert stored["scores"]["kappa"] == evaluation.counts.kappa
    assert f"F1{evaluation.counts.f1:>34.4f}" in str(evaluation)
    quiet = evaluate(write("q.tif", truth * 0), write("ql.tif", truth * 0))
    assert quiet.to_dict()["scores"]["f1"] is None
    assert "nan" in str(quiet)


def test_errors_are_one_line(write, tmp_path):
    mask = write("mask.tif", np.ones((4, 4), np.uint8))
    polygons = tmp_path / "p.gpkg"
    geopandas.GeoDataFrame(geometry=boxes((0, 0, 2, 2)), crs=32633).to_file(
        polygons, engine="pyogrio"
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tif").write_text("no raster")
    far = write("far.tif", np.ones((4, 4), np.uint8), transform=transform_of(row=400))
    cases = [
        (tmp_path / "none.tif", mask, {}, InputNotFoundError, "none.tif"),
        (tmp_path / "empty", mask, {}, InputNotFoundError, "holds no mask.tif"),
        (mask, tmp_path / "none.tif", {}, InputNotFoundError, "none.tif"),
        (mask, tmp_path / "none.gpkg", {}, InputNotFoundError, "none.gpkg"),
        (mask, tmp_path / "text.tif", {}, InputError, "text.tif"),
        (mask, far, {}, GridError, "does not overlap the map"),
        (mask, polygons, {"changed": 1}, InputError, "holds polygons"),
        (write("pixels.tif", np.ones((4, 4), np.uint8), crs=None), polygons, {}, GridError, "CRS"),
        (mask, mask, {"iou": 0.0}, UsageError, "iou 0 must be in"),
        (mask, mask, {"connectivity": 6}, UsageError, "connectivity 6 must be"),
        (write("high.tif", np.full((4, 4), 3, np.float32)), mask, {}, InputError, "holds 3 to 3"),
    ]
    for result, reference, options, error, message in cases:
        with pytest.raises(error, match=message) as raised:
            evaluate(result, reference, **options)
        assert "\n" not in str(raised.value)


def test_a_rewritten_map_is_read_anew(write):
    truth = scene(11)[0]
    label = write("label.tif", truth)
    assert evaluate(write("mask.tif", truth), label).counts.f1 == 1
    assert evaluate(write("mask.tif", 1 - truth), label).counts.tp == 0


def test_no_warning_for_good_labels(write):
    truth = scene(12)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        evaluate(write("mask.tif", truth), write("label.tif", truth))
