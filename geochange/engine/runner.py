"""Run one task per tile through dask: windowed submission, results in order, memory flat."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Self, TypeVar

from dask.base import compute
from dask.delayed import delayed

from geochange.errors import UsageError
from geochange.tiles import Tile

T = TypeVar("T")
TILES_IN_FLIGHT = 16
"""Tasks submitted at a time per worker: large enough that waiting for the last one costs little."""


def count_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class ThreadRunner:
    """Dask's threaded scheduler on one pool that lives as long as the runner.

    Parameters
    ----------
    workers : int, optional
        Threads; default: the processors this process may use.

    Examples
    --------
    >>> from geochange.tiles import TilePlan
    >>> with ThreadRunner(workers=2) as runner:
    ...     list(runner.run(lambda tile: tile.core.size, TilePlan((4, 6), size=4)))
    [16, 8]
    """

    workers: int = 0
    pool: ThreadPoolExecutor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.workers < 0:
            msg = f"workers must be 1 or more (0: one per processor), got {self.workers}"
            raise UsageError(msg)
        self.workers = self.workers or count_processors()
        self.pool = ThreadPoolExecutor(self.workers, thread_name_prefix="geochange")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)

    def run(
        self,
        task: Callable[[Tile], T],
        tiles: Iterable[Tile],
        *,
        in_flight: int = TILES_IN_FLIGHT,
    ) -> Iterator[T]:
        """Yield ``task(tile)`` for every tile, in order.

        Parameters
        ----------
        task : callable
            Takes a tile, returns something small; runs in threads, so it must not share state.
        tiles : iterable of Tile
        in_flight : int
            Tasks per worker that may be submitted, and results that may be held, at a time.
        """
        queue = iter(tiles)
        lazy = delayed(task, pure=False, traverse=False)
        while window := list(islice(queue, in_flight * self.workers)):
            tasks = [lazy(tile) for tile in window]
            yield from compute(*tasks, scheduler="threads", pool=self.pool)  # type: ignore[no-untyped-call]
