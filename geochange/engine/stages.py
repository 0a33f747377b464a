"""What a run is doing: named stages with timings, progress and the tiles that go through them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from geochange.engine.runner import ThreadRunner
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
    runner : ThreadRunner
    on_progress : callable
        See :data:`Progress`.
    seconds : dict
        Wall-clock time per finished stage.
    """

    runner: ThreadRunner
    on_progress: Progress = report_nothing
    seconds: dict[str, float] = field(default_factory=dict)
    current: str = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside and report its tiles under ``name``."""
        self.current = name
        start = time.perf_counter()
        self.on_progress(name, 0, 1)
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)
        self.on_progress(name, 1, 1)

    def run(self, task: Callable[[Tile], T], tiles: Iterable[Tile]) -> Iterator[T]:
        """Yield ``task(tile)`` in order, reporting progress; has the type of ``map``."""
        return self._count(self.runner.run(task, tiles), tiles)

    def stream(self, task: Callable[[Tile], T], tiles: Iterable[Tile]) -> Iterator[T]:
        """Like :meth:`run` for large results such as blocks: few are held at a time."""
        return self._count(self.runner.run(task, tiles, in_flight=2), tiles)

    def _count(self, results: Iterator[T], tiles: Iterable[Tile]) -> Iterator[T]:
        total = len(tiles) if isinstance(tiles, Sized) else 0
        for done, result in enumerate(results, 1):
            yield result
            if total:
                self.on_progress(self.current, done, total)


def peak_memory_bytes() -> int | None:
    """Peak resident memory of this process so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
