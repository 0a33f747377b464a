import json
import shutil

import numpy as np
import pytest
import rasterio

import geochange as gc
from geochange.engine import preparing
from geochange.errors import (
    DataWarning,
    GridError,
    InputError,
    InputNotFoundError,
    OutputExistsError,
    UsageError,
)

BBOX = (500_400, 4_999_400, 500_800, 4_999_700)
PLACE = {"crs": "EPSG:32632"}
DISC = 45 - 30, 60 - 40
"""Row and column of the disc in the box."""


@pytest.fixture
def explain(result, tmp_path):
    def run(**settings):
        return result.explain(BBOX, tmp_path / "why", **PLACE, **settings)

    return run


def near(place, distance=9):
    return np.hypot(place[0] - DISC[0], place[1] - DISC[1]) < distance


def test_integrated_gradients_are_complete_and_lie_on_the_change(explain, result):
    found = explain()
    assert found.facts["method"] == "integrated-gradients"
    assert found.facts["difference_from_run"] < 1e-4
    scores = result.open().to_numpy()[30:60, 40:80]
    assert found.mean_score == pytest.approx(scores.mean(), abs=1e-4)
    for date in found.facts["attribution"]["dates"]:
        assert date["sum"] == pytest.approx(date["expected"], rel=0.02, abs=1e-4)
        assert date["sum"] - date["expected"] == pytest.approx(date["completeness_error"])
        assert date["expected"] > 0.05
    maps = found.open()
    assert maps.band.values.tolist() == [
        f"{date} {band}" for date in ("before", "after") for band in ("Red", "Green", "Blue")
    ]
    total = maps.sum("band").to_numpy()
    rows, cols = np.ogrid[:30, :40]
    on_disc = np.hypot(rows - DISC[0], cols - DISC[1]) < 10
    assert total[on_disc].sum() > 0.8 * np.abs(total).sum()


def test_grad_cam_peaks_on_the_change(explain):
    assert explain(method="grad-cam").open().band.values.tolist() == ["both decoder.smooth.1"]
    found = explain(method="grad-cam", stage="fusions.0", overwrite=True)
    maps = found.open()
    assert maps.band.values.tolist() == ["both fusions.0"]
    heat = maps.to_numpy()[0]
    assert near(np.unravel_index(heat.argmax(), heat.shape), 12)
    rows, cols = np.indices(heat.shape)
    assert heat[near((rows, cols), 12)].sum() > 0.6 * heat.sum()
    again = explain(method="grad-cam", stage="encoder.levels.0", overwrite=True)
    assert [str(b) for b in again.open().band.values] == [
        "before encoder.levels.0",
        "after encoder.levels.0",
    ]


def test_the_network_is_explained_as_it_was_adapted(pair, checkpoint, tmp_path):
    options = {"precision": "fp32", "adapt": 1.0}
    result = gc.detect(*pair, tmp_path / "out", model=checkpoint, options=options)
    found = result.explain(BBOX, **PLACE, steps=2)
    for date, row in zip(found.facts["attribution"]["dates"], found.facts["dates"], strict=True):
        assert date["expected"] == pytest.approx(row["importance"], abs=1e-3)


@pytest.mark.slow
def test_an_onnx_file_is_explained_from_the_outside(pair, checkpoint, tmp_path):
    pytest.importorskip("onnxruntime")
    gc.export(checkpoint, tmp_path / "discs.onnx")
    result = gc.detect(*pair, tmp_path / "out", model=tmp_path / "discs.onnx")
    assert result.explain(BBOX, **PLACE).facts["method"] == "occlusion"
    with pytest.raises(UsageError, match="an ONNX file has no gradients; choose 'occlusion'"):
        result.explain(BBOX, **PLACE, method="grad-cam")


def test_a_band_that_the_network_does_not_take_has_importance_0(explain):
    found = explain(method="occlusion")
    table = found.bands.set_index(["date", "band"]).importance
    assert (table.xs("NIR", level="band") == 0).all()
    assert (table.drop("NIR", level="band") != 0).all()
    assert table.max() > 0.05
    assert table.is_monotonic_decreasing
    drop = found.open()
    assert drop.shape == (8, 30, 40)
    assert (drop.sel(band="after NIR") == 0).all()
    whole = {row["date"]: row["importance"] for row in found.facts["dates"]}
    assert min(whole.values()) > table.max()
    assert whole["after"] > 0.5 * found.mean_score


def test_the_raster_lies_where_the_box_is(explain):
    found = explain()
    with rasterio.open(found.path / "attribution.tif") as dataset:
        assert dataset.crs.to_epsg() == 32632
        assert tuple(dataset.bounds) == BBOX
        assert dataset.res == (10, 10)
        assert dataset.descriptions[0] == "before Red"
        assert np.isnan(dataset.nodata)
        assert dataset.tags()["METHOD"] == "integrated-gradients"
    facts = json.loads((found.path / "explanation.json").read_text())
    assert facts["window"] == {"row": 30, "col": 40, "height": 30, "width": 40}
    assert facts["bbox_crs"] == "EPSG:32632"
    assert (found.path / "explanation.png").stat().st_size > 10_000
    assert found._repr_png_().startswith(b"\x89PNG")
    assert "mean score" in str(found)


def test_boxes_in_degrees_and_at_the_border_are_taken(result, tmp_path):
    corner = gc.explain(result, "-180,-89,180,89", tmp_path / "all", method="occlusion")
    assert corner.facts["window"] == {"row": 0, "col": 0, "height": 90, "width": 100}
    table = result.polygons()
    box = table.to_crs(4326).total_bounds
    found = gc.explain(result, box, tmp_path / "lonlat", method="occlusion")
    assert found.mean_score > 0.5


def test_a_method_without_training_is_explained_by_its_bands(pair, tmp_path):
    result = gc.detect(*pair, tmp_path / "cva", method="cva", bands=["NIR"], threshold="otsu")
    found = result.explain(BBOX, tmp_path / "why", **PLACE)
    assert found.facts["method"] == "occlusion"
    assert found.facts["detector"] == {"name": "cva"}
    assert found.facts["difference_from_run"] < 1e-4
    assert set(found.bands.band) == {"NIR"}
    assert found.bands.importance.min() > 0.05
    drop = found.open().sel(band="after NIR").to_numpy()
    assert near(np.unravel_index(drop.argmax(), drop.shape))
    with pytest.raises(UsageError, match="'grad-cam' needs a network, the run used 'cva'"):
        result.explain(BBOX, tmp_path / "no", **PLACE, method="grad-cam")


def test_dates_of_other_bands_are_replaced_by_their_mean(pair, tmp_path, write_raster):
    with rasterio.open(pair[1]) as dataset:
        after = dataset.read([1, 2])
    other = write_raster("c.tif", after, names=("one", "two"))
    with pytest.warns(DataWarning, match="4 and 2 bands"):
        result = gc.detect(pair[0], other, tmp_path / "mad", method="irmad", threshold="otsu")
    with pytest.warns(DataWarning, match="4 and 2 bands"):
        found = result.explain(BBOX, tmp_path / "why", **PLACE)
    assert len(found.bands) == 4 + 2


def test_inputs_that_changed_are_refused(explain, pair, checkpoint, result):
    content = checkpoint.read_bytes()
    with rasterio.open(pair[1], "r+") as dataset:
        dataset.write(dataset.read() + 1)
    with pytest.raises(InputError, match=r"b\.tif has changed since the run; run detect again"):
        explain()
    shutil.copy(pair[0], pair[1])
    with pytest.raises(InputError, match="has changed"):
        explain()
    assert checkpoint.read_bytes() == content


def test_files_that_are_gone_and_other_networks_are_refused(explain, pair, checkpoint, tmp_path):
    from geochange.nn.checkpoints.checkpoint import load_checkpoint, save_checkpoint

    model, card = load_checkpoint(checkpoint)
    model.head.conv.weight.data.mul_(2)
    save_checkpoint(checkpoint, model, card)
    with pytest.raises(InputError, match="holds another network than the run used"):
        explain()
    (tmp_path / "b.tif").unlink()
    with pytest.raises(InputNotFoundError, match=r"no file .*b\.tif any more"):
        explain()
    assert not (tmp_path / "why").exists()
    assert not list(tmp_path.glob("*.partial"))


def test_an_older_run_is_refused(explain, result):
    run = dict(result.run)
    del run["sources"]
    (result.path / "run.json").write_text(json.dumps(run))
    with pytest.raises(InputError, match="does not say where its inputs are"):
        gc.explain(result.path, BBOX, **PLACE)


def test_runs_are_found_from_any_folder(result, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    again = gc.detect("a.tif", "b.tif", "rel", model="discs.safetensors")
    monkeypatch.chdir(elsewhere)
    assert again.explain(BBOX, **PLACE, method="grad-cam").mean_score > 0.05


@pytest.mark.parametrize(
    ("bbox", "settings", "error", "words"),
    [
        ((0, 0, 1, 1), {}, GridError, "lies beside the map of 90 x 100 px"),
        ((5, 5, 4, 6), PLACE, UsageError, "is not W,S,E,N with W < E"),
        ("1,2,3", {}, UsageError, "neither a vector file nor W,S,E,N"),
        (BBOX, {"crs": "EPSG:nil"}, UsageError, "unknown CRS 'EPSG:nil'"),
        (BBOX, {**PLACE, "method": "gradcam"}, UsageError, "did you mean 'grad-cam'"),
        (BBOX, {**PLACE, "method": "grad-cam", "stage": "fusions.9"}, UsageError, "no stage"),
        (BBOX, {**PLACE, "stage": "fusions.1"}, UsageError, "a stage is for method 'grad-cam'"),
        (BBOX, {**PLACE, "steps": 0}, UsageError, "steps must be 1 to 1000, got 0"),
    ],
)
def test_bad_settings_are_one_line_and_leave_nothing(
    result, tmp_path, bbox, settings, error, words
):
    with pytest.raises(error, match=words) as caught:
        gc.explain(result, bbox, tmp_path / "why", **settings)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("why*"))


def test_an_output_is_only_replaced_when_told(explain, tmp_path):
    explain(method="grad-cam")
    with pytest.raises(OutputExistsError):
        explain(method="grad-cam")
    explain(method="occlusion", overwrite=True)
    (tmp_path / "why" / "note.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"also holds note\.txt"):
        explain(method="occlusion", overwrite=True)


def test_what_the_run_found_of_the_pair_is_not_measured_again(explain, monkeypatch):
    def refuse(*_):
        pytest.fail("measured again")

    for step in ("register_pair", "normalize_pair", "screen_pair"):
        monkeypatch.setattr(preparing, step, refuse)
    assert explain().facts["difference_from_run"] < 1e-4
