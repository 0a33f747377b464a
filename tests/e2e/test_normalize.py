"""Normalisation inside a whole run."""

from __future__ import annotations

import json
import re
import zipfile

import numpy as np
import pytest
import rasterio
from scipy import ndimage

import geochange as gc
import geochange.engine.preparing
import geochange.exports.runs.finishing
from geochange.cli import main
from geochange.errors import OutputExistsError, UsageError

GAIN, OFFSET = np.array([0.75, 1.3, 1.1])[:, None, None], np.array([400, -150, 0])[:, None, None]
QUICK = {"register": "off", "products": ("score", "mask")}


@pytest.fixture
def lit(write_raster):
    """A pair with one changed square: the second date as it is, and under another light."""
    rng = np.random.default_rng(0)
    ground = 3000 + 4000 * ndimage.gaussian_filter(rng.normal(size=(3, 220, 240)), (0.4, 2, 2))
    before, after = ground + rng.normal(0, 20, (2, 3, 220, 240))
    after[:, 60:90, 100:140] += 900
    dates = {"b": before, "a": after, "lit": after * GAIN + OFFSET}
    names = ("Blue", "Green", "Red")
    return [
        write_raster(f"{name}.tif", image.astype(np.float32), names=names)
        for name, image in dates.items()
    ]


def _read(path, name):
    with rasterio.open(path / name) as dataset:
        return dataset.read(1).astype(int)


@pytest.mark.parametrize("method", ["cva", "context", "pca-kmeans", "irmad"])
def test_light_moves_no_map(lit, tmp_path, method):
    before, after, other = lit
    for name, date in (("a", after), ("lit", other)):
        gc.detect(before, date, tmp_path / name, method=method, normalize="linear", **QUICK)
    masks = [_read(tmp_path / name, "mask.tif") for name in ("a", "lit")]
    assert (masks[0] != masks[1]).mean() < 1e-3
    assert masks[0][70:80, 110:130].mean() > 0.9


def test_it_is_said_in_the_summary_the_report_and_the_run(lit, tmp_path, capsys):
    words = [str(lit[0]), str(lit[2])]
    assert main(["detect", *words, "-o", str(tmp_path / "out"), "-q", "--method", "cva"]) == 0
    assert "radiometry after date brought to the before date, gain 0." in capsys.readouterr().out
    assert "radiometry: after date brought" in (tmp_path / "out/report.html").read_text()
    result = gc.open_map(tmp_path / "out")
    found = result.run["radiometry"]
    assert found["applied"]
    np.testing.assert_allclose([fit["gain"] for fit in found["fits"]], 1 / GAIN.ravel(), rtol=0.02)
    assert "--normalize auto" in result.run["command"]
    square = result.polygons().sort_values("pixels").iloc[-1]
    assert square["delta_Blue"] == pytest.approx(900, rel=0.05)
    assert square["class"] == "brighter"


def test_qgis_stretches_the_file_by_its_own_values(lit, tmp_path):
    out = tmp_path / "out"
    gc.detect(lit[0], lit[2], out, method="cva", register="off")
    with zipfile.ZipFile(out / "changes.qgz") as project:
        text = project.read("changes.qgs").decode()
    limits = re.findall(r"<minValue>(.+?)</minValue>\s*<maxValue>(.+?)</maxValue>", text)[:6]
    first, second = sorted(np.array(limits, float).reshape(2, 3, 2), key=lambda lows: lows[2, 0])
    order = [2, 1, 0]  # red, green and blue of the bands
    expected = first * GAIN[order, :, 0] + OFFSET[order, :, 0]
    if abs(expected - second).max() > 60:
        expected, second = second * GAIN[order, :, 0] + OFFSET[order, :, 0], first
    np.testing.assert_allclose(second, expected, atol=60)


def test_tiles_and_threads_do_not_change_the_result(lit, tmp_path):
    for size, threads in ((240, 1), (70, 2)):
        gc.detect(lit[0], lit[2], tmp_path / f"{size}", method="context", tile_size=size,
                  threads=threads, normalize="histogram", **QUICK)  # fmt: skip
    assert (_read(tmp_path / "240", "score.tif") == _read(tmp_path / "70", "score.tif")).all()


def test_a_resumed_run_does_not_measure_again(lit, tmp_path, monkeypatch):
    settings = {"method": "cva", "tile_size": 100, **QUICK}
    whole = gc.detect(lit[0], lit[2], tmp_path / "whole", **settings)
    write = geochange.exports.runs.finishing.write_rasters

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(geochange.exports.runs.finishing, "write_rasters", stop)
    with pytest.raises(KeyboardInterrupt):
        gc.detect(lit[0], lit[2], tmp_path / "out", **settings)
    monkeypatch.setattr(geochange.exports.runs.finishing, "write_rasters", write)
    monkeypatch.setattr(geochange.engine.preparing, "normalize_pair", stop)
    resumed = gc.detect(lit[0], lit[2], tmp_path / "out", resume=True, **settings)
    assert resumed.run["radiometry"] == whole.run["radiometry"]
    assert (tmp_path / "out/score.tif").read_bytes() == (tmp_path / "whole/score.tif").read_bytes()


def test_the_setting_is_part_of_what_a_run_is(lit, tmp_path):
    gc.detect(*lit[:2], tmp_path / "out", method="cva", normalize="off", **QUICK)
    assert gc.open_map(tmp_path / "out").run["radiometry"] == {"mode": "off", "applied": False}
    with pytest.raises(OutputExistsError):
        gc.detect(*lit[:2], tmp_path / "out", method="cva", resume=True, **QUICK)
    words = ["detect", *map(str, lit[:2]), "-o", str(tmp_path / "out2"), "--normalize", "on"]
    assert main(words) == 2
    with pytest.raises(UsageError, match="unknown normalisation 'on'"):
        gc.detect(*lit[:2], tmp_path / "out2", normalize="on")


def test_align_writes_the_normalised_date_when_told(lit, tmp_path):
    for name, more in (("off", []), ("on", ["--normalize", "linear"])):
        words = ["align", str(lit[0]), str(lit[2]), "-o", str(tmp_path / name), "-q", *more]
        assert main([*words, "--register", "off"]) == 0
    dates = [rasterio.open(tmp_path / name / "after.tif").read() for name in ("off", "on")]
    with rasterio.open(lit[1]) as dataset:
        after = dataset.read()
    assert abs(np.median(dates[1] - after)) < 20 < abs(np.median(dates[0][:2] - after[:2]))
    run = json.loads((tmp_path / "on/run.json").read_text())
    assert run["radiometry"]["applied"]
    assert run["notes"][-1].startswith("radiometry: after date brought")
