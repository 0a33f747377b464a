"""What a run is doing: named stages with timings, progress and the tiles that go through them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from geochange.engine.allocator import give_back
from geochange.engine.runner import TILES_IN_FLIGHT, Rescue, Runner, run_in_window
from geochange.tiles import Tile

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Called with the stage's name, tiles done and tiles in all; done == total ends a stage."""


def report_nothing(stage: str, done: int, total: int) -> None:
    """Report nothing."""


@dataclass
class Stages:
    """Run tiles under the name of the current stage and remember how long each stage took.

    Attributes
    ----------
    runner : Runner
    on_progress : callable
        See :data:`Progress`.
    seconds : dict
        Wall-clock time per finished stage.
    """

    runner: Runner
    on_progress: Progress = report_nothing
    seconds: dict[str, float] = field(default_factory=dict)
    current: str = ""
    loops: list[Generator[Any, None, None]] = field(default_factory=list, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End loops that an error left unfinished: wait for their running tasks, drop the rest."""
        for loop in self.loops:
            loop.close()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside and report its tiles under ``name``."""
        self.current = name
        start = time.perf_counter()
        self.on_progress(name, 0, 1)
        yield
        give_back()
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)
        self.on_progress(name, 1, 1)

    def run(
        self,
        task: Callable[[Tile], T],
        tiles: Iterable[Tile],
        *,
        retries: int = 0,
        rescue: Rescue[T] | None = None,
        gpu: bool = False,
        in_flight: int = TILES_IN_FLIGHT,
    ) -> Iterator[T]:
        """Yield ``task(tile)`` in order, reporting progress; has the type of ``map``.

        See :meth:`geochange.engine.runner.Runner.run`.
        """
        results = self.runner.run(
            task, tiles, retries=retries, rescue=rescue, gpu=gpu, in_flight=in_flight
        )
        self.loops.append(results)
        return self._count(results, tiles)

    def run_here(
        self, task: Callable[[Tile], T], tiles: Iterable[Tile], *, in_flight: int = TILES_IN_FLIGHT
    ) -> Iterator[T]:
        """Like :meth:`run`, always in threads of this process.

        For tasks that are cheaper than sending them elsewhere, or whose results are large.
        """
        results = self._run_here(task, tiles, in_flight)
        self.loops.append(results)
        return self._count(results, tiles)

    def _run_here(
        self, task: Callable[[Tile], T], tiles: Iterable[Tile], in_flight: int
    ) -> Generator[T, None, None]:
        threads = self.runner.threads_here
        with ThreadPoolExecutor(threads) as pool:
            yield from run_in_window(
                lambda tile: pool.submit(task, tile), tiles, lambda: in_flight * threads
            )

    def _count(self, results: Iterator[T], tiles: Iterable[Tile]) -> Iterator[T]:
        total = len(tiles) if isinstance(tiles, Sized) else 0
        for done, result in enumerate(results, 1):
            yield result
            if total:
                self.on_progress(self.current, done, total)


def peak_memory_bytes() -> int | None:
    """Peak resident memory of this process so far; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux; getrusage would count what a parent held before it forked
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))
        return int(found.group(1)) * 1024 if found else None
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
