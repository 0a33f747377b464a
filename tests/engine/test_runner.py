from __future__ import annotations

import threading

import numpy as np
import pytest

from geochange.engine.runner import ThreadRunner
from geochange.engine.stages import Stages
from geochange.errors import UsageError
from geochange.tiles import TilePlan


def test_results_come_in_order_from_several_threads():
    names = set()

    def task(tile):
        names.add(threading.current_thread().name)
        return tile.index

    plan = TilePlan((100, 100), 10)
    with ThreadRunner(workers=2) as runner:
        assert list(runner.run(task, plan)) == list(range(100))
    assert 1 <= len(names) <= 2


def test_submission_is_windowed():
    started = []
    plan = TilePlan((10, 1000), 10)
    with ThreadRunner(workers=1) as runner:
        results = runner.run(lambda tile: started.append(tile.index), plan, in_flight=3)
        next(results)
        assert len(started) == 3


def test_an_error_in_a_task_ends_the_run():
    def task(tile):
        if tile.index == 5:
            msg = "broken tile"
            raise ValueError(msg)

    with ThreadRunner(workers=2) as runner, pytest.raises(ValueError, match="broken tile"):
        list(runner.run(task, TilePlan((100, 100), 10)))


def test_workers_must_be_a_count():
    with pytest.raises(UsageError, match="workers"):
        ThreadRunner(workers=-1)
    with ThreadRunner() as runner:
        assert runner.workers >= 1


def test_stages_report_progress_and_time():
    seen = []
    with ThreadRunner(workers=2) as runner:
        stages = Stages(runner, lambda *event: seen.append(event))
        plan = TilePlan((20, 20), 10)
        with stages.stage("score"):
            assert list(stages.run(lambda tile: tile.index, plan)) == [0, 1, 2, 3]
    assert seen[0] == ("score", 0, 1)
    assert seen[1:5] == [("score", n, 4) for n in (1, 2, 3, 4)]
    assert stages.seconds["score"] >= 0
    assert np.isfinite(stages.seconds["score"])
