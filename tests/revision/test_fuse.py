import json
from itertools import pairwise

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from scipy.stats import rankdata

import geochange as gc
from geochange.errors import (
    DataWarning,
    GridError,
    InputError,
    InputNotFoundError,
    OutputExistsError,
    UsageError,
)

FEW = {"products": ("score", "mask"), "threads": 1}


@pytest.fixture
def runs(folder):
    return [folder / "cva", folder / "sfa"]


def scores_of(*runs):
    return np.stack([gc.open_map(run).open("score").to_numpy() for run in runs])


def masks_of(*runs):
    return np.stack([gc.open_map(run).open("mask").to_numpy() for run in runs])


def f1_of(mask, truth):
    known = mask != 255
    found, changed = mask[known] == 1, truth[known] == 1
    return 2 * (found & changed).sum() / (found.sum() + changed.sum())


def test_a_fused_run_is_like_one_of_detect(runs, tmp_path, truth):
    result = gc.fuse(runs, tmp_path / "out", threads=1)
    names = {path.name for path in result.path.iterdir()}
    assert {"score.tif", "mask.tif", "changes.gpkg", "changes.qgz", "report.html"} <= names
    run = result.run
    assert run["kind"] == run["method"]["name"] == "fuse"
    assert run["method"]["reason"] == "rank-mean of 2 runs (cva, sfa)"
    assert [member["method"]["name"] for member in run["runs"]] == ["cva", "sfa"]
    assert [member["path"] for member in run["runs"]] == [str(path) for path in runs]
    assert all(len(member["score"]["sha256"]) == 64 for member in run["runs"])
    assert run["settings"]["min_area"] == "2px"
    assert "--rule rank-mean" in run["command"]
    assert f1_of(masks_of(result)[0], truth) > 0.8
    polygons = result.polygons()
    assert len(polygons) == result.count > 3
    assert {"delta_Red", "score_mean"} <= set(polygons.columns)
    gc.evaluate(result, runs[0].parent / "label.tif")


def test_ranks_are_meant_in_the_upper_tail(runs, tmp_path):
    result = gc.fuse(runs, tmp_path / "out", **FEW)
    scores = scores_of(*runs)
    known = ~np.isnan(scores).any(axis=0)
    tails = [(rankdata(-s[known]) - 0.5) / known.sum() for s in scores]
    expected = -np.log(tails).mean(axis=0)
    fused = scores_of(result)[0][known]
    assert (np.diff(fused[np.argsort(expected, kind="stable")]) >= -2e-5).all()
    shares = [
        (s[known] >= np.float32(gc.open_map(run).threshold)).mean()
        for s, run in zip(scores, runs, strict=True)
    ]
    assert (fused >= 0.5).mean() == pytest.approx(np.sqrt(np.prod(shares)), abs=1e-4)
    assert result.run["learned"]["shares"] == pytest.approx(shares, abs=1e-4)


@pytest.mark.parametrize("rule", ["rank-mean", "stacking", "vote"])
def test_tiles_and_workers_leave_no_trace(runs, folder, tmp_path, rule):
    settings = {"rule": rule, "labels": folder / "label.tif" if rule == "stacking" else None}
    outs = [
        gc.fuse(runs, tmp_path / str(size), tile_size=size, threads=threads, **settings)
        for size, threads in ((64, 2), (190, 1))
    ]
    for name in ("score.tif", "mask.tif", "changes.geojson"):
        first, second = ((out.path / name).read_bytes() for out in outs)
        assert first == second


def test_union_and_intersection(runs, tmp_path):
    clean = {"min_area": 1, "max_hole": 0, **FEW}
    either = gc.fuse(runs, tmp_path / "max", rule="max", **clean)
    both = gc.fuse(runs, tmp_path / "min", rule="min", **clean)
    limits = [gc.open_map(run).threshold for run in runs]
    above = np.stack([s >= limit for s, limit in zip(scores_of(*runs), limits, strict=True)])
    np.testing.assert_array_equal(masks_of(either)[0] == 1, above.any(axis=0))
    np.testing.assert_array_equal(masks_of(both)[0] == 1, above.all(axis=0))


def test_votes_are_counted_on_masks(runs, folder, tmp_path):
    wide = gc.detect(
        folder / "before.tif", folder / "after.tif", tmp_path / "wide", method="cva",
        threshold=0.2, register="off", normalize="off", **FEW,
    )  # fmt: skip
    members = [*runs, wide]
    votes = (masks_of(*members) == 1).sum(axis=0)
    for needed in (1, 2, 3, None):
        out = tmp_path / f"vote-{needed}"
        clean = {"min_area": 1, "max_hole": 0, **FEW}
        result = gc.fuse(members, out, rule="vote", votes=needed, **clean)
        np.testing.assert_array_equal(masks_of(result)[0] == 1, votes >= (needed or 2))


def test_weights_move_the_fused_map_to_a_run(runs, tmp_path):
    near = [
        scores_of(gc.fuse(runs, tmp_path / f"w{w}", rule="mean", weights=[w, 1], **FEW))[0]
        for w in (1, 4, 50)
    ]
    lone = gc.fuse([runs[0], runs[0]], tmp_path / "one", rule="mean", **FEW)
    apart = [np.nanmean(np.abs(score - scores_of(lone)[0])) for score in near]
    assert all(a > b for a, b in pairwise(apart))


def test_a_stack_learns_from_labels(runs, folder, tmp_path, truth):
    result = gc.fuse(runs, tmp_path / "out", rule="stacking", labels=folder / "label.tif", **FEW)
    facts = result.run["learned"]
    assert len(facts["coefficients"]) == 2
    assert facts["pixels"] == (scores_of(*runs)[0] >= 0).sum()
    assert facts["average_precision"] > max(facts["singles"]) - 0.02
    assert result.threshold == pytest.approx(facts["threshold"])
    assert f1_of(masks_of(result)[0], truth) > 0.8


def test_polygons_count_inside_the_area_that_was_looked_at(runs, folder, tmp_path, truth):
    rows, cols = np.nonzero(truth[:125])
    shapes = [shapely.box(5e5 + 10 * c, 5e6 - 10 * r - 10, 5e5 + 10 * c + 10, 5e6 - 10 * r)
              for r, c in zip(rows, cols, strict=True)]  # fmt: skip
    drawn, area = tmp_path / "drawn.gpkg", tmp_path / "area.geojson"
    geopandas.GeoDataFrame(geometry=[shapely.union_all(shapes)], crs="EPSG:32632").to_file(drawn)
    looked = shapely.box(5e5, 5e6 - 1250, 5e5 + 1700, 5e6)
    geopandas.GeoDataFrame(geometry=[looked], crs="EPSG:32632").to_file(area)
    stack = {"rule": "stacking", "labels": drawn, **FEW}
    result = gc.fuse(runs, tmp_path / "out", area=area, **stack)
    assert result.run["learned"]["pixels"] == (scores_of(*runs)[0, :125] >= 0).sum()
    with pytest.warns(DataWarning, match="does not say where somebody looked"):
        gc.fuse(runs, tmp_path / "whole", **stack)


def test_too_few_labels_are_refused(runs, tmp_path, write_raster, truth, folder):
    few = truth.copy()
    few[:, 40:], few[30:] = 0, 0
    with rasterio.open(folder / "label.tif") as file:
        place = {"crs": file.crs, "transform": file.transform}
    label = write_raster("few.tif", few[None], **place)
    with pytest.raises(InputError, match="changed pixels in 1 places"):
        gc.fuse(runs, tmp_path / "out", rule="stacking", labels=label, **FEW)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.partial").exists()


def test_another_grid_is_resampled_and_said(folder, tmp_path):
    result = gc.fuse([folder / "cva", folder / "coarse"], tmp_path / "out", **FEW)
    assert any("coarse: score resampled (bilinear)" in note for note in result.run["notes"])
    assert result.geobox == gc.open_map(folder / "cva").geobox
    cva, coarse = scores_of(folder / "cva", result)
    assert np.corrcoef(cva[10:, 10:].ravel(), coarse[10:, 10:].ravel())[0, 1] > 0.6


def test_a_run_of_another_place_is_refused(folder, tmp_path, write_raster):
    pixels = np.random.default_rng(0).integers(1, 900, (3, 64, 64)).astype(np.uint16)
    away = {"transform": Affine(10, 0, 6e5, 0, -10, 5e6)}
    dates = [write_raster(f"{name}.tif", pixels, **away) for name in ("one", "two")]
    far = gc.detect(*dates, tmp_path / "far", method="cva", threshold=0.5, **FEW)
    with pytest.raises(GridError, match="does not overlap the first run"):
        gc.fuse([folder / "cva", far], tmp_path / "out")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rule": "men"}, "did you mean 'mean'"),
        ({"rule": "max", "weights": [1, 2]}, "takes no weights"),
        ({"rule": "mean", "votes": 1}, "takes no votes"),
        ({"rule": "vote", "votes": 3}, "votes must be 1 to 2"),
        ({"weights": [1, 2, 3]}, "give 2 numbers above 0"),
        ({"rule": "stacking"}, "learns from labels"),
        ({"threshold": "p:0.1"}, "known distribution"),
        ({"products": ("report",)}, "need 'changes'"),
    ],
)
def test_what_cannot_be_is_refused(runs, tmp_path, settings, words):
    with pytest.raises(UsageError, match=words):
        gc.fuse(runs, tmp_path / "out", **settings)
    assert not list(tmp_path.iterdir())


def test_one_run_is_not_enough_and_no_run_is_said(runs, tmp_path):
    with pytest.raises(UsageError, match="two runs or more"):
        gc.fuse(runs[:1], tmp_path / "out")
    with pytest.raises(UsageError, match="two runs or more"):
        gc.fuse(str(runs[0]), tmp_path / "out")
    with pytest.raises(InputNotFoundError, match="has no run"):
        gc.fuse([runs[0], tmp_path], tmp_path / "out")


def test_an_output_is_kept_and_a_finished_run_is_found_again(runs, tmp_path):
    out = tmp_path / "out"
    gc.fuse(runs, out, **FEW)
    created = (out / "score.tif").stat().st_mtime_ns
    with pytest.raises(OutputExistsError):
        gc.fuse(runs, out, **FEW)
    assert gc.fuse(runs, out, resume=True, **FEW).path == out
    assert (out / "score.tif").stat().st_mtime_ns == created
    gc.fuse(runs, out, rule="mean", overwrite=True, **FEW)
    assert json.loads((out / "run.json").read_text())["method"]["options"]["rule"] == "mean"
    with pytest.raises(OutputExistsError, match="holds an input"):
        gc.fuse([out, runs[0]], out, overwrite=True, **FEW)


def test_a_fused_map_is_explained_by_its_runs(runs, tmp_path):
    result = gc.fuse(runs, tmp_path / "out", **FEW)
    with pytest.raises(UsageError, match="explain one of the runs it was made of"):
        result.explain((500_000, 4_999_000, 500_500, 4_999_500), crs="EPSG:32632")
