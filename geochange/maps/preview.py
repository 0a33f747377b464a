"""A small picture of a large pair, gathered from the tiles that are read anyway."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.tiles import Tile

MAX_PREVIEW_PX = 1024


@dataclass(frozen=True, slots=True)
class PreviewPart:
    """Sums of one tile's pixels in the cells of the preview.

    Attributes
    ----------
    row, col : int
        First cell that the tile touches.
    sums : float32 (2, C, h, w)
        Sum of valid pixels, before and after.
    counts : float32 (h, w)
    """

    row: int
    col: int
    sums: FloatArray
    counts: FloatArray


@dataclass
class Preview:
    """Mean of every ``factor`` x ``factor`` px cell at both dates, exact for any tiling.

    Parameters
    ----------
    shape : tuple of int
        ``(height, width)`` of the grid.
    bands : tuple of int
        Positions of the bands to show.
    """

    shape: tuple[int, int]
    bands: tuple[int, ...]
    sums: NDArray[np.float64] = field(init=False, repr=False)
    counts: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        cells = tuple(-(-n // self.factor) for n in self.shape)
        self.sums = np.zeros((2, len(self.bands), *cells))
        self.counts = np.zeros(cells)

    @property
    def factor(self) -> int:
        """Pixels per cell along each axis."""
        return -(-max(self.shape) // MAX_PREVIEW_PX)

    def part(self, block: PairBlock) -> PreviewPart:
        """Sum one block's core into cells; free of shared state, so it may run anywhere."""
        core, inner = block.tile.core, block.tile.core_in_read
        valid = block.valid[inner]
        shown = np.stack(
            [date[list(self.bands)][:, *inner] for date in (block.before, block.after)]
        )
        sums = self._reduce(np.where(valid, shown, np.float32(0)), block.tile)
        counts = self._reduce(valid.astype(np.float32), block.tile)
        return PreviewPart(core.row // self.factor, core.col // self.factor, sums, counts)

    def _reduce(self, pixels: FloatArray, tile: Tile) -> FloatArray:
        """Sum (..., height, width) over cells; a border cell gets what the tile has of it."""
        factor, core = self.factor, tile.core
        margins = [
            (start % factor, -(start + size) % factor)
            for start, size in ((core.row, core.height), (core.col, core.width))
        ]
        if margins != [(0, 0), (0, 0)]:
            pixels = np.pad(pixels, [(0, 0)] * (pixels.ndim - 2) + margins)
        height, width = pixels.shape[-2:]
        rows = pixels.reshape(*pixels.shape[:-2], height // factor, factor, width).sum(axis=-2)
        cells: FloatArray = rows.reshape(*rows.shape[:-1], width // factor, factor).sum(axis=-1)
        return cells

    def add(self, part: PreviewPart) -> None:
        """Merge the sums of one tile."""
        height, width = part.counts.shape
        rows, cols = slice(part.row, part.row + height), slice(part.col, part.col + width)
        self.sums[:, :, rows, cols] += part.sums
        self.counts[rows, cols] += part.counts

    def images(self) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Return ``before, after`` as float32 (C, h, w) and validity as bool (h, w)."""
        means = self.sums / np.maximum(self.counts, 1)
        before, after = means.astype(np.float32)
        return before, after, self.counts > 0
