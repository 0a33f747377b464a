import geopandas
import numpy as np
import pytest
import rasterio
import shapely

import geochange as gc
from geochange.errors import DataWarning, InputError, UsageError
from geochange.revision import tune

FEW = {"products": ("score", "mask"), "threads": 1}
pytestmark = pytest.mark.filterwarnings("ignore:few labels")


@pytest.fixture
def label(folder):
    return folder / "label.tif"


def figures(run, truth, threshold):
    score = gc.open_map(run).open("score").to_numpy()
    known = ~np.isnan(score)
    found, changed = score[known] >= np.float32(threshold - 1e-6), truth[known] == 1
    true = (found & changed).sum()
    return true / found.sum(), true / changed.sum()


def test_the_chosen_point_is_what_the_labels_say(folder, label, truth):
    tuned = gc.tune_threshold(folder / "cva", label, precision=0.8, threads=1)
    assert tuned.chosen.precision >= 0.8
    found = figures(folder / "cva", truth, tuned.threshold)
    assert (tuned.chosen.precision, tuned.chosen.recall) == pytest.approx(found)
    low, high = tuned.chosen.recall_interval
    assert low <= tuned.chosen.recall <= high
    best = gc.tune_threshold(folder / "cva", label, threads=1)
    assert best.chosen.f1 >= max(point.f1 for point in best.table)
    assert gc.tune_threshold(folder / "cva", label, recall=0.9, threads=1).chosen.recall >= 0.9
    text = str(tuned)
    assert "*" in text
    assert "most recall at a precision of 0.8" in text


def test_tiles_leave_no_trace(folder, label, monkeypatch):
    tuned = gc.tune_threshold(folder / "cva", label, threads=1)
    monkeypatch.setattr(tune, "TILE_PX", 64)
    assert gc.tune_threshold(folder / "cva", label, threads=2).to_dict() == tuned.to_dict()


def test_the_run_is_written_anew(folder, label, tmp_path, truth):
    base = gc.open_map(folder / "cva")
    tuned = gc.tune_threshold(
        base, label, tmp_path / "out", precision=0.8, min_area=1, max_hole=0, threads=1
    )
    result = tuned.result
    assert result.threshold == pytest.approx(tuned.threshold)
    score = result.open("score").to_numpy()
    np.testing.assert_array_equal(score, base.open("score").to_numpy())
    mask = result.open("mask").to_numpy()
    np.testing.assert_array_equal(mask == 1, score >= np.float32(tuned.threshold - 1e-6))
    assert result.run["kind"] == "threshold"
    assert result.run["threshold"]["reason"].startswith("most recall at a precision of 0.8")
    assert result.run["runs"][0]["path"] == str(base.path)
    assert len(result.polygons()) == result.count > 0


def test_what_nobody_looked_at_does_not_count(folder, label, truth, write_raster):
    seen = truth.copy()
    seen[95:] = 255
    with rasterio.open(label) as file:
        place = {"crs": file.crs, "transform": file.transform}
    part = write_raster("part.tif", seen[None], **place)
    with pytest.warns(DataWarning, match="few labels: [0-9]+ changed px"):
        tuned = gc.tune_threshold(folder / "cva", part, threads=1)
    assert sum(tuned.pixels) == 95 * truth.shape[1] - 35
    assert tuned.doubts


def test_labels_that_a_model_chose_are_said(folder, tmp_path):
    drawn, tiles = shapely.box(500_300, 4_999_660, 500_480, 4_999_800), []
    for number, state in enumerate(("labelled", "no_change", "todo")):
        tiles.append(
            (shapely.box(5e5, 5e6 - 600 * (number + 1), 501_700, 5e6 - 600 * number), state)
        )
    path = tmp_path / "labels.gpkg"
    geopandas.GeoDataFrame(
        {"verdict": ["accepted", "rejected"]},
        geometry=[drawn, shapely.box(501_000, 4_999_000, 501_200, 4_999_200)],
        crs="EPSG:32632",
    ).to_file(path, layer="labels")
    shapes, states = zip(*tiles, strict=True)
    geopandas.GeoDataFrame(
        {"state": states, "reason": ["uncertainty", "random", ""]}, geometry=list(shapes),
        crs="EPSG:32632",
    ).to_file(path, layer="tiles")  # fmt: skip
    with pytest.warns(DataWarning, match="1 of the tiles .* chosen by a model"):
        tuned = gc.tune_threshold(folder / "cva", path, threads=1)
    assert tuned.pixels == (120 * 170 - 35 - 14 * 18, 14 * 18)


def test_goals_that_cannot_be_are_refused(folder, label, tmp_path, write_raster, truth):
    with pytest.raises(UsageError, match="exclude each other"):
        gc.tune_threshold(folder / "cva", label, precision=0.9, recall=0.9)
    with pytest.raises(UsageError, match="above 0 and at most 1, got 90"):
        gc.tune_threshold(folder / "cva", label, precision=90)
    with rasterio.open(label) as file:
        place = {"crs": file.crs, "transform": file.transform}
    none = write_raster("none.tif", np.zeros_like(truth)[None], **place)
    with pytest.raises(InputError, match="has no changed pixel where the map has data"):
        gc.tune_threshold(folder / "cva", none, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_are_no_labels_is_one_line(folder, tmp_path):
    (tmp_path / "broken.geojson").write_text("{")
    with pytest.raises(InputError, match=r"cannot read .*broken"):
        gc.tune_threshold(folder / "cva", tmp_path / "broken.geojson", threads=1)
    (tmp_path / "project.db").touch()
    with pytest.raises(InputError, match=r"write a file first: geochange export .* labels\.gpkg"):
        gc.tune_threshold(folder / "cva", tmp_path, threads=1)
