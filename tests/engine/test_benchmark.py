"""The speed benchmark on pairs of 300 px."""

import csv
import sys
from pathlib import Path

import pytest
import rasterio

ROOT = Path(__file__).parents[2]
MODULES = ("speed", "peers", "processes", "rasters", "runs", "scaling", "tables")


@pytest.fixture
def speed(monkeypatch):
    """Import the benchmark as its command does."""
    monkeypatch.syspath_prepend(ROOT / "tests/benchmarks")
    import speed

    yield speed
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def run(speed, monkeypatch, capsys, tmp_path):
    """Run the command on pairs of 300 px and return its tables."""

    def call(*words):
        fixed = ["--sizes", "300", "--codecs", "zstd", "--methods", "cva", "--folder", tmp_path]
        monkeypatch.setattr(sys, "argv", ["speed.py", *map(str, [*fixed, *words])])
        speed.main()
        return capsys.readouterr().out

    return call


def test_runs_and_their_costs(run, tmp_path):
    printed = run("--tables", "runs", "--density", "500", "--save", tmp_path / "costs.csv")
    assert "| 300 | zstd | cva |" in printed
    with (tmp_path / "costs.csv").open() as file:
        rows = {row["stage"]: row for row in csv.DictReader(file)}
    assert {"reading", "start", "fit", "score", "clean", "polygons", "whole"} <= set(rows)
    parts = [float(row["cpu_s"]) for name, row in rows.items() if name not in ("reading", "whole")]
    assert sum(parts) == pytest.approx(float(rows["whole"]["cpu_s"]), abs=0.02)
    assert int(rows["whole"]["peak_bytes"]) > 100e6
    assert int(rows["whole"]["changes"]) > 10


def test_a_large_pair_repeats_a_small_one(speed, tmp_path, monkeypatch):
    import rasters

    monkeypatch.setattr(rasters, "LARGEST_WRITTEN", 300)
    monkeypatch.setattr(rasters, "REPEATED", 200)
    paths = rasters.make_pair(str(tmp_path), 450, 100, "deflate")
    small = (tmp_path / "before-200-deflate.tif").stat().st_size
    assert 2 * 4 * small < rasters.weigh_pair(paths, 450) < 2 * 6 * small
    for path in paths:
        with rasterio.open(path) as dataset:
            pixels = dataset.read()
        assert pixels.shape == (4, 450, 450)
        assert (pixels[:, 200:400, 400:] == pixels[:, :200, :50]).all()
        assert pixels.min() > 0


def test_memory_of_all_processes_together(speed):
    import processes

    hold = "import time; held = bytearray(80_000_000); time.sleep(0.5)"
    spawn = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}]); {hold}"
    both = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {hold!r}]); {hold}"
    apart = processes.measure([sys.executable, "-c", spawn])
    together = processes.measure([sys.executable, "-c", f"{both}; p.wait()"])
    assert 80e6 < apart.largest_bytes <= apart.peak_bytes < 140e6
    assert together.peak_bytes > 150e6
    with pytest.raises(SystemExit, match="no such thing"):
        processes.measure([sys.executable, "-c", "raise SystemExit('no such thing')"])


@pytest.mark.slow
def test_peers_that_are_missing_are_named(run, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    printed = run("--tables", "peers")
    assert "Left out: gdal_polygonize.py is not installed (Debian: gdal-bin" in printed
    assert "| 300 | geochange irmad" in printed
    assert "| 300 | rasterio.features.shapes" in printed


@pytest.mark.slow
def test_tasks_and_workers(run, speed, monkeypatch):
    monkeypatch.setattr(speed, "NO_TASKS", 50)
    printed = run("--tables", "engine")
    assert "| 300 | score | 1 | 1 | 1.00 |" in printed
    assert "| 50 | 2 processes |" in printed
    assert printed.count("| none |") == 4
