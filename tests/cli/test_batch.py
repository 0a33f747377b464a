"""``geochange batch`` as a user meets it."""

import json

import numpy as np
import pytest

import geochange.batch.attempt
from geochange.batch import ItemResult
from geochange.cli import main


@pytest.fixture
def manifest(write_raster, tmp_path):
    rng = np.random.default_rng(2)
    for name in ("before", "after"):
        write_raster(f"{name}.tif", rng.integers(900, 999, (1, 40, 40)).astype(np.uint16))
    path = tmp_path / "pairs.csv"
    rows = ("x,before.tif,after.tif", "y,before.tif,after.tif", "gone,none.tif,after.tif")
    path.write_text("id,before,after\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def run(capsys, manifest, tmp_path):
    def call(*words):
        code = main(["batch", str(manifest), "-o", str(tmp_path / "runs"), "-q", *words])
        return code, *capsys.readouterr()

    return call


def test_it_ends_with_where_the_summaries_are(run, tmp_path):
    code, out, err = run("--method", "cva")
    assert (code, err) == (3, "")
    lines = out.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["x", "y", "gone"]
    assert lines[3] == f"{tmp_path / 'runs' / 'summary.csv'}  2 done, 1 failed"
    assert lines[4].startswith(str(tmp_path / "runs" / "summary.gpkg"))
    code, out, _ = run("--method", "cva", "--limit", "2", "--json")
    assert code == 0
    assert [json.loads(line)["status"] for line in out.splitlines()] == ["skipped", "skipped"]


@pytest.mark.parametrize(
    "words", [("--shard", "3/2"), ("--shard", "half"), ("--pairs-at-once", "0"), ("--limit", "0")]
)
def test_a_bad_option_is_one_line(words, run, tmp_path):
    code, out, err = run(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert not (tmp_path / "runs").exists()


def test_a_plan_of_a_shard_writes_nothing(run, tmp_path):
    found = [run("--dry-run", "--shard", f"{number}/2") for number in (1, 2)]
    assert sum(out.count("planned") for _, out, _ in found) == 2
    assert sum(code == 3 for code, _, _ in found) == 1
    assert not (tmp_path / "runs").exists()


def test_ctrl_c_says_how_to_go_on(run, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(geochange.batch.attempt, "detect", interrupt)
    code, _, err = run()
    assert (code, err.strip().count("\n")) == (130, 0)
    assert "run the same batch again" in err
    assert "x,interrupted" in (tmp_path / "runs" / "summary.csv").read_text()


def test_lost_tiles_are_a_failure_of_some(run, monkeypatch):
    result = ItemResult("x", "incomplete", "3 tiles have pixels without data", changes=5)
    monkeypatch.setattr(geochange.batch.attempt.Batch, "settle", lambda *_: result)
    code, out, _ = run("--limit", "1")
    assert code == 3
    assert "x: 5 changes, 0.0 s: 3 tiles have pixels without data" in out
