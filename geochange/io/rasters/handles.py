"""Open files: a GDAL handle serves one thread at a time and is kept for the next read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from random import Random

import rasterio

Datasets = tuple[rasterio.DatasetReader, ...]
Key = tuple[str, Hashable, *tuple[Hashable, ...]]
"""Path of a file, its stamp, and what else tells one way of opening it from another."""

MAX_OPEN_FILES = 32
"""Handles that are kept at a time, for each thread and for those that take turns: each holds about
two blocks of its file beside GDAL's cache, so more dates must not mean more of them."""


class _Pool:
    """Open datasets; a full pool closes any, chosen by a seeded dice.

    Tiles read the same files in the same order, so the one that was used the longest ago would
    always be the one that is needed next.
    """

    def __init__(self) -> None:
        self.open: dict[Key, Datasets] = {}
        self.lock = threading.Lock()
        self.dice = Random(0)

    def get(self, key: Key, open_file: Callable[[], Datasets]) -> Datasets:
        if key not in self.open:
            path, stamp, *_ = key
            for other in [k for k in self.open if k[0] == path and k[1] != stamp]:
                self.close(other)
            while len(self.open) >= MAX_OPEN_FILES:
                self.close(self.dice.choice(list(self.open)))
            self.open[key] = open_file()
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
