"""What the tables measure: steps that run in a process of their own, ``steps.py STEP JSON``.

A step takes its arguments as JSON and prints what it returns as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from operator import attrgetter

import rasterio
from rasterio.windows import Window
from rasters import BLOCK, make_pair

Answer = dict[str, object]
WARMING = 100
"""Tasks before those that are timed: workers import on their first."""


class StageClock:
    """CPU seconds of this process and tiles per stage, as a listener to progress.

    What passes before the first stage is ``start``, what passes between two is ``between``.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.tiles: dict[str, int] = {}
        self.stage = ""
        self.last = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.tiles[stage] = max(total, self.tiles.get(stage, 0))
        now = time.process_time()
        between = "between" if self.stage else "start"
        name = stage if stage == self.stage else between
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self.last
        self.stage, self.last = stage, now


def detect(before: str, after: str, output: str, settings: dict[str, object]) -> Answer:
    """Run the main job; return seconds and CPU seconds per stage."""
    import geochange

    clock = StageClock()
    result = geochange.detect(before, after, output, overwrite=True, on_progress=clock, **settings)
    return {"wall": result.run["seconds"], "cpu": clock.seconds, "changes": result.count}


def count_tasks(before: str, after: str, output: str, settings: dict[str, object]) -> Answer:
    """Run the main job on threads; return tasks per stage, tiles, CPU seconds to score a tile."""
    import geochange
    from geochange.engine import runner, stages

    clock = StageClock()
    tasks: dict[str, int] = {}

    class CountingPool(ThreadPoolExecutor):
        def submit(self, *call: object) -> Future[object]:
            tasks[clock.stage] = tasks.get(clock.stage, 0) + 1
            return super().submit(*call)

    for room in (runner, stages):
        room.ThreadPoolExecutor = CountingPool
    geochange.detect(before, after, output, overwrite=True, on_progress=clock, **settings)
    tiles = clock.tiles["score"]
    return {"tasks": tasks, "tiles": tiles, "tile_cpu_s": clock.seconds["score"] / tiles}


def do_nothing(tasks: int, settings: dict[str, int]) -> Answer:
    """Send tasks that do nothing through a runner; return the time they take and its start."""
    from geochange.engine.runner import open_runner
    from geochange.tiles import TilePlan

    plan = TilePlan((tasks, 1), 1)
    start = time.perf_counter()
    with open_runner(**settings) as runner:
        deque(runner.run(attrgetter("index"), islice(plan, WARMING)), maxlen=0)
        begin, used = time.perf_counter(), cpu_of_tree()
        deque(runner.run(attrgetter("index"), plan), maxlen=0)
        return {
            "start_s": begin - start,
            "wall_s": time.perf_counter() - begin,
            "cpu_s": cpu_of_tree() - used,
        }


def cpu_of_tree() -> float:
    """Return the CPU seconds that this process and its children have used so far."""
    import psutil

    own = psutil.Process()
    times = [one.cpu_times() for one in (own, *own.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def read_pair(paths: list[str], threads: int, times: int = 3) -> Answer:
    """Decode two files with ``threads`` threads and nothing else; return the quickest of a few."""
    with rasterio.open(paths[0]) as dataset:
        height = dataset.height
    rows = [(path, row) for path in paths for row in range(0, height, BLOCK)]
    with ThreadPoolExecutor(threads) as pool:
        answers = [timed(lambda: pool.map(read_rows, rows)) for _ in range(times)]
    return min(answers, key=lambda answer: answer["wall_s"])


def read_rows(place: tuple[str, int]) -> None:
    path, row = place
    with rasterio.open(path) as dataset:
        dataset.read(window=Window(0, row, dataset.width, min(BLOCK, dataset.height - row)))


def trace_geochange(mask: str) -> Answer:
    """Trace the polygons of a mask tile by tile in one thread."""
    from geochange.exports.vectorized import MaskFile
    from geochange.io.rasters.geotiff import GridReader
    from geochange.io.rasters.rasterfile import describe_raster
    from geochange.maps.polygons import polygonize

    file = describe_raster(mask)
    return timed(lambda: polygonize(MaskFile(GridReader(file, file.geobox))))


def trace_rasterio(mask: str) -> Answer:
    """Trace the polygons of a mask that is held whole, by ``rasterio.features.shapes``."""
    from rasterio.features import shapes

    def trace() -> Iterable[object]:
        with rasterio.open(mask) as dataset:
            pixels = dataset.read(1)
        yield from shapes(pixels, pixels == 1, 8)

    return timed(trace)


def vectorize(mask: str, output: str) -> Answer:
    """Write the polygons of a mask to a GeoPackage, on all processors."""
    import geochange

    return {"count": geochange.vectorize(mask, output)[1]}


def timed(make: Callable[[], Iterable[object]]) -> Answer:
    """Count the items that ``make`` gives and time how long they take to come."""
    wall, cpu = time.perf_counter(), time.process_time()
    count = sum(1 for _ in make())
    return {
        "count": count,
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
    }


STEPS = {
    step.__name__: step
    for step in (
        make_pair,
        read_pair,
        detect,
        count_tasks,
        do_nothing,
        trace_geochange,
        trace_rasterio,
        vectorize,
    )
}

if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](**json.loads(sys.argv[2]))))
