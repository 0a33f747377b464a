"""A raster that is written tile by tile from any thread or process and read by any window.

A tile file is scratch and made for speed: blocks of 256 x 256 px, each a zstd frame of the fastest
kind with a checksum, behind a table of their sizes. A window costs only the blocks that it touches.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.errors import OutputError
from geochange.io.files.atomic import explain_failure
from geochange.io.stores.compression import zstd
from geochange.tiles import Tile, TilePlan, Window

BLOCK_PX = 256
MAGIC = b"GCT1"
PIECE_BYTES = 2**16
"""Written at a time: for more, Linux takes large fresh pages, which can cost ten times as much."""
FAST: Mapping[int, int] = {
    zstd.CompressionParameter.compression_level: -1,  # takes nodata and flat parts out, no more
    zstd.CompressionParameter.checksum_flag: 1,
}


@dataclass(frozen=True, slots=True)
class TileStore:
    """One single-band raster as a folder of tile files, each written once and atomically.

    Finished tiles survive a crash, writers need no lock, and a million tiles hold no memory. The
    store is a description: it opens nothing when built and pickles as its fields.

    Attributes
    ----------
    folder : Path
    geobox : GeoBox
        Grid of the whole raster.
    tile_size : int
        Edge of a tile in pixels.
    dtype : str
    nodata : int or float
        Value of pixels outside the grid and of tiles that were never written.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> grid = GeoBox.from_bbox((0, 0, 30, 20), "EPSG:32633", resolution=10)
    >>> store = TileStore(Path(mkdtemp()), grid, 2, "uint8", 255)
    >>> store.write(store.plan[0], np.array([[1, 2], [3, 4]], np.uint8))
    >>> store.read(Window(0, 1, 2, 3))
    array([[  2, 255, 255],
           [  4, 255, 255]], dtype=uint8)
    """

    folder: Path
    geobox: GeoBox
    tile_size: int
    dtype: str
    nodata: float

    @property
    def plan(self) -> TilePlan:
        """The tiling of the store, without halo."""
        height, width = self.geobox.shape
        return TilePlan((int(height), int(width)), self.tile_size)

    def path(self, index: int) -> Path:
        """Return the file of the tile ``index`` of :attr:`plan`."""
        row, col = divmod(index, self.plan.grid[1])
        return self.folder / f"{row:05d}" / f"{col:05d}.tile"

    def has(self, index: int) -> bool:
        """Tell whether the tile is finished."""
        return self.path(index).exists()

    def write(self, tile: Tile, pixels: NDArray[Any]) -> None:
        """Write the core of a tile, (height, width) of ``tile.core``, and rename it into place."""
        stored = pixels.astype(self._stored, copy=False)
        whole = Window(0, 0, *pixels.shape)
        blocks = TilePlan(pixels.shape, BLOCK_PX)
        parts = (np.ascontiguousarray(stored[block.core.slices_in(whole)]) for block in blocks)
        frames = [zstd.compress(part.data, options=FAST) for part in parts]
        sizes = np.array([len(frame) for frame in frames], "<u4")
        put(self.path(tile.index), MAGIC, sizes.tobytes(), *frames)

    def read(self, window: Window) -> NDArray[Any]:
        """Read any window, (height, width); ``nodata`` outside the grid and in missing tiles.

        Raises
        ------
        OutputError
            A tile file is damaged.
        """
        out = np.full(window.shape, self.nodata, self.dtype)
        for tile, part in touch(self.plan, window):
            try:
                with self.path(tile.index).open("rb", buffering=0) as file:
                    self._read_tile(file, tile.core, part, out[part.slices_in(window)])
            except FileNotFoundError:
                continue
            except (ValueError, EOFError, zstd.ZstdError) as error:
                msg = f"{self.path(tile.index)} is damaged ({error}); delete it and run again"
                raise OutputError(msg) from error
        return out

    @property
    def _stored(self) -> np.dtype[Any]:
        return np.dtype(self.dtype).newbyteorder("<")

    def _read_tile(self, file: FileIO, core: Window, part: Window, out: NDArray[Any]) -> None:
        """Copy the pixels of ``part``, which lies in the tile's core, into ``out``."""
        blocks = TilePlan(core.shape, BLOCK_PX)
        head = len(MAGIC) + 4 * len(blocks)
        table = file.read(head)
        if len(table) < head or not table.startswith(MAGIC):
            msg = "it does not start like a tile"
            raise ValueError(msg)
        stops = head + np.cumsum(np.frombuffer(table, "<u4", offset=len(MAGIC)), dtype=np.int64)
        if stops[-1] != os.fstat(file.fileno()).st_size:
            msg = f"it should have {stops[-1]} bytes"
            raise ValueError(msg)
        wanted = Window(part.row - core.row, part.col - core.col, *part.shape)
        for block, piece in touch(blocks, wanted):
            start = stops[block.index - 1] if block.index else head
            file.seek(start)
            pixels = self._decode(file.read(stops[block.index] - start), block.core)
            out[piece.slices_in(wanted)] = pixels[piece.slices_in(block.core)]

    def _decode(self, frame: bytes, core: Window) -> NDArray[Any]:
        size = core.size * self._stored.itemsize
        decoder = zstd.ZstdDecompressor()
        data = decoder.decompress(frame, max_length=size)
        if not decoder.eof or len(data) != size:
            msg = f"a block does not hold {core.height} x {core.width} px"
            raise ValueError(msg)
        return np.frombuffer(data, self._stored).reshape(core.shape)


def touch(plan: TilePlan, window: Window) -> Iterator[tuple[Tile, Window]]:
    """Yield the tiles of a plan that a window touches, each with the part of the window in it.

    Examples
    --------
    >>> [(tile.index, part.shape) for tile, part in touch(TilePlan((4, 6), 2), Window(1, 3, 2, 9))]
    [(1, (1, 1)), (2, (1, 2)), (4, (1, 1)), (5, (1, 2))]
    """
    inside = window.intersect(Window(0, 0, *plan.shape))
    if inside is None:
        return
    for row in range(inside.row // plan.size, (inside.stop_row - 1) // plan.size + 1):
        for col in range(inside.col // plan.size, (inside.stop_col - 1) // plan.size + 1):
            tile = plan[row * plan.grid[1] + col]
            part = tile.core.intersect(inside)
            if part is not None:
                yield tile, part


def put(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file that appears whole or not at all, whoever else writes it at the same time.

    Its folder and the one above are made, no more: a worker that is late does not bring back the
    folder of a run that was thrown away.

    Raises
    ------
    OutputError, ResourceError
    """
    temporary = path.with_suffix(f".{secrets.token_hex(8)}.tmp")
    with explain_failure(path):
        try:
            for folder in (path.parent.parent, path.parent):
                folder.mkdir(exist_ok=True)
            with temporary.open("wb") as file:
                file.writelines(parts)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
