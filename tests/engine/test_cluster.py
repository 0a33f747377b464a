from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import warnings

import pytest
from distributed import LocalCluster

from geochange.engine import cluster as cluster_module
from geochange.engine.cluster import connect, start_workers
from geochange.engine.runner import Runner, open_runner
from geochange.errors import ClusterError, GeochangeWarning
from geochange.tiles import TilePlan


@pytest.fixture(autouse=True)
def quiet():
    """Closing a cluster leaves sockets to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def test_workers_are_processes_and_results_come_in_order():
    factor = 3
    with open_runner(workers=2) as runner:
        found = list(
            runner.run(lambda tile: (tile.index * factor, os.getpid()), TilePlan((40, 1), 1))
        )
    assert [value for value, _ in found] == [3 * n for n in range(40)]
    assert len({pid for _, pid in found} | {os.getpid()}) == 3


def test_a_dead_worker_costs_only_its_running_tiles(tmp_path):
    flag = tmp_path / "killed"

    def task(tile):
        if tile.index == 5 and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        with (tmp_path / f"{tile.index}").open("a") as file:
            file.write("x")
        time.sleep(0.02)  # results have the time to come in
        return tile.index

    with start_workers(2, 1) as workers:
        assert list(Runner(workers).run(task, TilePlan((1, 40), 1))) == list(range(40))
    times = [len((tmp_path / f"{n}").read_text()) for n in range(40)]
    assert sum(times) <= 40 + 16  # what it ran, and results that it held


def test_a_tile_that_kills_every_worker_is_given_up_alone():
    def task(tile):
        if tile.index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return tile.index

    with start_workers(2, 1) as workers:
        found = list(
            Runner(workers).run(
                task, TilePlan((1, 12), 1), retries=1, rescue=lambda _, error: type(error).__name__
            )
        )
    assert found == [0, 1, 2, "KilledWorker", *range(4, 12)]


def test_gpu_tasks_go_where_a_gpu_is_and_one_at_a_time(tmp_path):
    def task(tile):
        mark = tmp_path / "busy"
        mark.touch(exist_ok=False)  # a second task at the same time fails here
        time.sleep(0.01)
        mark.unlink()
        return os.getpid()

    settings = {"dashboard_address": None, "security": True, "silence_logs": False}
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=4, resources={"GPU": 1}, **settings
        ) as cluster,
        cluster_module.Client(cluster, set_as_default=False) as client,
    ):
        runner = Runner(cluster_module.Cluster(client))
        assert len(set(runner.run(task, TilePlan((1, 12), 1), gpu=True))) == 1
    with start_workers(1, 1) as workers, pytest.raises(ClusterError, match="resource GPU"):
        next(Runner(workers).run(task, TilePlan((1, 1), 1), gpu=True))


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler of its own, without workers; its process and its file."""
    file = tmp_path / "scheduler.json"
    words = ["-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *words, "--scheduler-file", str(file)], stderr=log, stdout=log
        )
        for _ in range(300):
            if file.exists():
                break
            time.sleep(0.1)
        yield process, file
        process.kill()
        process.wait()


def start_worker(file):
    words = ["-m", "dask", "worker", "--scheduler-file", str(file), "--nthreads", "1"]
    return subprocess.Popen(
        [sys.executable, *words, "--no-dashboard"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def test_any_cluster_works_until_its_scheduler_is_gone(scheduler):
    process, file = scheduler
    worker = start_worker(file)
    warnings.simplefilter("ignore", GeochangeWarning)  # it may not have joined yet
    try:
        with connect(str(file)) as cluster:
            runner = Runner(cluster)
            assert list(runner.run(lambda tile: tile.index, TilePlan((1, 9), 1))) == list(range(9))
            slow = runner.run(lambda _: time.sleep(0.2), TilePlan((1, 200), 1))
            next(slow)
            process.kill()
            with pytest.raises(ClusterError, match="scheduler of the cluster is gone"):
                list(slow)
    finally:
        worker.kill()
        worker.wait()


def test_a_cluster_that_cannot_work_is_said(scheduler, monkeypatch):
    _, file = scheduler
    monkeypatch.setattr(cluster_module, "JOIN_SECONDS", 0.5)
    with (
        pytest.warns(GeochangeWarning, match="has no workers yet"),
        pytest.raises(ClusterError, match="no worker joined"),
        connect(str(file)),
    ):
        pass
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 0.5)
    for nowhere, words in (("tcp://127.0.0.1:9", "no dask scheduler at"), ("x", "no such sched")):
        with pytest.raises(ClusterError, match=words), connect(nowhere):
            pass


def test_a_script_without_a_guard_is_told_what_to_do(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from geochange.engine.runner import open_runner\nwith open_runner(workers=1):\n    pass\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120
    )
    assert re.search(r"ClusterError: 1 worker processes did not start .*__main__", done.stderr)
