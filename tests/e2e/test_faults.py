"""What may happen to a run from outside: it ends with the same bytes, or says why it cannot."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import rasterio

from geochange.io.stores.score import SCORE_NODATA

SCENE = Path(__file__).parents[2] / "data_samples" / "vhr"
DETECT = [
    "detect", str(SCENE / "before.tif"), str(SCENE / "after.tif"), "--method", "cva",
    "--tile-size", "128",
]  # fmt: skip
KILL_BEFORE = """
import os, pathlib, signal, sys
from geochange.cli import main
replace, name, times = pathlib.Path.replace, sys.argv[1], [int(sys.argv[2])]

def die(self, target):
    if pathlib.Path(target).name == name:
        times[0] -= 1
        if times[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)

pathlib.Path.replace = die
sys.exit(main(sys.argv[3:]))
"""


def command(*words):
    return [sys.executable, "-m", "geochange", *map(str, words)]


def run(*words, code=0):
    done = subprocess.run(command(*words, "-q"), capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def hash_files(folder):
    """Hash every file of a result but ``run.json``, which holds times."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "run.json")
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The same run without any fault; its folder's name is in the project file."""
    out = tmp_path_factory.mktemp("whole") / "out"
    run(*DETECT, "-o", out)
    return hash_files(out)


def kill_before(name, times, *words):
    done = subprocess.run(
        [sys.executable, "-c", KILL_BEFORE, name, str(times), *map(str, words)], check=False
    )
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("name", "times"),
    [
        pytest.param("00002.tile", 3, marks=pytest.mark.slow),
        pytest.param("00000.npz", 0, marks=pytest.mark.slow),
        pytest.param("score.tif", 0, marks=pytest.mark.slow),
        ("mask.tif", 0),
        pytest.param("changes.gpkg", 0, marks=pytest.mark.slow),
        pytest.param("changes.geojson", 0, marks=pytest.mark.slow),
        pytest.param("changes.qgz", 0, marks=pytest.mark.slow),
        pytest.param("report.html", 0, marks=pytest.mark.slow),
        pytest.param("run.json", 0, marks=pytest.mark.slow),
        pytest.param("out", 0, marks=pytest.mark.slow),
    ],
)
def test_a_run_killed_while_it_writes_goes_on_to_the_same_bytes(tmp_path, whole, name, times):
    out = tmp_path / "out"
    kill_before(name, times, *DETECT, "-o", out)
    assert not out.exists()
    refused = run(*DETECT, "-o", out, code=5)
    assert "go on with it (--resume)" in refused.stderr
    run(*DETECT, "-o", out, "--resume")
    assert hash_files(out) == whole
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


@pytest.mark.slow
def test_a_run_killed_again_and_again_at_any_moment_ends_the_same(tmp_path, whole):
    out, rng = tmp_path / "out", np.random.default_rng(0)
    for _ in range(40):
        process = subprocess.Popen(command(*DETECT, "-o", out, "--resume", "-q"))
        try:
            process.wait(timeout=float(rng.uniform(0.8, 3.5)))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        else:
            break
    run(*DETECT, "-o", out, "--resume")
    assert hash_files(out) == whole


@pytest.mark.slow
def test_finished_tiles_are_not_scored_again(tmp_path):
    out = tmp_path / "out"
    kill_before("mask.tif", 0, *DETECT, "-o", out)
    tiles = sorted((tmp_path / "out.partial" / "tiles").glob("*/score/*/*.tile"))
    assert len(tiles) == 36
    stamps = {path: path.stat().st_mtime_ns for path in tiles}
    tiles[7].unlink()
    kill_before("mask.tif", 0, *DETECT, "-o", out, "--resume")
    again = [path for path in tiles if path.stat().st_mtime_ns != stamps[path]]
    assert again == [tiles[7]]


@pytest.mark.slow
def test_another_input_or_setting_is_no_resuming(tmp_path):
    out, after = tmp_path / "out", tmp_path / "after.tif"
    after.write_bytes((SCENE / "after.tif").read_bytes())
    words = ["detect", str(SCENE / "before.tif"), str(after), "--method", "cva", "-o", str(out)]
    kill_before("mask.tif", 0, *words)
    for changed in (["--min-area", "9px"], ["--threshold", "0.4"], ["--method", "irmad"]):
        assert "other inputs, settings" in run(*words, "--resume", *changed, code=5).stderr
    with rasterio.open(after, "r+") as dataset:
        pixels = dataset.read(1)
        dataset.write(pixels[::-1], 1)
    assert "other inputs, settings" in run(*words, "--resume", code=5).stderr
    run(*words, "--overwrite")
    assert {path.name for path in tmp_path.iterdir()} == {"out", "after.tif"}


@pytest.mark.slow
def test_resuming_what_is_finished_does_nothing(tmp_path):
    out = tmp_path / "out"
    run(*DETECT, "-o", out)
    stamp = (out / "run.json").stat().st_mtime_ns
    run(*DETECT, "-o", out, "--resume")
    assert (out / "run.json").stat().st_mtime_ns == stamp
    assert "exists" in run(*DETECT, "-o", out, "--resume", "--opening", "1", code=5).stderr


def wait_for(path, pattern, count, process):
    deadline = time.monotonic() + 60
    while len(list(path.rglob(pattern))) < count and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_ctrl_c_keeps_what_is_finished(tmp_path, whole):
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(*DETECT, "-o", out, "--threads", "1", "-q"), stderr=subprocess.PIPE, text=True
    )
    wait_for(tmp_path / "out.partial", "*.tile", 3, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with --resume" in errors
    assert not list((tmp_path / "out.partial").rglob("*.tmp"))
    run(*DETECT, "-o", out, "--resume")
    assert hash_files(out) == whole


@pytest.mark.slow
def test_of_two_runs_on_one_output_the_second_refuses(tmp_path, whole):
    out = tmp_path / "out"
    both = [
        subprocess.Popen(command(*DETECT, "-o", out, "-q"), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 5]
    assert "is being written by process" in "".join(errors) or "exists" in "".join(errors)
    assert hash_files(out) == whole


@pytest.mark.slow
def test_processes_give_the_bytes_of_threads_even_when_one_is_killed(tmp_path, whole):
    out = tmp_path / "out"
    process = subprocess.Popen(command(*DETECT, "-o", out, "--workers", "2", "-q"))
    wait_for(tmp_path / "out.partial", "*.tile", 4, process)
    workers = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    ]
    workers[0].kill()
    assert process.wait(timeout=120) == 0
    assert hash_files(out) == whole


@pytest.mark.slow
def test_a_run_whose_client_dies_with_its_workers_goes_on(tmp_path, whole):
    out = tmp_path / "out"
    process = subprocess.Popen(command(*DETECT, "-o", out, "--workers", "2", "-q"))
    wait_for(tmp_path / "out.partial", "*.tile", 4, process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert gone
    assert not alive
    run(*DETECT, "-o", out, "--resume", "--workers", "1", "--threads", "2")
    assert hash_files(out) == whole


def damage_block(path, row, col, band=1):
    """Overwrite the bytes of one block of a tiled GeoTIFF."""
    with rasterio.open(path) as dataset:
        place = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band)
        size = dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=band)
    with path.open("r+b") as file:
        file.seek(int(place))
        file.write(b"\xff" * int(size))


@pytest.mark.slow
def test_one_corrupt_block_costs_its_own_pixels(tmp_path):
    with rasterio.open(SCENE / "before.tif") as dataset:
        pixels, profile = dataset.read(), dataset.profile
    profile.update(tiled=True, blockxsize=64, blockysize=64, compress="zstd", interleave="pixel")
    before, out = tmp_path / "before.tif", tmp_path / "out"
    with rasterio.open(before, "w", **profile) as dataset:
        dataset.write(pixels)
    words = ["detect", str(before), str(SCENE / "after.tif"), "--method", "cva"]
    run(*words, "--tile-size", "256", "-o", tmp_path / "sound")
    damage_block(before, 5, 3)
    done = run(*words, "--tile-size", "256", "-o", out, code=3)
    assert "could not be read" in done.stderr
    scores = []
    for folder in (tmp_path / "sound", out):
        with rasterio.open(folder / "score.tif") as dataset:
            scores.append(dataset.read(1))
    lost = (scores[1] == SCORE_NODATA) & (scores[0] != SCORE_NODATA)
    assert lost[320:384, 192:256].all()
    lost[320 - 64 : 384 + 64, 192 - 64 : 256 + 64] = False
    assert not lost.any()
    noted = json.loads((out / "run.json").read_text())["quarantine"]
    assert {"tile", "row", "col", "lost_px", "reason"} == set(noted[0])
    assert str(before) in noted[0]["reason"]
    assert "could not be read" in (out / "report.html").read_text()
