"""A sweep over a mask, tile row by tile row, that lets go of every component it has passed.

Memory holds the runs of one tile row and what is known of the components that reach its last row;
it depends neither on the height of the raster nor on how many components were found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.maps.front import Components, Front
from geochange.maps.runs import Runs, find_runs
from geochange.maps.tables import Describe, RunTable, cut_rows, tabulate
from geochange.tiles import Tile, TilePlan, Window

T = TypeVar("T")


class Runner(Protocol):
    """How a loop over tiles runs: like the builtin ``map``, results in the order of the tiles.

    A task may run in another thread, process or host, and twice: it holds small values that can be
    pickled, shares nothing in memory, and running it again changes nothing.
    """

    def __call__(self, task: Callable[[Tile], T], tiles: Iterable[Tile], /) -> Iterator[T]:
        """Yield ``task(tile)`` for every tile."""
        ...


class RasterSource(Protocol):
    """One band that can be read by windows: a ``TileStore`` or any other raster.

    Attributes
    ----------
    geobox : GeoBox
    tile_size : int
        Edge in pixels of the windows that it likes to be read by.
    """

    @property
    def geobox(self) -> GeoBox:
        """Grid of the raster."""
        ...

    @property
    def tile_size(self) -> int:
        """Edge of a window in pixels."""
        ...

    def read(self, window: Window) -> NDArray[Any]:
        """Read a window, (height, width)."""
        ...


def plan_tiles(source: RasterSource, halo: int = 0) -> TilePlan:
    """Return the tiling that suits a source."""
    height, width = source.geobox.shape
    return TilePlan((int(height), int(width)), source.tile_size, halo)


def sweep(
    mask: RasterSource,
    connectivity: int,
    describe: Describe | None = None,
    *,
    seen: Callable[[Runs], None] | None = None,
    run: Runner = map,
) -> Iterator[Components]:
    """Yield the connected components of the pixels that are 1, each once the sweep has passed it.

    The sequence of components, over all batches, is ordered by last pixel and the same for any
    tile size. Tiles without change cost one read.

    Parameters
    ----------
    mask : RasterSource
    connectivity : {4, 8}
    describe : callable, optional
    seen : callable, optional
        Called here, not in the tasks, with all runs of change as the sweep takes them in.
    run : callable
    """
    plan = plan_tiles(mask)
    stride = plan.shape[1] + 1

    def scan(tile: Tile) -> RunTable | None:
        local = find_runs(mask.read(tile.core) == 1)
        return tabulate(tile, local, stride, connectivity, describe) if len(local) else None

    front = Front(stride, connectivity)
    tables = iter(run(scan, plan))
    for row in range(plan.grid[0]):
        found = [table for table in islice(tables, plan.grid[1]) if table is not None]
        top, stop = row * plan.size, min((row + 1) * plan.size, plan.shape[0])
        for table, stop_row in cut_rows(found, top, stop):
            if seen is not None and table is not None:
                seen(table.runs)
            yield from front.advance(table, stop_row)
    yield from front.advance(None, plan.shape[0] + 1)
