import errno
import shutil

import pytest

from geochange.errors import OutputError, ResourceError
from geochange.io.files.atomic import replace_atomically


def write_half(path):
    with replace_atomically(path) as temporary:
        temporary.write_text("half")
        temporary.with_name(temporary.name + "-journal").write_text("x")
        _ = 1 / 0


def test_nothing_is_left_when_writing_fails(tmp_path):
    path = tmp_path / "odd [name]*.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_half(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with (
        pytest.raises(ResourceError, match=r"the disk of .* is full"),
        replace_atomically(tmp_path / "a.txt"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_other_trouble_is_an_output_error(tmp_path):
    with (
        pytest.raises(OutputError, match=r"cannot write .*a\.txt"),
        replace_atomically(tmp_path / "missing" / "a.txt") as temporary,
    ):
        temporary.write_text("x")


def test_a_place_that_is_no_disk_is_not_full(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 0))
    with (
        pytest.raises(OutputError, match=r"cannot write .*a\.txt"),
        replace_atomically(tmp_path / "a.txt"),
    ):
        raise OSError(errno.EACCES, "Permission denied")
