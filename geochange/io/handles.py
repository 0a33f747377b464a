"""Open files: a GDAL handle serves one thread at a time and is kept for the next read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import rasterio

Datasets = tuple[rasterio.DatasetReader, ...]
Key = tuple[str, Hashable, *tuple[Hashable, ...]]
"""Path of a file, its stamp, and what else tells one way of opening it from another."""

MAX_OPEN_FILES = 64
"""Handles that are kept at a time, for each thread and for those that take turns."""


class _Pool:
    """Open datasets, the least recently used first."""

    def __init__(self) -> None:
        self.open: OrderedDict[Key, Datasets] = OrderedDict()
        self.lock = threading.Lock()

    def get(self, key: Key, open_file: Callable[[], Datasets]) -> Datasets:
        if key not in self.open:
            path, stamp, *_ = key
            for other in [k for k in self.open if k[0] == path and k[1] != stamp]:
                self.close(other)
            while len(self.open) >= MAX_OPEN_FILES:
                self.close(next(iter(self.open)))
            self.open[key] = open_file()
        self.open.move_to_end(key)
        return self.open[key]

    def close(self, key: Key) -> None:
        for dataset in reversed(self.open.pop(key)):
            dataset.close()


class _Own(threading.local):
    """One pool for each thread."""

    def __init__(self) -> None:
        self.pool = _Pool()


_OWN = _Own()
_IN_TURN = _Pool()


@contextmanager
def borrow(key: Key, open_file: Callable[[], Datasets], *, in_turn: bool) -> Iterator[Datasets]:
    """Lend the datasets of a file, opened when they are not yet.

    Parameters
    ----------
    key : tuple
        See :data:`Key`. Handles of the same path with another stamp are closed.
    open_file : callable
        Opens them.
    in_turn : bool
        All threads use one handle, one after the other, and with it the blocks that it has decoded
        last. Otherwise each thread has its own.
    """
    pool = _IN_TURN if in_turn else _OWN.pool
    with pool.lock:
        yield pool.get(key, open_file)
