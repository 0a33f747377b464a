"""Open files: a GDAL handle serves one thread at a time and is kept for the next read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from random import Random

import rasterio

Datasets = tuple[rasterio.DatasetReader, ...]
Key = tuple[str, Hashable, *tuple[Hashable, ...]]
"""Path of a file, its stamp, and what else tells one way of opening it from another."""
Place = tuple[int, int]
"""Row and column."""

MAX_IDLE_FILES = 64
"""Handles that are kept while nobody reads: each holds about two blocks of its file beside GDAL's
cache, so more dates must not mean more of them."""


@dataclass
class _Handle:
    """Open datasets, and where they were read last: blocks around it are decoded."""

    key: Key
    datasets: Datasets
    place: Place

    def distance(self, place: Place) -> int:
        return abs(self.place[0] - place[0]) + abs(self.place[1] - place[1])

    def close(self) -> None:
        for dataset in reversed(self.datasets):
            dataset.close()


class _Pool:
    """Idle handles of all threads; when there are too many it closes any, by a seeded dice.

    Tiles read the same files in the same order, so the one that was used the longest ago would
    always be the one that is needed next.
    """

    def __init__(self) -> None:
        self.idle: list[_Handle] = []
        self.lock = threading.Lock()
        self.dice = Random(0)

    def take(self, key: Key, place: Place, open_file: Callable[[], Datasets]) -> _Handle:
        """Return the idle handle that was read nearest to ``place``, or a new one."""
        path, stamp, *_ = key
        with self.lock:
            self._close([h for h in self.idle if h.key[0] == path and h.key[1] != stamp])
            same = [handle for handle in self.idle if handle.key == key]
            if same:
                nearest = min(same, key=lambda handle: handle.distance(place))
                self.idle.remove(nearest)
                return nearest
        return _Handle(key, open_file(), place)

    def give(self, handle: _Handle) -> None:
        """Keep a handle for the next read."""
        with self.lock:
            while len(self.idle) >= MAX_IDLE_FILES:
                self._close([self.dice.choice(self.idle)])
            self.idle.append(handle)

    def clear(self) -> None:
        """Close what is idle."""
        with self.lock:
            self._close(list(self.idle))

    def _close(self, handles: list[_Handle]) -> None:
        for handle in handles:
            self.idle.remove(handle)
            handle.close()


_POOL = _Pool()
_TURN = threading.RLock()


@contextmanager
def borrow(
    key: Key, open_file: Callable[[], Datasets], place: Place, *, in_turn: bool
) -> Iterator[Datasets]:
    """Lend the datasets of a file, opened when none is idle.

    Of several the one is lent that was read nearest, since GDAL keeps the blocks that a handle has
    decoded for that handle alone: windows with a halo share blocks with those beside them.

    Parameters
    ----------
    key : tuple
        See :data:`Key`. Idle handles of the same path with another stamp are closed.
    open_file : callable
        Opens them.
    place : tuple of int
        Row and column of what will be read.
    in_turn : bool
        All threads use one handle, one after the other, and with it the blocks that it has decoded
        last. Otherwise as many are open as threads read at a time.
    """
    with _TURN if in_turn else nullcontext():
        handle = _POOL.take(key, place, open_file)
        try:
            yield handle.datasets
        finally:
            handle.place = place
            _POOL.give(handle)


def close_idle() -> None:
    """Close the files that nobody reads at this moment."""
    _POOL.clear()
