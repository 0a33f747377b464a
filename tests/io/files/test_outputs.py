from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from geochange.errors import (
    ClusterError,
    InputError,
    OutputError,
    OutputExistsError,
    ResourceError,
    UsageError,
)
from geochange.io.files import outputs
from geochange.io.files.outputs import new_folder, read_state, write_json
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
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(ResourceError, match="no room left"), new_folder(tmp_path / "full"):
        raise full


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_exit_6_and_the_run_goes_on_after_room_is_made(tmp_path, write_raster):
    import numpy as np

    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
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
        assert {path.name for path in disk.iterdir()} == {"out.partial"}
        assert "go on with --resume" in done.stderr
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        again = [sys.executable, "-m", "geochange", *words, "--resume"]
        assert subprocess.run(again, check=False).returncode == 0
        assert {path.name for path in disk.iterdir()} == {"out"}
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


KILLED = """
import os, signal, sys
from geochange.io.files.outputs import new_folder
with new_folder(sys.argv[1], state={"key": "a", "tile_size": 7}) as folder:
    (folder / "tile.tif").write_text("finished")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _kill_a_run(out):
    done = subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
    assert done.returncode == -9
    assert not out.exists()


def test_a_living_run_is_left_alone(tmp_path):
    out = tmp_path / "out"
    with new_folder(out, state={"key": "a"}):
        _refuses(out, f"is being written by process {os.getpid()}")
        _refuses(out, "is being written", resume=True, state={"key": "a"})
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    (tmp_path / "mine.partial").mkdir()
    (tmp_path / "mine.partial" / "thesis.txt").write_text("")
    _refuses(tmp_path / "mine", "not left by a run")
    assert (tmp_path / "mine.partial" / "thesis.txt").exists()


def test_an_unfinished_run_is_gone_on_with_or_thrown_away_but_never_by_accident(tmp_path):
    out, state = tmp_path / "out", {"key": "a", "tile_size": 9}
    _kill_a_run(out)
    for settings, words in (
        ({"overwrite": False}, "holds an unfinished run; go on with it"),
        ({"overwrite": False, "resume": True, "state": {"key": "b"}}, "of other inputs, settings"),
    ):
        with (
            pytest.raises(OutputExistsError, match=words),
            new_folder(out, **{"state": state} | settings),
        ):
            pass
        assert (tmp_path / "out.partial" / "tile.tif").exists()
    with new_folder(out, resume=True, state=state) as folder:
        assert (folder / "tile.tif").read_text() == "finished"
        assert read_state(folder)["tile_size"] == 7
    assert {path.name for path in out.iterdir()} == {"tile.tif"}
    other = tmp_path / "other"
    _kill_a_run(other)
    with new_folder(other, overwrite=True, state=state) as folder:
        assert not (folder / "tile.tif").exists()
        assert read_state(folder)["tile_size"] == 9
    assert {path.name for path in tmp_path.iterdir()} == {"out", "other"}


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (KeyboardInterrupt(), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (ClusterError("gone"), True),
        (InputError("two grids"), False),
        (UsageError("no such band"), False),
    ],
)
def test_what_stops_a_run_from_outside_costs_nothing_finished(tmp_path, error, kept):
    out = tmp_path / "out"
    with (
        pytest.raises((type(error), ResourceError)) as raised,
        new_folder(out, state={"key": "a"}) as folder,
    ):
        (folder / "tile.tif").write_text("finished")
        raise error
    assert (tmp_path / "out.partial").exists() == kept
    notes = " ".join(getattr(raised.value, "__notes__", ()))
    assert ("go on with --resume" in notes) == kept
    with (
        pytest.raises(type(error) if not isinstance(error, OSError) else OSError),
        new_folder(tmp_path / "empty", state={"key": "a"}),
    ):
        raise error
    assert not list(tmp_path.glob("empty*"))


def test_a_result_that_another_run_finished_meanwhile_is_not_replaced(tmp_path, monkeypatch):
    out, enter = tmp_path / "out", outputs.FileLock.acquire

    def finish_first(lock, *arguments):
        if not out.exists():
            out.mkdir()
            write_json(out / "run.json", {"kind": "detect"})
        return enter(lock, *arguments)

    monkeypatch.setattr(outputs.FileLock, "acquire", finish_first)
    with pytest.raises(OutputExistsError, match="exists"), new_folder(out):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a file system of no size")
def test_a_place_that_takes_no_files_is_not_a_full_disk():
    with pytest.raises(OutputError, match="cannot write"), new_folder("/proc/geochange"):
        pass
