"""Whole images and tiles are judged, listed and written."""

from __future__ import annotations

import csv
import json

import geopandas
import numpy as np
import pytest
import torch

from geochange.cli import main
from geochange.errors import InputError, InputNotFoundError, OutputExistsError, UsageError
from geochange.judging.listing import list_items
from geochange.judging.predict import predict_image
from geochange.nn.checkpoints.card import Band, Card, Recall
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.networks.registry import build_model
from geochange.nn.normalization import FixedNormalization, Scaling

PAN, UNIT = (Band("pan"),), Scaling((0.0,), (1.0,))
CARD = Card(
    "demo", PAN, PAN, FixedNormalization(UNIT, UNIT), task="image", image_px=16, threshold=0.5,
    recalls=(Recall(0.99, 0.06, 0.5),),
)  # fmt: skip
SMALL = {"widths": (4, 8), "depths": (0, 1), "width": 8, "shrink": 1}


def write_network(path, dates=2):
    """Write a network whose logit grows with the difference, or the brightness of one date."""
    torch.manual_seed(0)
    model = build_model("image", 1, dates=dates, **SMALL)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
        model.head.conv.weight.mul_(30)
        model.head.conv.bias.fill_(-3.0)
    save_checkpoint(path, model, CARD)
    return path


@pytest.fixture
def model(tmp_path):
    return write_network(tmp_path / "two.safetensors")


@pytest.fixture
def pair(write_raster):
    """Two images of 40 x 56 px; the square from row 16, column 32 on changed."""
    before = np.zeros((1, 40, 56), np.float32)
    after = before.copy()
    after[:, 16:32, 32:48] = 50
    return [write_raster(f"{n}.tif", a) for n, a in (("b", before), ("a", after))]


def test_an_image_is_changed_where_any_part_of_it_is(pair, model):
    found = predict_image(*pair, model=model)
    assert [verdict.decision for verdict in found.verdicts] == ["changed"]
    same = predict_image(pair[0], pair[0], model=model)
    assert [verdict.decision for verdict in same.verdicts] == ["unchanged"]
    assert str(same).startswith("0 of 1 changed")


def test_tiles_cover_the_image_and_the_changed_one_is_found(pair, model):
    found = predict_image(*pair, model=model, tiles=16)
    places = [(v.window.row, v.window.col, v.window.shape) for v in found.verdicts]
    assert len(places) == 3 * 4
    assert places[-1] == (32, 48, (8, 8))
    changed = [(v.window.row, v.window.col) for v in found.changed]
    assert changed == [(16, 32)]


@pytest.mark.parametrize("tiles", [32, 48])
def test_larger_tiles_say_what_their_parts_say(pair, model, tiles):
    found = predict_image(*pair, model=model, tiles=tiles)
    parts = predict_image(*pair, model=model, tiles=16)
    for verdict in found.verdicts:
        row, col = verdict.window.row, verdict.window.col
        inside = [
            p.probability
            for p in parts.verdicts
            if row <= p.window.row < row + tiles and col <= p.window.col < col + tiles
        ]
        assert verdict.probability == pytest.approx(max(inside), abs=1e-6)


def test_threads_and_blocks_change_nothing(pair, model, monkeypatch):
    found = predict_image(*pair, model=model, tiles=16, threads=1).to_csv()
    monkeypatch.setattr("geochange.judging.predict.BLOCK_PX", 16)
    assert predict_image(*pair, model=model, tiles=16, threads=2).to_csv() == found


def test_pixels_without_data_are_told(write_raster, model):
    pixels = np.zeros((1, 32, 16), np.float32)
    pixels[:, 16:] = 7
    path = write_raster("n.tif", pixels, nodata=7)
    found = predict_image(path, path, model=model, tiles=16)
    assert [v.decision for v in found.verdicts] == ["unchanged", "no data"]
    assert json.loads(found.to_json())["images"][1]["probability"] is None
    assert "1 without data" in str(found)


def test_a_recall_sets_the_threshold_of_the_card(pair, model):
    assert predict_image(*pair, model=model, recall=0.99).threshold == 0.06
    assert predict_image(*pair, model=model, threshold=0.9).threshold == 0.9


def test_one_image_is_enough_for_a_network_of_one_date(pair, tmp_path):
    model = write_network(tmp_path / "one.safetensors", dates=1)
    bright = predict_image(pair[1], model=model, tiles=16)
    assert [(v.window.row, v.window.col) for v in bright.changed] == [(16, 32)]
    with pytest.raises(InputError, match="one image"):
        predict_image(*pair, model=model)


def test_outlines_open_as_a_layer(pair, model, tmp_path):
    found = predict_image(*pair, model=model, tiles=16, output=tmp_path / "t.gpkg")
    layer = geopandas.read_file(tmp_path / "t.gpkg", layer="images")
    assert len(layer) == len(found.verdicts)
    whole = layer.union_all()
    assert whole.area == pytest.approx(found.verdicts[0].geobox.extent.area)
    assert layer.loc[layer.decision == "changed", ["row", "col"]].values.tolist() == [[16, 32]]


def test_folders_and_tables_are_listed(tmp_path, pair):
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
        for name in ("x.tif", "y.tif"):
            (tmp_path / folder / name).write_bytes(pair[0].read_bytes())
    both = list_items(tmp_path / "before", tmp_path / "after", dates=2)
    assert [item.name for item in both] == ["x", "y"]
    assert [i.name for i in list_items(tmp_path / "before", None, dates=1)] == ["x", "y"]
    table = tmp_path / "pairs.csv"
    table.write_text("id,before,after\nfirst,before/x.tif,after/x.tif\n")
    [item] = list_items(table, None, dates=2)
    assert (item.name, item.after) == ("first", str(tmp_path / "after/x.tif"))
    single = tmp_path / "images.csv"
    single.write_text("image\nbefore/y.tif\n")
    assert [i.name for i in list_items(single, None, dates=1)] == ["y"]
    (tmp_path / "after" / "y.tif").unlink()
    with pytest.raises(InputNotFoundError, match="has no 'y'"):
        list_items(tmp_path / "before", tmp_path / "after", dates=2)


def test_tables_that_say_nothing_are_refused(tmp_path):
    table = tmp_path / "images.csv"
    table.write_text("name\nx\n")
    with pytest.raises(InputError, match="column image"):
        list_items(table, None, dates=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputNotFoundError, match="holds no image"):
        list_items(tmp_path / "empty", None, dates=1)
    with pytest.raises(InputNotFoundError, match="no table"):
        list_items(tmp_path / "gone.csv", None, dates=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tiles": 4}, "8 to 4096"),
        ({"threshold": 0.5, "recall": 0.9}, "exclude"),
        ({"threshold": 2.0}, "0 to 1"),
        ({"recall": 0.999}, "knows no threshold"),
        ({"output": "verdicts.shp"}, "no format"),
    ],
)
def test_options_that_cannot_be_are_refused(pair, model, options, said):
    with pytest.raises(UsageError, match=said):
        predict_image(*pair, model=model, **options)


def test_an_output_that_is_there_is_kept(pair, model, tmp_path):
    (tmp_path / "t.csv").write_text("mine")
    with pytest.raises(OutputExistsError):
        predict_image(*pair, model=model, output=tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "mine"


def test_images_without_a_crs_have_no_outlines(write_raster, model, tmp_path):
    path = write_raster("p.tif", np.zeros((1, 16, 16), np.float32), crs=None)
    with pytest.raises(UsageError, match="outlines"):
        predict_image(path, path, model=model, output=tmp_path / "t.gpkg")
    assert not (tmp_path / "t.gpkg").exists()


def test_the_command_prints_a_table(pair, model, capsys):
    code = main(["predict-image", *map(str, pair), "--model", str(model), "--tiles", "16", "-q"])
    told = capsys.readouterr()
    rows = list(csv.DictReader(told.out.splitlines()))
    assert code == 0
    assert [row["decision"] for row in rows].count("changed") == 1
    assert "1 of 12 changed" in told.err


def test_the_command_refuses_a_network_for_pixels(pair, capsys):
    assert main(["predict-image", *map(str, pair), "--model", "building"]) == 4
    assert "use it with `geochange detect" in capsys.readouterr().err
