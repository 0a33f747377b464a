"""Threads of torch where tiles run side by side."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single_threaded(*, always: bool = False) -> Iterator[None]:
    """Let torch use one thread per tile where tiles run in threads; the main thread keeps its own.

    Tiles side by side use all processors; threads inside a tile as well would compete.

    Examples
    --------
    >>> with single_threaded(always=True):
    ...     torch.get_num_threads()
    1
    """
    if threading.current_thread() is threading.main_thread() and not always:
        yield
        return
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)
