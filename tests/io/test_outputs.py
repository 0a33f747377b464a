from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

from geochange.errors import OutputError, OutputExistsError, ResourceError
from geochange.io.outputs import new_folder, write_json
from geochange.io.provenance import describe_file, hash_run


def test_a_folder_appears_complete_or_not_at_all(tmp_path):
    with new_folder(tmp_path / "a" / "out") as folder:
        write_json(folder / "run.json", {"x": 1})
        assert not (tmp_path / "a" / "out").exists()
    assert (tmp_path / "a" / "out" / "run.json").read_text() == '{\n  "x": 1\n}\n'
    for error in (ValueError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)), new_folder(tmp_path / "b") as folder:
            (folder / "half").write_text("")
            raise error
        assert not list(tmp_path.glob("b*"))


def _make_result(out):
    with new_folder(out) as folder:
        write_json(folder / "run.json", {"kind": "detect"})


def test_an_old_result_stays_until_the_new_one_is_complete(tmp_path):
    out = tmp_path / "out"
    _make_result(out)
    with pytest.raises(RuntimeError), new_folder(out, overwrite=True):
        assert (out / "run.json").exists()
        raise RuntimeError
    assert (out / "run.json").exists()
    with new_folder(out, overwrite=True) as folder:
        (folder / "new").write_text("")
    assert {p.name for p in out.iterdir()} == {"new"}


def test_what_may_not_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"), new_folder(tmp_path / "file" / "out"):
        pass
    (tmp_path / "out.partial").mkdir()
    with (
        pytest.raises(OutputExistsError, match=r"out\.partial exists"),
        new_folder(tmp_path / "out"),
    ):
        pass
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(ResourceError, match="no room left"), new_folder(tmp_path / "full"):
        raise full


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_exit_6_and_leaves_nothing(tmp_path, write_raster):
    import numpy as np

    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow mounting a tmpfs")
    try:
        rng = np.random.default_rng(0)
        paths = [
            str(write_raster(f"{n}.tif", rng.integers(1, 60000, (3, 700, 700), np.uint16)))
            for n in "ba"
        ]
        words = ["detect", *paths, "-o", str(disk / "out"), "--method", "cva", "-q"]
        done = subprocess.run(
            [sys.executable, "-m", "geochange", *words], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr.count("\n")) == (6, 1), done.stderr
        assert not list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_files_are_known_by_content(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text("same")
    first, second = (describe_file(tmp_path / name) for name in "ab")
    assert first["sha256"] == second["sha256"]
    assert describe_file("https://example.org/x.tif") == {"path": "https://example.org/x.tif"}
    assert hash_run([[first]], {"m": 1}, "1") == hash_run([[second]], {"m": 1}, "1")
    assert hash_run([[first]], {"m": 2}, "1") != hash_run([[first]], {"m": 1}, "1")
    other = {"path": "c"}
    assert hash_run([[other, first], [first]], {}, "1") != hash_run(
        [[other], [first, first]], {}, "1"
    )


def _refuses(path, words, **arguments):
    with (
        pytest.raises(OutputExistsError, match=words),
        new_folder(path, overwrite=True, **arguments),
    ):
        pass


def test_overwriting_never_costs_other_files(tmp_path):
    out = tmp_path / "out"
    _make_result(out)
    (out / "notes.txt").write_text("seen in the field")
    _refuses(out, r"also holds notes\.txt")
    (out / "notes.txt").unlink()
    (out / "before.tif").write_text("an input")
    _refuses(out, "holds an input of this run", inputs=[str(out / "before.tif")])
    assert (out / "before.tif").exists()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "run.json").write_text("{}")
    _refuses(other, "not a result of geochange")


def test_a_failing_swap_brings_the_old_result_back(tmp_path, monkeypatch):
    out = tmp_path / "out"
    _make_result(out)
    replace = type(out).replace

    def fail(self, target):
        if self.name == "out.partial":
            raise OSError(errno.EBUSY, "Device or resource busy")
        return replace(self, target)

    monkeypatch.setattr(type(out), "replace", fail)
    with pytest.raises(OSError, match="busy"), new_folder(out, overwrite=True):
        pass
    assert (out / "run.json").exists()
    assert {p.name for p in tmp_path.iterdir()} == {"out"}


def test_leftovers_of_killed_runs_go_and_living_runs_are_left_alone(tmp_path):
    out = tmp_path / "out"
    with new_folder(out):
        _refuses(out, "is being written by process")
    shutil.rmtree(out)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    leftover = tmp_path / "out.partial"
    leftover.mkdir()
    (leftover / "half.tif").write_text("")
    owner = {"pid": dead.pid, "host": socket.gethostname()}
    (leftover / ".lock.json").write_text(json.dumps(owner))
    with new_folder(out) as folder:
        assert not (folder / "half.tif").exists()
    (tmp_path / "mine.partial").mkdir()
    with pytest.raises(OutputExistsError, match="not left by a run"), new_folder(tmp_path / "mine"):
        pass


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a file system of no size")
def test_a_place_that_takes_no_files_is_not_a_full_disk():
    with pytest.raises(OutputError, match="cannot write"), new_folder("/proc/geochange"):
        pass
