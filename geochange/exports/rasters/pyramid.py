"""A raster and its overviews as encoded blocks, made in parallel and flat in memory.

Each level is read once: a task encodes the blocks of its part, halves the part and writes that as a
tile of the next level. Encoded blocks wait in files, so that a task returns only how long they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.io.stores.tiff import BLOCK_PX, FRAME_BYTES, encode_block
from geochange.io.stores.tilestore import PIECE_BYTES, TileStore, put
from geochange.maps.sweep import Runner
from geochange.tiles import Tile, TilePlan, Window

HALF_PX = BLOCK_PX // 2
PART_PX = 4 * BLOCK_PX
"""Edge of the part of a level that one task encodes."""
Sizes = NDArray[np.uint32]
Resampling = Literal["average", "nearest"]


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of a raster and where its encoded blocks are kept.

    Attributes
    ----------
    store : TileStore
        The pixels.
    folder : Path
        The blocks, a file for each part.
    """

    store: TileStore
    folder: Path

    @property
    def plan(self) -> TilePlan:
        """The parts of this level."""
        return TilePlan(self.store.plan.shape, PART_PX)

    def path(self, part: Tile) -> Path:
        """Return the file of a part."""
        row, col = divmod(part.index, self.plan.grid[1])
        return self.folder / f"{row:05d}" / f"{col:05d}.blocks"

    def next(self) -> Level | None:
        """Return the overview of half the size; None when this one fits into a block."""
        height, width = self.plan.shape
        if max(height, width) <= BLOCK_PX:
            return None
        affine = self.store.geobox.affine @ Affine.scale(2)
        grid = GeoBox((-(-height // 2), -(-width // 2)), affine, self.store.geobox.crs)
        folder = self.folder.with_name(f"{grid.height}x{grid.width}")
        store = TileStore(folder / "tiles", grid, PART_PX // 2, self.store.dtype, self.store.nodata)
        return Level(store, folder)

    def encode(self, part: Tile, coarse: Level | None, resampling: Resampling) -> Sizes:
        """Encode the blocks of a part and write its half into the next level.

        Returns
        -------
        uint32 (rows, columns)
            Bytes of each block, without its frame.
        """
        rows, cols = (-(-size // BLOCK_PX) for size in part.core.shape)
        half = np.empty((rows * HALF_PX, cols * HALF_PX), self.store.dtype)
        blocks = []
        for row, col in np.ndindex(rows, cols):
            place = part.core.row + row * BLOCK_PX, part.core.col + col * BLOCK_PX
            pixels = self.store.read(Window(*place, BLOCK_PX, BLOCK_PX))
            blocks.append(encode_block(pixels))
            quarter = half[row * HALF_PX :, col * HALF_PX :][:HALF_PX, :HALF_PX]
            quarter[:] = halve(pixels, self.store.nodata, resampling)
        put(self.path(part), *blocks)
        if coarse is not None:
            tile = coarse.store.plan[part.index]
            height, width = tile.core.shape
            coarse.store.write(tile, half[:height, :width])
        sizes = [len(block) - FRAME_BYTES for block in blocks]
        return np.array(sizes, np.uint32).reshape(rows, cols)

    def take_blocks(self, sizes: Sizes) -> Iterator[bytes]:
        """Yield all encoded blocks in row-major order, piece by piece, and remove their files.

        Files go as soon as they are used, so that a disk never holds all blocks twice.
        """
        across = self.plan.grid[1]
        for first in range(0, len(self.plan), across):
            parts = [self.plan[index] for index in range(first, first + across)]
            lengths = [(sizes[blocks_of(part)] + FRAME_BYTES).sum(1, np.int64) for part in parts]
            for row in range(len(lengths[0])):
                for part, length in zip(parts, lengths, strict=True):
                    with self.path(part).open("rb", buffering=0) as file:
                        file.seek(length[:row].sum())
                        for start in range(0, length[row], PIECE_BYTES):
                            yield file.read(min(PIECE_BYTES, length[row] - start))
            shutil.rmtree(self.path(parts[0]).parent)


def blocks_of(part: Tile) -> tuple[slice, slice]:
    """Return the index of a part's blocks among those of its level."""
    core = part.core
    rows = slice(core.row // BLOCK_PX, -(-core.stop_row // BLOCK_PX))
    return rows, slice(core.col // BLOCK_PX, -(-core.stop_col // BLOCK_PX))


def encode_levels(
    store: TileStore, folder: Path, resampling: Resampling, run: Runner
) -> list[tuple[Level, Sizes]]:
    """Encode a raster and its overviews, down to the first that fits into one block.

    Parameters
    ----------
    store : TileStore
        Of uint8 or uint16.
    folder : Path
        For files in between; what an unfinished call left there is written anew.
    resampling : {"average", "nearest"}
        See :func:`halve`.
    run : callable
        How the loops over parts run; see :class:`~geochange.maps.sweep.Runner`.

    Returns
    -------
    list of (Level, uint32 (rows, columns))
        From the full resolution down, with the size of each block.
    """
    levels = []
    level: Level | None = Level(store, folder / "full")
    while level is not None:
        coarse = level.next()
        for needed in (level, coarse):
            if needed is not None:
                needed.folder.mkdir(parents=True, exist_ok=True)
        levels.append((level, _encode(level, coarse, resampling, run)))
        level = coarse
    return levels


def _encode(level: Level, coarse: Level | None, resampling: Resampling, run: Runner) -> Sizes:
    def encode(part: Tile) -> Sizes:
        return level.encode(part, coarse, resampling)

    height, width = level.plan.shape
    sizes = np.zeros((-(-height // BLOCK_PX), -(-width // BLOCK_PX)), np.uint32)
    for part, found in zip(level.plan, run(encode, level.plan), strict=True):
        sizes[blocks_of(part)] = found
    return sizes


def halve(pixels: NDArray[Any], nodata: float, resampling: Resampling) -> NDArray[Any]:
    """Make one pixel of every 2 x 2.

    Parameters
    ----------
    pixels : uint8 or uint16 (2 H, 2 W)
    nodata : float
    resampling : {"average", "nearest"}
        The mean of those that are not nodata, halves rounded up; or the upper left one, which
        keeps classes and the share of each.

    Returns
    -------
    (H, W), of the same type

    Examples
    --------
    >>> halve(np.array([[1, 2, 9, 9], [9, 9, 9, 9]], np.uint8), 9, "average")
    array([[2, 9]], dtype=uint8)
    """
    if resampling == "nearest":
        return pixels[::2, ::2]
    known = pixels != nodata
    if known.all():
        mean = _add_quads(pixels, np.float32) / 4
    else:
        count = _add_quads(known, np.uint8)
        mean = _add_quads(pixels * known, np.float32) / np.maximum(count, 1)
        mean[count == 0] = nodata
    rounded: NDArray[Any] = (mean + np.float32(0.5)).astype(pixels.dtype)
    return rounded


def _add_quads(values: NDArray[Any], dtype: type[np.number[Any]]) -> NDArray[Any]:
    """Add up every 2 x 2; exact in float32 for values below 2**22."""
    rows: NDArray[Any] = np.add(values[::2], values[1::2], dtype=dtype)
    total: NDArray[Any] = rows[:, ::2] + rows[:, 1::2]
    return total
