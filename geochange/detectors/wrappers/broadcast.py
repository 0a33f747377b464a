"""One stream of blocks for several readers, each in a thread of its own, in bounded memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from geochange.blocks import PairBlock

WAITING = 2
"""Blocks that a reader may be behind."""
PATIENCE_S = 0.05


class Reader:
    """A function that takes blocks, in a thread; it may stop before they end."""

    def __init__(self, take: Callable[[Iterable[PairBlock]], Any]) -> None:
        self.take = take
        self.failure: BaseException | None = None
        self.blocks: queue.Queue[PairBlock | None] = queue.Queue(WAITING)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.take(self._receive())
        except BaseException as error:  # noqa: BLE001 - raised again by `finish`
            self.failure = error

    def _receive(self) -> Iterator[PairBlock]:
        while (block := self.blocks.get()) is not None:
            yield block

    def offer(self, block: PairBlock | None) -> None:
        """Hand over a block, or the end; nothing where the reader wants no more."""
        while self.thread.is_alive():
            try:
                self.blocks.put(block, timeout=PATIENCE_S)
            except queue.Full:
                continue
            return

    def finish(self) -> None:
        """Wait for the function, and raise what it raised."""
        self.thread.join()
        if self.failure is not None:
            raise self.failure


def broadcast(
    blocks: Iterable[PairBlock], takers: Iterable[Callable[[Iterable[PairBlock]], Any]]
) -> None:
    """Give every taker all blocks, in one pass over them.

    Parameters
    ----------
    blocks : iterable of PairBlock
    takers : iterable of callable
        Each takes an iterable of blocks, which it reads once.

    Raises
    ------
    Exception
        What the blocks or the first taker that failed raised.

    Examples
    --------
    >>> from geochange.testing import synthetic_pair
    >>> from geochange.tiles import TilePlan
    >>> pair, seen = synthetic_pair((40, 40)), []
    >>> broadcast(pair.blocks(TilePlan(pair.shape, 20)), [lambda b: seen.append(len(list(b)))] * 2)
    >>> seen
    [4, 4]
    """
    readers = [Reader(take) for take in takers]
    try:
        for block in blocks:
            for reader in readers:
                reader.offer(block)
    finally:
        for reader in readers:
            reader.offer(None)
        for reader in readers:
            reader.thread.join()
    for reader in readers:
        reader.finish()
