"""A small picture of a large pair, gathered from the tiles that are read anyway."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray, PairBlock

MAX_PREVIEW_PX = 1024

Sums = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PreviewPart:
    """Sums of one tile's pixels in the cells of the preview.

    Attributes
    ----------
    row, col : int
        First cell that the tile touches.
    sums : float64 (2, C, h, w)
        Sum of valid pixels, before and after.
    counts : int64 (h, w)
        Number of valid pixels.
    """

    row: int
    col: int
    sums: Sums
    counts: Counts


@dataclass(frozen=True, slots=True)
class PreviewGrid:
    """Cells of ``factor`` x ``factor`` px that a preview shows as one pixel each.

    Parameters
    ----------
    shape : tuple of int
        ``(height, width)`` of the grid.
    bands : tuple of int
        Positions of the bands to show.

    Examples
    --------
    >>> grid = PreviewGrid((10_000, 5_000), bands=(2, 1, 0))
    >>> grid.factor, grid.cells
    (10, (1000, 500))
    """

    shape: tuple[int, int]
    bands: tuple[int, ...]

    @property
    def factor(self) -> int:
        """Pixels per cell along each axis."""
        return -(-max(self.shape) // MAX_PREVIEW_PX)

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        height, width = self.shape
        return -(-height // self.factor), -(-width // self.factor)

    def part(self, block: PairBlock) -> PreviewPart:
        """Sum one block's core into cells; a border cell gets what the tile has of it."""
        core, inner = block.tile.core, block.tile.core_in_read
        lead = core.row % self.factor, core.col % self.factor
        valid = block.valid[inner]
        whole = bool(valid.all())
        lengths = [_share_out(*axis, self.factor) for axis in zip(lead, valid.shape, strict=True)]
        counts = np.outer(*lengths)
        if not whole:
            counts = _sum_cells(valid, lead, self.factor).astype(np.int64)
        sums = np.empty((2, len(self.bands), *counts.shape))
        for date, pixels in enumerate((block.before, block.after)):
            for shown, band in enumerate(self.bands):
                seen = pixels[band][inner]
                known = seen if whole else np.where(valid, seen, np.float32(0))
                sums[date, shown] = _sum_cells(known, lead, self.factor)
        return PreviewPart(core.row // self.factor, core.col // self.factor, sums, counts)


def _share_out(lead: int, size: int, factor: int) -> Counts:
    """Return how many of ``size`` px lie in each cell; the first has begun ``lead`` px before."""
    edges = np.clip(np.arange(-lead, size + factor, factor), 0, size)
    return edges[1:] - edges[:-1]


def _sum_cells(pixels: NDArray[Any], lead: tuple[int, int], factor: int) -> NDArray[np.float64]:
    """Sum (height, width) over cells of ``factor`` px; the first has begun ``lead`` px before."""
    margins = [(n, -(n + size) % factor) for n, size in zip(lead, pixels.shape, strict=True)]
    if any(map(any, margins)):
        pixels = np.pad(pixels, margins)
    height, width = pixels.shape
    strips = pixels.reshape(height // factor, factor, width)
    tall = np.einsum("ijk->ik", strips, dtype=np.float64)
    cells: NDArray[np.float64] = tall[:, ::factor].copy()
    for col in range(1, factor):
        cells += tall[:, col::factor]
    return cells


@dataclass
class Preview:
    """Mean of the valid pixels of every cell at both dates, the same for any tiling.

    Parameters
    ----------
    grid : PreviewGrid

    Notes
    -----
    Sums are float64: of integer pixels they are exact.
    """

    grid: PreviewGrid
    sums: Sums = field(init=False, repr=False)
    counts: Counts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.sums = np.zeros((2, len(self.grid.bands), *self.grid.cells))
        self.counts = np.zeros(self.grid.cells, np.int64)

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
