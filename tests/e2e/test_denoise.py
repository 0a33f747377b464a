"""Filters inside a whole run."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

import geochange as gc
from geochange.cli import main


@pytest.fixture
def radar(write_raster):
    """Speckle of 4 looks with one square that got brighter."""
    rng = np.random.default_rng(0)
    dates = 200 * rng.gamma(4, 0.25, (2, 1, 150, 160))
    dates[1, :, 50:80, 60:90] *= 3
    return [
        write_raster(f"{name}.tif", date.astype(np.float32), names=["VV"])
        for name, date in zip("ba", dates, strict=True)
    ]


def test_the_filter_is_said_and_tiles_do_not_show(radar, tmp_path, capsys):
    words = ["detect", *map(str, radar), "-q", "--register", "off", "--denoise", "lee"]
    for size in ("160", "48"):
        assert main([*words, "-o", str(tmp_path / size), "--tile-size", size]) == 0
    assert "denoise    both dates smoothed by lee over 7 x 7 px" in capsys.readouterr().out
    scores = [rasterio.open(tmp_path / size / "score.tif").read() for size in ("160", "48")]
    np.testing.assert_array_equal(*scores)
    run = gc.open_map(tmp_path / "48").run
    np.testing.assert_allclose(run["denoising"]["strengths"], [[4], [4]], rtol=0.2)
    assert "--denoise lee" in run["command"]
    assert "both dates smoothed by lee" in (tmp_path / "48/report.html").read_text()


def test_align_writes_smoothed_dates(radar, tmp_path):
    words = ["align", *map(str, radar), "-q", "--register", "off", "-o"]
    assert main([*words, str(tmp_path / "bare")]) == 0
    more = ["--denoise", "refined-lee", "--looks", "4"]
    assert main([*words, str(tmp_path / "smooth"), *more]) == 0
    bare, smooth = (
        rasterio.open(tmp_path / name / "before.tif").read() for name in ("bare", "smooth")
    )
    assert smooth.std() < 0.7 * bare.std()
    said = json.loads((tmp_path / "smooth/run.json").read_text())["denoising"]["said"]
    assert said.endswith("4 and 4 looks, as given")


def test_wrong_settings_are_one_line_and_leave_nothing(radar, tmp_path, capsys):
    words = ["detect", *map(str, radar), "-q", "-o", str(tmp_path / "out")]
    assert main([*words, "--denoise", "lee", "--denoise-window", "6"]) == 2
    assert "odd number from 3 to 51, got 6" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
