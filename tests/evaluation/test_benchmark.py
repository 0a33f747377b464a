"""The accuracy benchmark on tiny scenes, with a stand-in for detection."""

import csv
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

import geochange
from geochange.errors import InputError
from geochange.io.stores.score import SCORE_NODATA, SCORE_SCALE, encode_score

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("GEOCHANGE_DATA", ROOT.parent / "shared/data"))
MODULES = ("accuracy", "no_change", "scenes")


@pytest.fixture
def benchmark(monkeypatch):
    """Import the benchmark as its command does."""
    monkeypatch.syspath_prepend(ROOT / "tests/benchmarks")
    import accuracy

    yield accuracy
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def data(write, tmp_path):
    """Make a data folder of three sets in their three layouts."""
    before = np.full((20, 20), 100, np.uint8)
    after, label = before.copy(), np.zeros_like(before)
    after[5:10, 5:10], label[5:10, 5:12] = 200, 1
    for name in ("a", "b"):
        for date, pixels in (("before", before), ("after", after)):
            for band in ("B02", "B03"):
                write(f"oscd-{name}-{date}.tif", pixels).rename(
                    make(tmp_path / f"data/oscd/{name}/{date}") / f"{band}.tif"
                )
        write(f"l{name}.tif", label).rename(tmp_path / f"data/oscd/{name}/label.tif")
    for part, pixels in (("before", before), ("after", after), ("label", label)):
        folder = make(tmp_path / f"data/building/val/{part}")
        write(f"{part}.tif", pixels).rename(folder / "1_1.tif")
        folder = make(tmp_path / "data/landsat_nanjing")
        write(f"{part}.tif", pixels + (2 - 2 * label if part == "label" else 0)).rename(
            folder / f"{part}.tif"
        )
    for year, pixels in ((1985, before), (1990, after)):
        write(f"{year}.tif", pixels).rename(make(tmp_path / "data/series_pucallpa") / f"{year}.tif")
    return tmp_path / "data"


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def detect(before, after, output, *, method="auto", products=()):
    """Call a difference of more than 50 change; stands in for ``geochange.detect``."""
    if method == "sfa":
        msg = "this method refuses"
        raise InputError(msg)
    first, second = (next(d.glob("*.tif")) if d.is_dir() else d for d in (before, after))
    with rasterio.open(first) as one, rasterio.open(second) as two:
        score = np.abs(one.read(1) - two.read(1).astype(np.float32)) / 255
        profile = {**one.profile, "driver": "GTiff"}
    output.mkdir()
    for name, pixels, nodata in (
        ("mask", (score > 0.2).astype(np.uint8), 255),
        ("score", encode_score(score), SCORE_NODATA),
    ):
        profile.update(dtype=pixels.dtype, nodata=nodata)
        with rasterio.open(output / f"{name}.tif", "w", **profile) as dataset:
            dataset.write(pixels, 1)
            dataset.scales = (SCORE_SCALE if name == "score" else 1.0,)


def run_command(benchmark, monkeypatch, *arguments):
    monkeypatch.setitem(vars(geochange), "detect", detect)
    monkeypatch.setattr(sys, "argv", ["accuracy.py", *map(str, arguments)])
    benchmark.main()


def test_sets_of_every_layout(benchmark, data):
    import scenes

    found = {s.name: s.scenes for s in scenes.list_sets(data)}
    assert set(found) == {"landsat_nanjing", "oscd", "building/val", "series_pucallpa"}
    assert [s.before for s in found["oscd"]] == [data / "oscd/a/before", data / "oscd/b/before"]
    assert (found["landsat_nanjing"][0].changed, found["landsat_nanjing"][0].ignore) == (1, 0)
    assert found["series_pucallpa"][0].label is None
    chosen = scenes.choose_sets(scenes.list_sets(data), "building,oscd")
    assert [s.name for s in chosen] == ["oscd", "building/val"]
    with pytest.raises(SystemExit, match="no set named sar; there are"):
        scenes.choose_sets(scenes.list_sets(data), "sar")


def test_tables(benchmark, data, monkeypatch, tmp_path, capsys):
    output = tmp_path / "results.csv"
    run_command(benchmark, monkeypatch, data, "--methods", "cva,sfa", "--output", output)
    with (tmp_path / "results-accuracy.csv").open() as file:
        rows = {row["set"]: row for row in csv.DictReader(file)}
    assert rows["oscd"]["pairs"] == "2"
    assert [rows["oscd"][key] for key in ("P", "R", "IoU", "object F1")] == [
        "1.000",
        "0.714",
        "0.714",
        "1.000",
    ]
    assert rows["landsat_nanjing"]["R"] == "0.714"
    assert rows["series_pucallpa"]["F1"] == "-"
    assert rows["series_pucallpa"]["changed in map %"] == "6.25"
    with (tmp_path / "results-no-change.csv").open() as file:
        quiet = list(csv.DictReader(file))
    assert len(quiet) == 4 * 4
    assert all(row["largest polygon px"] == "0" for row in quiet)
    printed = capsys.readouterr().out
    assert "| set | method |" in printed
    assert "Not measured: oscd a, sfa: this method refuses" in printed


@pytest.mark.skipif(not DATA.exists(), reason="no real scenes here")
def test_real_scenes_are_found(benchmark):
    import scenes

    found = {s.name: s.scenes for s in scenes.list_sets(DATA)}
    assert len(found["oscd"]) == 14
    assert len(found["building/train"]) == scenes.TRAIN_CHIPS
    assert len(found["aerial"]) == 10
    for name, group in found.items():
        for scene in group:
            paths = [scene.before, scene.after, *([scene.label] if scene.label else [])]
            assert all(path.exists() for path in paths), name


@pytest.mark.skipif(not DATA.exists(), reason="no real scenes here")
@pytest.mark.filterwarnings("ignore", category=NotGeoreferencedWarning)
def test_disturbed_copies_keep_grid_and_nodata(benchmark, tmp_path):
    import no_change

    copy = no_change.write_disturbed(
        DATA / "series_pucallpa/1985.tif", tmp_path / "copy", no_change.change_all
    )
    with rasterio.open(DATA / "series_pucallpa/1985.tif") as source, rasterio.open(copy) as target:
        assert (source.transform, source.crs) == (target.transform, target.crs)
        np.testing.assert_array_equal(source.read(1) == 0, target.read(1) == 0)
        assert (source.read(1) != target.read(1)).any()
