"""The project of a series, opened and played by real QGIS."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from geochange.timeline import detect_series

CHECK = Path(__file__).with_name("check_series_qgis.py")


@pytest.mark.slow
def test_the_temporal_controller_plays_dates_and_changes(write_raster, tmp_path, run_with_qgis):
    rng = np.random.default_rng(0)
    images = (1000 + 20 * rng.standard_normal((6, 3, 40, 40))).astype(np.uint16)
    images[2:, :, 5:12, 5:12] += 900
    images[4:, :, 25:33, 25:33] += 900
    days = [date(2000 + 5 * n, 1, 1) for n in range(6)]
    paths = [
        write_raster(f"s/{day}.tif", image, nodata=0)
        for day, image in zip(days, images, strict=True)
    ]
    result = detect_series(paths, tmp_path / "out")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    done = run_with_qgis(CHECK, result.path / "changes.qgz", pictures)
    found = json.loads(done.stdout)
    assert found["loaded"]
    assert found["invalid"] == []
    assert found["period"] == ["2000-01-01", "2030-01-01"]
    assert found["temporal"]
    assert found["fields"]["date_start"] == found["fields"]["date_end"] == "Date"
    frames = found["frames"][:6]  # QGIS may add one at the very end
    assert [frame["begin"] for frame in frames] == [str(day) for day in days]
    tops = [frame["rasters"][0] for frame in frames]
    assert tops == [str(day) for day in days]  # the newest date of a step lies on top
    counts = [frame["features"] for frame in frames]
    assert counts == sorted(counts)
    assert counts[1] == 0
    assert counts[2] >= 1
    assert counts[4] > counts[2]
    assert counts[5] == found["features"]
