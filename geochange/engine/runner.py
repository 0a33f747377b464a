"""Run one task per tile on an executor: windowed submission, results in order, memory flat.

One kernel, several schedulers: threads of this process, worker processes on this machine, or any
dask.distributed cluster are three executors under the same loop, so the same bytes come out.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

from threadpoolctl import threadpool_limits

from geochange.errors import ClusterError, ResourceError, UsageError
from geochange.io.rasters.handles import close_idle
from geochange.tiles import Tile

T = TypeVar("T")
TILES_IN_FLIGHT = 16
"""Tasks per slot that are submitted and not yet taken: enough that no slot waits for another."""
Rescue = Callable[[Tile, Exception], T]
"""Answers for a tile whose task failed in every attempt, or raises."""


def run_in_window(
    submit: Callable[[Tile], Future[T]],
    tiles: Iterable[Tile],
    capacity: Callable[[], int],
    *,
    retries: int = 0,
    rescue: Rescue[T] | None = None,
) -> Generator[T, None, None]:
    """Submit tiles and yield their results in order, about ``capacity()`` of them at a time.

    The number of tasks and results that exist at a time does not depend on the number of tiles.

    Parameters
    ----------
    submit : callable
        Starts a tile's task.
    tiles : iterable of Tile
    capacity : callable
        Tasks that may be submitted and not yet yielded; asked again and again, as workers come and
        go.
    retries : int
        How often a failed task is tried again.
    rescue : callable, optional
        See :data:`Rescue`; by default the error ends the loop.

    Examples
    --------
    >>> from geochange.tiles import TilePlan
    >>> with ThreadPoolExecutor(2) as pool:
    ...     def submit(tile):
    ...         return pool.submit(lambda: tile.core.size)
    ...     list(run_in_window(submit, TilePlan((4, 6), size=4), lambda: 2))
    [16, 8]
    """
    queue = iter(tiles)
    pending: deque[tuple[Tile, Future[T]]] = deque()
    try:
        while True:
            room = max(1, capacity()) - len(pending)
            pending.extend((tile, submit(tile)) for tile in islice(queue, max(0, room)))
            if not pending:
                return
            tile, future = pending[0]
            result = _take(tile, future, submit, retries, rescue)
            pending.popleft()
            yield result
    finally:
        wait([future for _, future in pending if not future.cancel()])


def _take(
    tile: Tile,
    future: Future[T],
    submit: Callable[[Tile], Future[T]],
    retries: int,
    rescue: Rescue[T] | None,
) -> T:
    """Wait for a tile's result; try again what failed, then ask for rescue."""
    for attempt in range(retries + 1):
        try:
            return (submit(tile) if attempt else future).result()
        except (ResourceError, MemoryError, ClusterError):
            raise
        except Exception as error:  # noqa: BLE001 - a task may fail with anything
            failure = error
    if rescue is None:
        raise failure
    return rescue(tile, failure)


class Crew(Protocol):
    """Those who run tasks: an executor, how many tasks it runs at a time, how it learns of one."""

    def slots(self) -> int:
        """Return how many tasks can run at this moment."""
        ...

    def share(self, task: Callable[[Tile], Any]) -> Any:
        """Make a task known to every worker once; what is returned is passed with each tile."""
        ...

    def choose(self, gpu: bool) -> Executor:
        """Return the executor for tasks that take a GPU, or for others."""
        ...


@dataclass(frozen=True)
class Threads:
    """Threads of this process.

    Attributes
    ----------
    executor : ThreadPoolExecutor
    count : int
    """

    executor: ThreadPoolExecutor
    count: int

    def slots(self) -> int:
        """Return the number of threads."""
        return self.count

    def share(self, task: Callable[[Tile], Any]) -> Callable[[Tile], Any]:
        """Return the task itself: threads share memory."""
        return task

    def choose(self, gpu: bool) -> Executor:
        """Return the one pool; detectors on a GPU take turns by themselves in one process."""
        return self.executor


@dataclass(frozen=True)
class Runner:
    """Runs loops over tiles on a crew; made by :func:`open_runner`.

    Examples
    --------
    >>> from geochange.tiles import TilePlan
    >>> with open_runner(threads=2) as runner:
    ...     list(runner.run(lambda tile: tile.core.size, TilePlan((4, 6), size=4)))
    [16, 8]
    """

    crew: Crew

    @property
    def threads_here(self) -> int:
        """Threads of this process for what is not worth sending to others."""
        return self.crew.count if isinstance(self.crew, Threads) else count_processors()

    def run(
        self,
        task: Callable[[Tile], T],
        tiles: Iterable[Tile],
        *,
        retries: int = 0,
        rescue: Rescue[T] | None = None,
        gpu: bool = False,
        in_flight: int = TILES_IN_FLIGHT,
    ) -> Generator[T, None, None]:
        """Yield ``task(tile)`` for every tile, in order.

        Parameters
        ----------
        task : callable
            Takes a tile, returns something small. Runs in threads or other processes, perhaps more
            than once for a tile, so it must not share state and must pickle.
        tiles : iterable of Tile
        retries, rescue
            See :func:`run_in_window`.
        gpu : bool
            Tasks take a GPU: a cluster gives them to workers that declare the resource ``GPU``.
        in_flight : int
            Tasks per slot that may be submitted, and results that may be held, at a time.
        """
        executor, shared = self.crew.choose(gpu), self.crew.share(task)

        def submit(tile: Tile) -> Future[T]:
            return executor.submit(call, shared, tile)

        def capacity() -> int:
            return in_flight * max(1, self.crew.slots())

        return run_in_window(submit, tiles, capacity, retries=retries, rescue=rescue)


def call(task: Callable[[Tile], T], tile: Tile) -> T:
    """Run a task on a tile; what a worker is sent."""
    return task(tile)


def count_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count_tasks(workers: int = 0, threads: int = 0) -> int:
    """Return how many tasks run side by side on this machine, of a runner opened with the same.

    Examples
    --------
    >>> count_tasks(workers=2, threads=3), count_tasks(workers=4), count_tasks(threads=5)
    (6, 4, 5)
    """
    return max(1, workers) * (threads or (1 if workers else count_processors()))


@contextmanager
def open_runner(
    *,
    workers: int = 0,
    threads: int = 0,
    scheduler: str | None = None,
) -> Iterator[Runner]:
    """Open what runs the tasks; leaving the block waits for those that run and ends the rest.

    Parameters
    ----------
    workers : int
        Processes on this machine; 0 takes threads of this process.
    threads : int
        Threads, of each worker where there are workers. Default: one per processor in this process,
        one per worker.
    scheduler : str, optional
        Address of a dask.distributed scheduler, such as ``tcp://10.0.0.1:8786``, or the path of its
        scheduler file. Its workers must see the same paths as this process.

    Raises
    ------
    UsageError
        Negative counts, or workers as well as a scheduler.
    ClusterError
        The scheduler cannot be reached, has no workers, or they have another geochange.
    """
    if workers < 0 or threads < 0:
        msg = f"workers and threads are counts, got {workers} and {threads}; give 0 or more"
        raise UsageError(msg)
    if scheduler and (workers or threads):
        msg = "a cluster brings its own workers; give a scheduler, or workers and threads"
        raise UsageError(msg)
    with threadpool_limits(1, "blas"):  # tiles are the parallelism; also one order of sums
        if scheduler:
            from geochange.engine.cluster import connect

            with connect(scheduler) as cluster:
                yield Runner(cluster)
        elif workers:
            from geochange.engine.cluster import start_workers

            with start_workers(workers, threads or 1) as cluster:
                yield Runner(cluster)
        else:
            count = threads or count_processors()
            pool = ThreadPoolExecutor(count, thread_name_prefix="geochange")
            try:
                yield Runner(Threads(pool, count))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                close_idle()
