from __future__ import annotations

import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geochange.engine.runner import open_runner, run_in_window
from geochange.engine.stages import Stages
from geochange.errors import ResourceError, UsageError
from geochange.tiles import TilePlan


class Later:
    """An executor in the hands of the test: nothing runs before it is told to."""

    def __init__(self):
        self.waiting = []
        self.most = 0

    def submit(self, tile):
        future = Future()
        self.waiting.append((tile, future))
        self.most = max(self.most, len(self.waiting))
        return future

    def run_first(self):
        tile, future = self.waiting.pop(0)
        future.set_result(tile.index)


def test_results_come_in_order_from_several_threads():
    names = set()

    def task(tile):
        names.add(threading.current_thread().name)
        time.sleep(0.001 * (tile.index % 3))
        return tile.index

    plan = TilePlan((100, 100), 10)
    with open_runner(threads=2) as runner:
        assert list(runner.run(task, plan)) == list(range(100))
    assert 1 <= len(names) <= 2


@given(tiles=st.integers(1, 60), capacity=st.integers(1, 9))
def test_no_more_than_the_capacity_is_ever_submitted(tiles, capacity):
    later = Later()

    def submit(tile):
        future = later.submit(tile)
        if len(later.waiting) == capacity or tile.index == tiles - 1:
            while later.waiting:
                later.run_first()
        return future

    plan = TilePlan((1, tiles), 1)
    assert list(run_in_window(submit, plan, lambda: capacity)) == list(range(tiles))
    assert later.most <= capacity


def test_the_window_follows_the_workers():
    later, room = Later(), [2]
    results = run_in_window(later.submit, TilePlan((1, 100), 1), lambda: room[0])
    thread = threading.Thread(target=lambda: [next(results) for _ in range(3)])
    thread.start()
    deadline = time.monotonic() + 10
    while len(later.waiting) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(later.waiting) == 2
    room[0] = 5
    later.run_first()
    while len(later.waiting) < 5 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(later.waiting) == 5
    later.run_first()
    later.run_first()
    thread.join(10)
    assert not thread.is_alive()
    for _, future in later.waiting:
        future.cancel()


def test_an_error_in_a_task_ends_the_run_and_waits_for_what_runs():
    running, ended = threading.Event(), threading.Event()

    def task(tile):
        if tile.index == 0:
            running.wait(10)
            msg = "broken tile"
            raise ValueError(msg)
        running.set()
        time.sleep(0.2)
        ended.set()

    with open_runner(threads=2) as runner:
        with pytest.raises(ValueError, match="broken tile"):
            list(runner.run(task, TilePlan((100, 100), 50)))
        assert ended.is_set()


def test_a_failed_tile_is_tried_again_and_then_rescued():
    attempts = {}

    def task(tile):
        attempts[tile.index] = attempts.get(tile.index, 0) + 1
        if tile.index == 1 and attempts[1] == 1:
            msg = "passing fault"
            raise OSError(msg)
        if tile.index == 2:
            msg = "lasting fault"
            raise OSError(msg)
        return "done"

    def rescue(tile, error):
        return f"{tile.index}: {error}"

    with open_runner(threads=2) as runner:
        found = list(runner.run(task, TilePlan((1, 4), 1), retries=2, rescue=rescue))
    assert found == ["done", "done", "2: lasting fault", "done"]
    assert attempts == {0: 1, 1: 2, 2: 3, 3: 1}


@pytest.mark.parametrize("error", [ResourceError("the disk is full"), MemoryError()])
def test_want_of_room_is_never_put_down_to_a_tile(error):
    attempts = []

    def task(tile):
        attempts.append(tile.index)
        raise error

    with open_runner(threads=1) as runner, pytest.raises(type(error)):
        list(runner.run(task, TilePlan((1, 1), 1), retries=3, rescue=lambda *_: None))
    assert attempts == [0]


def test_counts_are_checked():
    for settings in ({"workers": -1}, {"threads": -1}, {"scheduler": "tcp://x:1", "workers": 2}):
        with pytest.raises(UsageError), open_runner(**settings):
            pass


def test_stages_report_progress_and_time():
    seen = []
    with open_runner(threads=2) as runner:
        stages = Stages(runner, lambda *event: seen.append(event))
        plan = TilePlan((20, 20), 10)
        with stages.stage("score"):
            assert list(stages.run(lambda tile: tile.index, plan)) == [0, 1, 2, 3]
            assert list(stages.run_here(lambda tile: tile.index, plan)) == [0, 1, 2, 3]
    assert seen[0] == ("score", 0, 1)
    assert seen[1:5] == seen[5:9] == [("score", n, 4) for n in (1, 2, 3, 4)]
    assert np.isfinite(stages.seconds["score"])
