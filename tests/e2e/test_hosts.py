"""A cluster of hosts: network namespaces with addresses of their own, one cut off in mid-run."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio

from .test_faults import SCENE, command, hash_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("ip") is None or os.geteuid() != 0,
        reason="network namespaces need iproute2 and root",
    ),
]
BRIDGE, NET = "gcbr0", "10.77.91"
HOSTS = {"gc-scheduler": 2, "gc-one": 3, "gc-two": 4}
PORT = 8786
WORKER_TTL = "6s"


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def make_hosts():
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("addr", "add", f"{NET}.1/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    for name, number in HOSTS.items():
        ip("netns", "add", name)
        ip("link", "add", f"gcv{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", f"gcv{number}", "master", BRIDGE, "up")
        ip("-n", name, "addr", "add", f"{NET}.{number}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "link", "set", "lo", "up")


def remove_hosts():
    for words in (*(["netns", "del", name] for name in HOSTS), ["link", "del", BRIDGE]):
        with contextlib.suppress(subprocess.CalledProcessError):
            ip(*words)


def start(name, *words):
    environment = os.environ | {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": WORKER_TTL}
    return subprocess.Popen(
        ["ip", "netns", "exec", name, sys.executable, "-m", "dask", *words, "--no-dashboard"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture
def hosts():
    """The address of a scheduler with two workers, each on a host of its own."""
    remove_hosts()
    try:
        make_hosts()
    except subprocess.CalledProcessError as error:
        remove_hosts()
        pytest.skip(f"this machine allows no network namespaces: {error.stderr.strip()}")
    address = f"tcp://{NET}.{HOSTS['gc-scheduler']}:{PORT}"
    processes = [start("gc-scheduler", "scheduler", "--port", str(PORT))]
    processes += [
        start(name, "worker", address, "--nthreads", "1", "--no-nanny")
        for name in ("gc-one", "gc-two")
    ]
    try:
        yield address
    finally:
        for process in processes:
            process.kill()
            process.wait()
        remove_hosts()


def make_pair(folder):
    """The sample scene, four times as long and wide."""
    paths = []
    for name in ("before.tif", "after.tif"):
        with rasterio.open(SCENE / name) as dataset:
            pixels, profile = np.tile(dataset.read(), (1, 4, 4)), dataset.profile
        profile.update(height=pixels.shape[1], width=pixels.shape[2])
        with rasterio.open(folder / name, "w", **profile) as dataset:
            dataset.write(pixels)
        paths.append(str(folder / name))
    return paths


def test_a_host_that_is_cut_off_costs_only_its_tiles(tmp_path, hosts):
    words = ["detect", *make_pair(tmp_path), "--method", "context", "--tile-size", "128", "-q"]
    expected, out = tmp_path / "whole" / "out", tmp_path / "cut" / "out"
    subprocess.run(command(*words, "-o", expected), check=True, stdout=subprocess.DEVNULL)
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            command(*words, "-o", out, "--scheduler", hosts), stderr=log, stdout=log
        )
        tiles = tmp_path / "cut" / "out.partial" / "tiles"
        deadline = time.monotonic() + 90
        while len(list(tiles.rglob("*.npz"))) < 40 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert process.poll() is None
        ip("link", "set", f"gcv{HOSTS['gc-two']}", "down")
        code = process.wait(timeout=240)
        log.seek(0)
        assert code == 0, log.read()
    assert hash_files(out) == hash_files(expected)
