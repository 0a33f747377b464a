"""Integer windows of a raster: cores of tiles partition the grid, reads carry a halo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from geochange.errors import UsageError


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open rectangle of pixels, rows and columns from ``row`` and ``col`` on.

    ``row`` and ``col`` may be negative: a window may leave its grid.

    Examples
    --------
    >>> Window(0, 0, 4, 6).pad(1)
    Window(row=-1, col=-1, height=6, width=8)
    """

    row: int
    col: int
    height: int
    width: int

    @property
    def stop_row(self) -> int:
        """First row below."""
        return self.row + self.height

    @property
    def stop_col(self) -> int:
        """First column to the right."""
        return self.col + self.width

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return self.height, self.width

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.height * self.width

    def pad(self, margin: int) -> Window:
        """Grow by ``margin`` px on every side."""
        return Window(
            self.row - margin, self.col - margin, self.height + 2 * margin, self.width + 2 * margin
        )

    def intersect(self, other: Window) -> Window | None:
        """Return the common part, or None when there is none."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = min(self.stop_row, other.stop_row) - row
        width = min(self.stop_col, other.stop_col) - col
        return Window(row, col, height, width) if height > 0 and width > 0 else None

    def slices_in(self, outer: Window) -> tuple[slice, slice]:
        """Index of this window inside an array that holds ``outer``.

        Examples
        --------
        >>> Window(2, 3, 4, 5).slices_in(Window(0, 0, 10, 10))
        (slice(2, 6, None), slice(3, 8, None))
        """
        row, col = self.row - outer.row, self.col - outer.col
        return slice(row, row + self.height), slice(col, col + self.width)


@dataclass(frozen=True, slots=True)
class Tile:
    """One unit of work.

    Attributes
    ----------
    index : int
        Position in row-major order of the plan.
    core : Window
        Pixels that this tile writes; the cores of a plan partition the grid.
    read : Window
        Pixels that this tile sees: ``core`` plus the halo, always of one size in a plan. It may
        leave the grid; readers return invalid pixels there.
    """

    index: int
    core: Window
    read: Window

    @property
    def core_in_read(self) -> tuple[slice, slice]:
        """Index of the core inside an array that holds the read window."""
        return self.core.slices_in(self.read)


@dataclass(frozen=True, slots=True)
class TilePlan:
    """A partition of a grid of ``shape`` (height, width) into tiles of ``size`` x ``size`` px.

    Tiles are plain integers: nothing is stored per tile, so a plan of a million costs nothing.

    Parameters
    ----------
    shape : tuple of int
        ``(height, width)`` of the grid in pixels.
    size : int
        Edge of a core in pixels; cores at the right and lower border are smaller.
    halo : int
        Margin that reads carry on every side, in pixels; at least, with a ``step``.
    step : int
        First row and column, height and width of reads are multiples of it, whatever the size of
        the cores: what a network with strides needs to see every pixel in the same phase.

    Raises
    ------
    UsageError
        ``size`` or ``step`` below 1, ``halo`` below 0 or an empty shape.

    Examples
    --------
    >>> plan = TilePlan((100, 70), size=64, halo=2)
    >>> len(plan), plan[3].core
    (4, Window(row=64, col=64, height=36, width=6))
    >>> TilePlan((100, 70), size=50, halo=3, step=8)[3].read
    Window(row=40, col=40, height=64, width=64)
    """

    shape: tuple[int, int]
    size: int
    halo: int = 0
    step: int = 1

    def __post_init__(self) -> None:
        if min(self.size, self.step) < 1 or self.halo < 0 or min(self.shape) < 1:
            msg = (
                f"a tile plan needs size and step >= 1, halo >= 0 and a non-empty grid, got size "
                f"{self.size}, step {self.step}, halo {self.halo}, shape {self.shape}"
            )
            raise UsageError(msg)

    @property
    def read_size(self) -> int:
        """Edge of all reads in pixels."""
        steady = self.size % self.step == 0
        lead = -self.halo % self.step if steady else self.step - 1
        return -(-(self.size + 2 * self.halo + lead) // self.step) * self.step

    @property
    def grid(self) -> tuple[int, int]:
        """Number of tile rows and tile columns."""
        height, width = self.shape
        return -(-height // self.size), -(-width // self.size)

    def __len__(self) -> int:
        rows, cols = self.grid
        return rows * cols

    def __getitem__(self, index: int) -> Tile:
        if not 0 <= index < len(self):
            msg = f"tile {index} is not in a plan of {len(self)}"
            raise IndexError(msg)
        tile_row, tile_col = divmod(index, self.grid[1])
        row, col = tile_row * self.size, tile_col * self.size
        height = min(self.size, self.shape[0] - row)
        width = min(self.size, self.shape[1] - col)
        top, left = ((n - self.halo) // self.step * self.step for n in (row, col))
        read = Window(top, left, self.read_size, self.read_size)
        return Tile(index, Window(row, col, height, width), read)

    def __iter__(self) -> Iterator[Tile]:
        return (self[index] for index in range(len(self)))

    def sample(self, max_pixels: int, seed: int = 0) -> list[Tile]:
        """Return all tiles, or an even, seeded choice of at most ``max_pixels`` worth of them.

        The choice depends on the plan alone, never on the number of workers.
        """
        count = max(1, max_pixels // self.size**2)
        if len(self) <= count:
            return list(self)
        strata = np.linspace(0, len(self), count + 1).astype(int)
        rng = np.random.default_rng(seed)
        return [self[int(rng.integers(a, b))] for a, b in pairwise(strata)]
