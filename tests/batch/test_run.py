"""Batches of small pairs, run for real: isolation, shards, kills, interrupts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

import geochange.batch.attempt as batch_attempt
from geochange.batch import Shard, plan_batch, read_manifest, run_batch
from geochange.cli import main
from geochange.detectors.methods.cva import CVA
from geochange.engine import scoring
from geochange.errors import ClusterError, DataWarning, OutputError, ResourceError, UsageError
from geochange.pipeline import detect

SMALL = {"tile_size": 16, "threads": 1}
KILLED = """
import json, os, signal, sys
from geochange.batch import read_manifest, run_batch

def kill(name):
    def report(stage, done, total):
        if (name, stage, done) == ("b", "score", 3):
            os.kill(os.getpid(), signal.SIGKILL)
    return report

list(run_batch(read_manifest(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), on_progress=kill))
"""


def statuses(results):
    return {result.id: result.status for result in results}


@pytest.fixture
def kill_in_b(tmp_path, settings):
    """Run a batch in a process of its own that is killed while it scores item b."""

    def kill(manifest, out, **more):
        arguments = json.dumps(settings | SMALL | more)
        words = [sys.executable, "-c", KILLED, str(manifest), str(out), arguments]
        done = subprocess.run(words, capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr

    return kill


@pytest.fixture
def count_scores(monkeypatch):
    """Count the tiles that are scored."""
    calls = []
    score = CVA.score

    def counted(self, *arrays):
        calls.append(1)
        return score(self, *arrays)

    monkeypatch.setattr(CVA, "score", counted)
    return calls


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_failing_pair_stops_no_other(
    at_once, make_pairs, settings, tmp_path, read_log, read_table
):
    manifest = make_pairs("a", "b", "c", absent=("gone",))
    out = tmp_path / "runs"
    found = list(run_batch(read_manifest(manifest), out, settings, pairs_at_once=at_once))
    assert statuses(found) == {"a": "done", "b": "done", "c": "done", "gone": "failed"}
    logged = [entry["id"] for entry in read_log(out / "batch.jsonl")]
    assert sorted(logged) == sorted(r.id for r in found)
    table = read_table(out / "summary.csv")
    assert list(table) == ["a", "b", "c", "gone"]
    assert "no such file" in table["gone"]["message"]
    assert {row["changes"] for row in table.values()} == {"1", ""}
    assert table["a"]["method"] == "cva"
    assert float(table["a"]["valid_share"]) == 1
    assert table["a"]["output"] == "a"
    again = list(run_batch(read_manifest(manifest), out, settings, pairs_at_once=at_once))
    assert statuses(again) == {"a": "skipped", "b": "skipped", "c": "skipped", "gone": "failed"}
    facts = ("changes", "area_m2", "valid_share", "threshold", "output")
    after = read_table(out / "summary.csv")
    assert [[after[i][f] for f in facts] for i in "abc"] == [
        [table[i][f] for f in facts] for i in "abc"
    ]


def test_pairs_at_once_give_the_same_bytes(make_pairs, settings, tmp_path, read_files):
    items = read_manifest(make_pairs("a", "b", "c", "d"))
    contents = []
    for name, at_once, more in (("one", 1, {}), ("four", 4, {"tile_size": 32})):
        out = tmp_path / name
        list(run_batch(items, out, settings | more, pairs_at_once=at_once))
        contents.append([read_files(out / item.id) for item in items])
    assert contents[0] == contents[1]


@pytest.mark.slow
def test_pairs_share_worker_processes(make_pairs, settings, tmp_path, read_files):
    items = read_manifest(make_pairs("a", "b", "c"))
    contents = []
    for name, engine in (("threads", {}), ("processes", {"workers": 2})):
        out = tmp_path / name
        found = run_batch(items, out, settings | engine, pairs_at_once=2)
        assert set(statuses(found).values()) == {"done"}
        contents.append([read_files(out / item.id) for item in items])
    assert contents[0] == contents[1]


def test_a_killed_batch_goes_on_where_it_was(
    make_pairs, settings, tmp_path, kill_in_b, count_scores, read_files, read_log
):
    manifest = make_pairs("a", "b", "c", size=128)
    out, whole = tmp_path / "runs", tmp_path / "whole"
    kill_in_b(manifest, out)
    assert [e["id"] for e in read_log(out / "batch.jsonl")] == ["a"]
    assert (out / "b.partial").is_dir()
    assert not (out / "summary.csv").exists()
    found = list(run_batch(read_manifest(manifest), out, settings | SMALL))
    assert statuses(found) == {"a": "skipped", "b": "done", "c": "done"}
    assert 64 < len(count_scores) <= 64 + 64 - 3  # c, and what was missing of b
    assert not (out / "b.partial").exists()
    list(run_batch(read_manifest(manifest), whole, settings | SMALL))
    for name in "abc":
        assert read_files(out / name) == read_files(whole / name)


def test_an_unfinished_pair_of_other_settings_is_kept(make_pairs, settings, tmp_path, kill_in_b):
    manifest = make_pairs("b", size=128)
    out = tmp_path / "runs"
    kill_in_b(manifest, out)
    other = settings | {"min_area": "9px"}
    (found,) = run_batch(read_manifest(manifest), out, other)
    assert found.status == "failed"
    assert "b.partial" in found.message
    assert (out / "b.partial").is_dir()
    (found,) = run_batch(read_manifest(manifest), out, other | {"overwrite": True})
    assert found.status == "done"
    assert not (out / "b.partial").exists()


@pytest.mark.slow
def test_shards_run_at_the_same_time_into_one_folder(
    make_pairs, tmp_path, capsys, read_table, read_log, read_files
):
    manifest = make_pairs("a", "b", "c", "d", "g", absent=("gone",))
    out, whole = tmp_path / "runs", tmp_path / "whole"
    names = [item.id for item in read_manifest(manifest)]
    parts = [[name for name in names if Shard(number, 2).holds(name)] for number in (1, 2)]
    assert all(parts), "both shards should have work here"
    words = ["batch", str(manifest), "--method", "cva", "--threshold", "otsu", "-o"]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "geochange", *words, out, "--shard", f"{number}/2"],
            stdout=subprocess.PIPE,
        )
        for number in (1, 2)
    ]
    outputs = [process.communicate()[0].decode() for process in running]
    for number, part, process, text in zip((1, 2), parts, running, outputs, strict=True):
        assert process.returncode == (3 if "gone" in part else 0)
        assert f"summary-{number}of2.csv" in text
        assert list(read_table(out / f"summary-{number}of2.csv")) == part
        assert {e["id"] for e in read_log(out / f"batch-{number}of2.jsonl")} == set(part)
    assert not (out / "summary.csv").exists()
    assert main([*words, str(out), "--quiet"]) == 3
    assert capsys.readouterr().out.count("finished earlier") == 5
    assert list(read_table(out / "summary.csv")) == names
    main([*words, str(whole), "--quiet"])
    for name in "abcdg":
        assert read_files(out / name) == read_files(whole / name)


def test_failures_of_shards_are_known_to_the_whole(make_pairs, settings, tmp_path):
    items = read_manifest(make_pairs("a", absent=("gone",)))
    for number in (1, 2):
        list(run_batch(items, tmp_path / "runs", settings, shard=f"{number}/2"))
    found = {r.id: r for r in run_batch(items, tmp_path / "runs", settings, retry_failed=False)}
    assert found["gone"].message == "failed before; not retried"
    assert found["a"].status == "skipped"


def test_an_interrupt_keeps_what_is_done(make_pairs, settings, tmp_path, read_log, read_table):
    manifest = make_pairs("a", "b", "c", size=128)
    out = tmp_path / "runs"

    def interrupt(name):
        def report(stage, done, total):
            if (name, stage, done) == ("b", "score", 3):
                raise KeyboardInterrupt

        return report

    results = run_batch(read_manifest(manifest), out, settings | SMALL, on_progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(results)
    assert [e["status"] for e in read_log(out / "batch.jsonl")] == ["done", "interrupted"]
    table = read_table(out / "summary.csv")
    assert [table[name]["status"] for name in "abc"] == ["done", "interrupted", "pending"]
    assert (out / "b.partial").is_dir()
    found = statuses(run_batch(read_manifest(manifest), out, settings | SMALL))
    assert found == {"a": "skipped", "b": "done", "c": "done"}


def test_ctrl_c_stops_all_pairs_that_run(make_pairs, settings, tmp_path, read_table):
    manifest = make_pairs("a", "b", "c", "d", size=128)
    out = tmp_path / "runs"
    both = threading.Barrier(2)

    def interrupt(name):
        def report(stage, done, total):
            if (stage, done) == ("score", 3):
                if both.wait() == 0:
                    os.kill(os.getpid(), signal.SIGINT)
                threading.Event().wait(0.5)  # the other pair is in the middle too

        return report

    results = run_batch(
        read_manifest(manifest), out, settings | SMALL, pairs_at_once=2, on_progress=interrupt
    )
    with pytest.raises(KeyboardInterrupt):
        list(results)
    table = read_table(out / "summary.csv")
    assert [table[name]["status"] for name in "abcd"] == ["interrupted"] * 2 + ["pending"] * 2
    assert (out / "a.partial").is_dir()
    assert (out / "b.partial").is_dir()
    assert not (out / "c").exists()
    found = statuses(run_batch(read_manifest(manifest), out, settings | SMALL, pairs_at_once=2))
    assert set(found.values()) == {"done"}


def test_a_batch_may_be_left_in_the_middle(make_pairs, settings, tmp_path, read_table):
    results = run_batch(read_manifest(make_pairs("a", "b")), tmp_path / "runs", settings)
    assert next(results).status == "done"
    results.close()
    assert read_table(tmp_path / "runs" / "summary.csv")["b"]["status"] == "pending"


def test_a_pair_that_lost_tiles_is_incomplete(
    make_pairs, settings, tmp_path, read_table, monkeypatch
):
    manifest = make_pairs("a", "b")
    out = tmp_path / "runs"
    arguments = settings | {"tile_size": 32, "threads": 1}
    score_block = scoring.score_block

    def fail(detector, block):
        if block.tile.index == 4:
            raise ZeroDivisionError
        return score_block(detector, block)

    monkeypatch.setattr(scoring, "score_block", fail)
    with pytest.warns(DataWarning, match="could not be read or scored"):
        found = {r.id: r for r in run_batch(read_manifest(manifest), out, arguments)}
    assert {r.status for r in found.values()} == {"incomplete"}
    assert found["a"].tiles_failed == 1
    assert found["a"].message == "1 tiles have pixels without data: ZeroDivisionError: "
    assert found["a"].valid_share == pytest.approx(8 / 9, abs=1e-6)
    stamp = (out / "a" / "run.json").stat().st_mtime_ns
    (kept, _) = run_batch(read_manifest(manifest), out, arguments, retry_failed=False)
    assert kept.status == "incomplete"
    assert kept.tiles_failed == 1
    assert (out / "a" / "run.json").stat().st_mtime_ns == stamp
    monkeypatch.setattr(scoring, "score_block", score_block)
    found = statuses(run_batch(read_manifest(manifest), out, arguments))
    assert found == {"a": "done", "b": "done"}
    assert read_table(out / "summary.csv")["a"]["tiles_failed"] == "0"


@pytest.mark.parametrize("error", [ClusterError, ResourceError])
@pytest.mark.parametrize("at_once", [1, 2])
def test_what_no_pair_can_run_without_ends_the_batch(
    error, at_once, make_pairs, settings, tmp_path, monkeypatch, read_table
):
    def lose(*_, **__):
        message = "it is gone"
        raise error(message)

    monkeypatch.setattr(batch_attempt, "detect", lose)
    monkeypatch.setattr(batch_attempt, "is_full", lambda folder: True)
    results = run_batch(
        read_manifest(make_pairs("a", "b", "c")), tmp_path / "runs", settings, pairs_at_once=at_once
    )
    with pytest.raises(error, match="it is gone"):
        list(results)
    table = read_table(tmp_path / "runs" / "summary.csv")
    assert table["a"]["status"] == "failed"
    assert table["c"]["status"] == "pending"


def test_a_pair_too_large_for_memory_stops_no_other(make_pairs, settings, tmp_path, monkeypatch):
    def refuse(before, after, output, **arguments):
        if output.name == "a":
            message = "too large"
            raise ResourceError(message)
        return detect(before, after, output, **arguments)

    monkeypatch.setattr(batch_attempt, "detect", refuse)
    items = read_manifest(make_pairs("a", "b"))
    assert statuses(run_batch(items, tmp_path / "runs", settings)) == {"a": "failed", "b": "done"}


def test_a_pair_without_crs_has_no_area(make_pairs, settings, tmp_path):
    items = read_manifest(make_pairs("a", crs=None))
    with pytest.warns(DataWarning, match="no CRS"):
        (found,) = run_batch(items, tmp_path / "runs", settings)
    assert (found.status, found.changes, found.area_m2) == ("done", 1, None)


def test_a_pair_without_dates_says_so(make_pairs, settings, tmp_path):
    items = read_manifest(make_pairs("a", dated=False))
    (found,) = run_batch(items, tmp_path / "runs", settings)
    assert found.status == "done"
    assert "neither date is known" in found.message


def test_settings_of_a_row_go_first(make_pairs, settings, tmp_path):
    manifest = make_pairs("a", dated=False)
    manifest.write_text("id,before,after,date_after\na,a/a.tif,a/b.tif,2024-02-03\n")
    out = tmp_path / "runs"
    (found,) = run_batch(read_manifest(manifest), out, settings | {"date_after": "2000-01-01"})
    assert found.status == "done"
    run = json.loads((out / "a" / "run.json").read_text())
    assert run["inputs"]["after"]["date"] == "2024-02-03"


def test_a_plan_runs_nothing(make_pairs, settings, tmp_path):
    items = read_manifest(make_pairs("a", absent=("gone",)))
    plans = [r for n in (1, 2) for r in plan_batch(items, settings, f"{n}/2")]
    assert statuses(plans) == {"a": "planned", "gone": "failed"}


def test_what_cannot_be_is_one_line(make_pairs, settings, tmp_path):
    items = read_manifest(make_pairs("a"))
    with pytest.raises(UsageError, match="such as 2/8"):
        next(run_batch(items, tmp_path / "runs", settings, shard="3/2"))
    with pytest.raises(UsageError, match="pairs_at_once is 1 or more"):
        next(run_batch(items, tmp_path / "runs", settings, pairs_at_once=0))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        next(run_batch(items, tmp_path / "file", settings))
    assert not (tmp_path / "runs").exists()
