"""Open files are bounded, kept for the next read, and lent to who reads nearest."""

import pytest

from geochange.io.rasters import handles
from geochange.io.rasters.handles import MAX_IDLE_FILES, borrow, close_idle


class Opened:
    def __init__(self, log):
        self.log = log
        log.append(1)

    def close(self):
        self.log.append(-1)


@pytest.fixture(autouse=True)
def pool(monkeypatch):
    monkeypatch.setattr(handles, "_POOL", handles._Pool())


def lend(log, name="a.tif", stamp=0, place=(0, 0), **options):
    return borrow((name, stamp), lambda: (Opened(log),), place, **{"in_turn": False} | options)


def test_idle_files_are_bounded_and_those_that_come_in_turn_are_kept():
    log, rounds = [], 20
    files = MAX_IDLE_FILES + 8
    for _ in range(rounds):
        for number in range(files):
            with lend(log, f"{number}.tif"):
                pass
            assert sum(log) <= MAX_IDLE_FILES
    opened = sum(1 for step in log if step > 0)
    assert opened < 0.6 * rounds * files


def test_a_file_that_was_written_anew_is_opened_anew():
    log = []
    for stamp in (0, 1):
        with lend(log, stamp=stamp):
            pass
    assert log == [1, -1, 1]


def test_the_handle_that_was_read_nearest_is_lent():
    log = []
    with lend(log, place=(0, 0)) as first, lend(log, place=(0, 4096)) as second:
        assert first is not second
    with lend(log, place=(0, 5120)) as right:
        assert right is second
        with lend(log, place=(0, 5120)) as left:
            assert left is first
    with lend(log, place=(0, 5120)) as again, lend(log, place=(0, 5120)) as other:
        assert {again, other} == {first, second}
    assert log == [1, 1]


def test_an_error_while_reading_keeps_the_file_for_others():
    log = []
    with pytest.raises(ValueError, match="damaged"), lend(log):
        msg = "damaged"
        raise ValueError(msg)
    with lend(log):
        assert log == [1]
    close_idle()
    assert log == [1, -1]
