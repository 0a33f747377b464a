"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> bool:
    """Let the C library return what it holds of freed memory; returns whether it could.

    glibc keeps freed blocks, among them those of GDAL's cache, for the thread that had them. Each
    stage has threads of its own, so what one leaves would be added to what the next one takes.
    Elsewhere than on Linux with glibc nothing is done.

    Examples
    --------
    >>> give_back() in (True, False)
    True
    """
    if sys.platform != "linux":
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))
