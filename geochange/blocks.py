"""The pixels of one tile at both dates, and what is known about the pair they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from geochange.tiles import Tile

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Places = NDArray[np.intp]

MAD_TO_SIGMA = 1.482602218505602
"""Standard deviation of normal values over their median absolute deviation."""


@dataclass(frozen=True, slots=True)
class PairTraits:
    """What a method may know of a pair before it sees pixels.

    Attributes
    ----------
    bands_before, bands_after : tuple of str
        Band names of the two dates, matched in order when their number is equal.
    roles : tuple of str or None
        Common-name role of each band of the before date (``blue``, ``green``, ``red``, ``nir``,
        ``swir1`` ..., ``sar``, or None when unknown).
    gsd_m : float or None
        Ground sampling distance of the grid in metres; None without CRS.
    dtype : str
        Pixel type of the before date's file.
    roles_after : tuple of str or None
        Roles of the bands of the after date; empty where nobody looked.
    """

    bands_before: tuple[str, ...]
    bands_after: tuple[str, ...]
    roles: tuple[str | None, ...]
    gsd_m: float | None = None
    dtype: str = "float32"
    roles_after: tuple[str | None, ...] = ()

    @property
    def are_of_two_sensors(self) -> bool:
        """Whether the dates differ in their number of bands, or one of them alone is radar.

        Examples
        --------
        >>> names = ("VV",)
        >>> PairTraits(names, names, ("sar",), roles_after=("pan",)).are_of_two_sensors
        True
        """
        if len(self.bands_before) != len(self.bands_after):
            return True
        return bool(self.roles_after) and ("sar" in self.roles) != ("sar" in self.roles_after)

    @property
    def may_be_radar(self) -> bool:
        """Whether a band is radar, or a single one has no name that says otherwise."""
        if "sar" in (*self.roles, *self.roles_after):
            return True
        return len(self.bands_before) == 1 and self.roles[:1] == (None,)


@dataclass(frozen=True, slots=True)
class PairBlock:
    """One tile read at both dates.

    Attributes
    ----------
    before, after : float32 (C, H, W)
        Pixel values with scale and offset applied; (H, W) is the shape of ``tile.read``.
    valid : bool (H, W)
        True where both dates hold data.
    tile : Tile
    """

    before: FloatArray
    after: FloatArray
    valid: BoolArray
    tile: Tile

    @property
    def owned(self) -> BoolArray:
        """Valid and in the core, bool (H, W): what statistics count; halos would count twice."""
        owned = np.zeros_like(self.valid)
        core = self.tile.core_in_read
        owned[core] = self.valid[core]
        return owned


def hash_pixels(tile: Tile, seed: int = 0) -> NDArray[np.float64]:
    """Return a fixed pseudo-random number in [0, 1) for every pixel of ``tile.read``, (H, W).

    It depends on the pixel's row and column in the grid and the seed alone, so a subsample drawn
    with it is the same for any tile size (splitmix64 finaliser, Steele et al. 2014).
    """
    rows = np.arange(tile.read.row, tile.read.stop_row, dtype=np.int64).astype(np.uint64)
    cols = np.arange(tile.read.col, tile.read.stop_col, dtype=np.int64).astype(np.uint64)
    x = (rows[:, None] << np.uint64(32)) ^ (cols[None, :] & np.uint64(0xFFFFFFFF))
    x = x + np.uint64(((seed + 1) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    unit: NDArray[np.float64] = (x >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return unit


@dataclass(slots=True)
class PixelSample:
    """A bounded, seeded subsample of owned pixels, gathered in one pass over blocks.

    The pixels kept are those with the smallest :func:`hash_pixels`, so the set is the same for any
    tiling; when no more than ``max_pixels`` exist, all are kept.

    Examples
    --------
    >>> from geochange.tiles import TilePlan
    >>> tile = TilePlan((2, 2), size=2)[0]
    >>> ones = np.ones((1, 2, 2), np.float32)
    >>> block = PairBlock(ones, 2 * ones, np.ones((2, 2), bool), tile)
    >>> before, after = PixelSample(max_pixels=10).gather([block])
    >>> before.shape, float(after[0, 0])
    ((4, 1), 2.0)
    """

    max_pixels: int = 500_000
    seed: int = 0
    limit: float = field(default=1.0, init=False)

    def gather(self, blocks: Iterable[PairBlock]) -> tuple[FloatArray, FloatArray]:
        """Return ``(before, after)``, float32 (pixels, bands), in order of the hash."""
        bands = 0

        def both_dates(block: PairBlock, places: Places) -> FloatArray:
            nonlocal bands
            bands = len(block.before)
            dates = (block.before, block.after)
            return np.concatenate([d.reshape(len(d), -1).take(places, axis=1) for d in dates])

        drawn = self.collect(blocks, both_dates)
        return drawn[:bands].T, drawn[bands:].T

    def collect(
        self, blocks: Iterable[PairBlock], describe: Callable[[PairBlock, Places], FloatArray]
    ) -> FloatArray:
        """Return what ``describe`` says of the sampled pixels, in order of the hash.

        Parameters
        ----------
        blocks : iterable of PairBlock
        describe : callable
            From a block and the places of n pixels in it, counted row by row, to float32
            (features, n).

        Returns
        -------
        float32 (features, pixels)
        """
        keys: list[NDArray[np.float64]] = []
        values: list[FloatArray] = []
        for block in blocks:
            key, places = self._draw(block)
            keys.append(key)
            values.append(describe(block, places))
            if sum(map(len, keys)) > 2 * self.max_pixels:
                keys, values = self._shrink(keys, values)
        if not keys:
            return np.empty((0, 0), np.float32)
        [key], [table] = self._shrink(keys, values)
        return table.take(np.argsort(key), axis=1)

    def _draw(self, block: PairBlock) -> tuple[NDArray[np.float64], Places]:
        """Return hashes and places of the owned pixels that may be in the sample, (n,)."""
        key = hash_pixels(block.tile, self.seed).ravel()
        places = np.flatnonzero(block.owned.ravel() & (key < self.limit))
        places = places[_smallest(key[places], self.max_pixels)]
        return key[places], places

    def _shrink(
        self, keys: list[NDArray[np.float64]], values: list[FloatArray]
    ) -> tuple[list[NDArray[np.float64]], list[FloatArray]]:
        """Keep the smallest hashes, in any order, and remember the largest of them."""
        key, table = np.concatenate(keys), np.concatenate(values, axis=1)
        if key.size > self.max_pixels:
            kept = _smallest(key, self.max_pixels)
            key, table = key[kept], table.take(kept, axis=1)
            self.limit = float(key.max())
        return [key], [table]


def _smallest(keys: NDArray[np.float64], count: int) -> Places:
    """Return the places of the ``count`` smallest keys, or of all, in any order."""
    if keys.size <= count:
        return np.arange(keys.size)
    return np.argpartition(keys, count - 1)[:count]
