"""Registration inside a whole run."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from scipy import ndimage

import geochange as gc
import geochange.engine.preparing
import geochange.exports.runs.finishing
from geochange.cli import main
from geochange.errors import OutputExistsError, UsageError


@pytest.fixture
def shifted(write_raster):
    """Two dates without change, the second 1.4 columns and -0.7 rows off, each with its noise."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4, 1280, 1320))
    fine = ndimage.gaussian_filter(noise, (0, 5, 5)) / 0.056
    fine += ndimage.gaussian_filter(rng.normal(size=fine.shape), (0, 30, 30)) / 0.0094
    paths = []
    for name, (row, col) in (("b", (40, 40)), ("a", (42.8, 34.4))):
        rows, cols = np.mgrid[:300, :310] * 4.0
        bands = [ndimage.map_coordinates(b, [rows + row, cols + col], order=3) for b in fine]
        image = 3000 + 250 * np.stack(bands) + rng.normal(0, 20, (4, 300, 310))
        names = ("Blue", "Green", "Red", "NIR")
        paths.append(write_raster(f"{name}.tif", image.astype(np.uint16), names=names))
    return paths


def _changed(folder):
    with rasterio.open(folder / "mask.tif") as dataset:
        mask = dataset.read(1)
    return (mask == 1).sum() / (mask != 255).sum()


def test_a_shift_is_said_in_the_report_and_run_and_makes_no_change(shifted, tmp_path, capsys):
    words = [str(path) for path in shifted]
    assert main(["detect", *words, "-o", str(tmp_path / "out"), "-q", "--method", "cva"]) == 0
    assert "corrected by a shift of +1.40 columns, -0.70 rows" in capsys.readouterr().out
    report = (tmp_path / "out" / "report.html").read_text()
    assert "after date corrected by a shift" in report
    assert "Displacement of the after date" in report
    run = gc.open_map(tmp_path / "out").run
    assert run["alignment"]["model"] == "shift"
    assert run["alignment"]["residual_after_px"] < 0.1
    assert "--register auto" in run["command"]
    assert _changed(tmp_path / "out") <= 0.005


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cva", "mad", "irmad", "sfa", "pca-kmeans", "context"])
def test_no_method_sees_change_in_a_pair_that_is_only_shifted(shifted, tmp_path, method):
    gc.detect(*shifted, tmp_path / "out", method=method, products=("score", "mask"))
    assert _changed(tmp_path / "out") <= 0.005


def test_tiles_and_threads_do_not_change_what_is_read_where_it_belongs(shifted, tmp_path):
    scores = []
    for size, threads in ((300, 1), (70, 2)):
        out = tmp_path / f"out{size}"
        gc.detect(*shifted, out, method="cva", register="local", tile_size=size, threads=threads,
                  products=("score", "mask"))  # fmt: skip
        with rasterio.open(out / "score.tif") as dataset:
            scores.append(dataset.read(1))
    assert (scores[0] == scores[1]).all()


def test_a_resumed_run_does_not_measure_again(shifted, tmp_path, monkeypatch):
    settings = {"method": "cva", "tile_size": 100, "products": ("score", "mask")}
    whole = gc.detect(*shifted, tmp_path / "whole", **settings)
    write = geochange.exports.runs.finishing.write_rasters

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(geochange.exports.runs.finishing, "write_rasters", stop)
    with pytest.raises(KeyboardInterrupt):
        gc.detect(*shifted, tmp_path / "out", **settings)
    monkeypatch.setattr(geochange.exports.runs.finishing, "write_rasters", write)
    monkeypatch.setattr(geochange.engine.preparing, "register_pair", stop)
    resumed = gc.detect(*shifted, tmp_path / "out", resume=True, **settings)
    assert resumed.run["alignment"] == whole.run["alignment"]
    assert (tmp_path / "out/score.tif").read_bytes() == (tmp_path / "whole/score.tif").read_bytes()


def test_the_setting_is_part_of_what_a_run_is(shifted, tmp_path):
    gc.detect(*shifted, tmp_path / "out", method="cva", register="off", products=("score", "mask"))
    assert gc.open_map(tmp_path / "out").run["alignment"] == {"mode": "off", "applied": False}
    with pytest.raises(OutputExistsError):
        gc.detect(*shifted, tmp_path / "out", method="cva", resume=True, products=("score", "mask"))
    words = ["detect", *map(str, shifted), "-o", str(tmp_path / "out2"), "--register", "on"]
    assert main(words) == 2
    with pytest.raises(UsageError, match="unknown registration 'on'"):
        gc.detect(*shifted, tmp_path / "out2", register="on")
