"""Processor time of scoring by several detectors, tile by tile in turns.

What else runs on the machine then slows all of them alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from geochange.alignment.pair import Pair
from geochange.detectors.base import Detector, plan_tiles
from geochange.engine.journal import ScoredTile
from geochange.engine.runner import Runner, open_runner
from geochange.engine.scoring import fill_tiles, fit_detector, score_block
from geochange.engine.stages import Stages
from geochange.io.stores.score import SCORE_NODATA
from geochange.io.stores.tilestore import TileStore
from geochange.maps.kept import Kept
from geochange.maps.preview import PreviewGrid
from geochange.tiles import Tile, TilePlan

LEAST_SCORE = 0.5
"""Pixels from which on a run keeps their spectra."""


class Taken(Stages):
    """Stages that keep what they are asked to run instead of running it."""

    def run(self, task: Callable[[Tile], Any], tiles: Any, **_: object) -> Iterator[ScoredTile]:
        """Remember the task."""
        self.task = task
        return iter([])


def time_scoring(
    detectors: Sequence[Detector], pair: Pair, size: int, folder: Path, repeats: int
) -> tuple[list[float], list[float]]:
    """Return seconds of learning and of reading, scoring and writing all tiles, by detector.

    Each tile is scored ``repeats`` times by each detector in turns; the least time counts.
    """
    fits, tasks, plans, stores = [], [], [], []
    with open_runner(threads=1) as runner:
        for number, detector in enumerate(detectors):
            start = time.process_time()
            fit_detector(detector, pair, Stages(runner))
            fits.append(time.process_time() - start)
            (folder / f"{number}").mkdir(exist_ok=True)
            store = TileStore(folder / f"{number}/score", pair.geobox, size, "uint16", SCORE_NODATA)
            plans.append(plan_tiles(detector, pair.shape, size))
            stores.append(store)
            tasks.append(take_task(detector, pair, store, runner))
    with ThreadPoolExecutor(1) as pool:  # a thread of a run, in which networks take one processor
        taken = pool.submit(time_tasks, tasks, plans, stores, repeats).result()
    return fits, taken


def take_task(
    detector: Detector, pair: Pair, store: TileStore, runner: Runner
) -> Callable[[Tile], ScoredTile]:
    """Return what a run does for each tile."""
    stages, no_tiles = Taken(runner), cast("TilePlan", ())
    grid = PreviewGrid(pair.shape, tuple(range(min(3, len(pair.before.bands)))))
    kept = Kept(store, LEAST_SCORE)
    fill_tiles(partial(score_block, detector), no_tiles, pair, kept, grid, stages)
    return stages.task


def time_tasks(
    tasks: Sequence[Callable[[Tile], ScoredTile]],
    plans: Sequence[TilePlan],
    stores: Sequence[TileStore],
    repeats: int,
) -> list[float]:
    """Return the seconds of each task over all tiles."""
    seconds = np.full((repeats, len(tasks), len(plans[0])), np.inf)
    for index in range(len(plans[0])):
        for repeat in range(repeats):
            for number, task in enumerate(tasks):
                stores[number].path(index).unlink(missing_ok=True)
                start = time.thread_time()
                task(plans[number][index])
                seconds[repeat, number, index] = time.thread_time() - start
    return [float(least) for least in seconds.min(axis=0).sum(axis=1)]
