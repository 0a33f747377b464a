"""How large tiles are, so that work is even and memory stays within a limit."""

from __future__ import annotations

from dask.utils import parse_bytes

from geochange.errors import ResourceError, UsageError
from geochange.tiles import TilePlan

MIN_TILE_PX = 16
TILE_SIZES_PX = (1024, 512, 256, 128)
"""Multiples of the blocks that files usually have, so that each block is decoded once."""
MANY_BANDS = 6
FEW_TILES = 8
"""With fewer tiles than this, smaller ones keep more processors at work."""
PROCESS_BYTES = 450 * 2**20
"""A process before its first tile: Python, its libraries, GDAL's cache, previews, pictures."""
WORKER_BYTES = 250 * 2**20
"""The same of a worker process, which draws and writes no reports."""
COPIES = 4
"""Float32 copies of both dates that the work on a tile may hold at a time: twice what methods
were measured to."""
RESULT_BYTES = 16 * 2**20
"""What waits of the results of one thread."""


def parse_memory(text: str | int | None) -> int | None:
    """Return bytes from a size such as ``1.5GiB``, ``800MB`` or a number of bytes.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> parse_memory("1.5GiB")
    1610612736
    """
    if text is None:
        return None
    try:
        size = parse_bytes(text)
    except ValueError:
        size = 0
    if size <= 0:
        msg = f"memory limit '{text}' is no size; give one such as 1.5GiB or 800MB"
        raise UsageError(msg)
    return size


def choose_tile_size(
    shape: tuple[int, int],
    bands: int,
    wanted: int | None = None,
    *,
    halo: int = 0,
    tasks: int = 1,
    workers: int = 0,
    limit_bytes: int | None = None,
) -> int:
    """Return a tile edge in pixels: what was asked for, else the largest that fits.

    Parameters
    ----------
    shape : tuple of int
        ``(height, width)`` of the grid.
    bands : int
        Of one date.
    wanted : int, optional
        What the user asked for; it goes first.
    halo : int
        Margin of the detector in pixels.
    tasks : int
        Tiles that are worked on at a time, in all processes of this machine.
    workers : int
        Worker processes beside this one.
    limit_bytes : int, optional
        Memory of all processes of this machine together.

    Raises
    ------
    UsageError
        ``wanted`` is below 16.
    ResourceError
        The limit is too small for tiles of any size.

    Examples
    --------
    >>> choose_tile_size((10000, 9000), bands=4), choose_tile_size((200, 60), bands=3)
    (1024, 208)
    >>> choose_tile_size((10000, 9000), bands=4, tasks=2, limit_bytes=2**29)
    256
    """
    if wanted is not None and wanted < MIN_TILE_PX:
        msg = f"tile size must be at least {MIN_TILE_PX} px, got {wanted}"
        raise UsageError(msg)
    base = PROCESS_BYTES + workers * WORKER_BYTES + tasks * RESULT_BYTES
    sizes = [int(wanted)] if wanted is not None else _list_sizes(shape, bands)
    for size in sizes:
        need = base + tasks * bytes_of_tile(size, bands, halo)
        if limit_bytes is None or need <= limit_bytes:
            return size
    limit, least = ((n or 0) // 2**20 + bool(n and n % 2**20) for n in (limit_bytes, need))
    msg = (
        f"a memory limit of {limit} MiB is too small: {tasks} tiles of {size} px at a time need "
        f"{least} MiB; raise it, or take fewer threads or workers"
    )
    raise ResourceError(msg)


def bytes_of_tile(size: int, bands: int, halo: int) -> int:
    """Return what the work on one tile may hold at a time."""
    return (size + 2 * halo) ** 2 * bands * 2 * 4 * COPIES


def _list_sizes(shape: tuple[int, int], bands: int) -> list[int]:
    """Return the sizes that suit a grid, largest first."""
    whole = -(-max(shape) // MIN_TILE_PX) * MIN_TILE_PX
    largest = TILE_SIZES_PX[0] if bands <= MANY_BANDS else TILE_SIZES_PX[1]
    if len(TilePlan(shape, largest)) < FEW_TILES:
        largest = TILE_SIZES_PX[1]
    return [min(size, whole) for size in TILE_SIZES_PX if size <= largest]
