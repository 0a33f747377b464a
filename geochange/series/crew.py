"""Who works on a series, in what portions."""

from __future__ import annotations

from dataclasses import dataclass

from geochange.engine.runner import count_tasks
from geochange.engine.sizing import PROCESS_BYTES, WORKER_BYTES, parse_memory
from geochange.engine.stages import Progress
from geochange.series.job import SeriesJob
from geochange.series.scoring import MOST_TASK_BYTES, TASK_BYTES, choose_series_tile


@dataclass(frozen=True)
class SeriesCrew:
    """Who does the work; see :func:`geochange.detect`."""

    tile_size: int | None
    workers: int
    threads: int
    scheduler: str | None
    memory_limit: str | int | None
    on_progress: Progress

    def choose_tile(self, job: SeriesJob) -> int:
        """Return the edge of a tile in pixels."""
        dates, bands = len(job.series), len(job.series.bands)
        images = bands * 5 * (2 if job.is_streaming else 3 * dates)
        per_pixel = images + job.detector.bytes_per_pixel(dates, bands)
        budget, most = TASK_BYTES, MOST_TASK_BYTES
        if self.memory_limit is not None:
            tasks = count_tasks(self.workers, self.threads)
            left = (parse_memory(self.memory_limit) or 0) - PROCESS_BYTES
            budget, most = (left - self.workers * WORKER_BYTES) // tasks, 0
        halo = job.detector.halo
        return choose_series_tile(job.series.shape, per_pixel, self.tile_size, halo, budget, most)
