from __future__ import annotations

import errno
import os
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


def test_an_old_result_stays_until_the_new_one_is_complete(tmp_path):
    out = tmp_path / "out"
    with new_folder(out) as folder:
        write_json(folder / "run.json", {})
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
    assert hash_run([first], {"m": 1}, "1") == hash_run([second], {"m": 1}, "1")
    assert hash_run([first], {"m": 2}, "1") != hash_run([first], {"m": 1}, "1")
