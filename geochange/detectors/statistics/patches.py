"""Seeded samples of patches, the same for any tiling."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice

import numpy as np

from geochange.blocks import BoolArray, FloatArray, PairBlock, PixelSample, Places
from geochange.detectors.statistics.samples import require_pixels

MOST_VALUES = 20_000_000
"""Numbers that a sample holds at most: 80 MB."""
LEAST_PATCHES = 1500


def sample_patches(
    blocks: Iterable[PairBlock], size: int, max_patches: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return the surroundings of a seeded sample of owned pixels at both dates.

    Parameters
    ----------
    blocks : iterable of PairBlock
        With a halo of at least ``size // 2``; seen once, one is held at a time.
    size : int
        Odd edge of the patches in pixels.
    max_patches, seed : int
        See :class:`geochange.blocks.PixelSample`; fewer patches are drawn where all their values
        would exceed :data:`MOST_VALUES`.

    Returns
    -------
    before, after : float32 (patches, bands, size, size)
        NaN where either date is invalid; the dates may have different bands.

    Raises
    ------
    InputError
        No pixel is valid at both dates.

    Examples
    --------
    >>> from geochange.testing import synthetic_pair
    >>> from geochange.tiles import TilePlan
    >>> pair = synthetic_pair((20, 20), bands=2)
    >>> before, _ = sample_patches(pair.blocks(TilePlan(pair.shape, 10, halo=1)), 3, 50, seed=0)
    >>> before.shape
    (50, 2, 3, 3)
    """
    bands = 0

    def describe(block: PairBlock, places: Places) -> FloatArray:
        nonlocal bands
        bands = len(block.before)
        around = [_surround(d, block.valid, places, size) for d in (block.before, block.after)]
        return np.concatenate(around)

    stream = iter(blocks)
    first = list(islice(stream, 1))
    values = sum(len(block.before) + len(block.after) for block in first) * size**2
    count = min(max_patches, max(MOST_VALUES // max(values, 1), LEAST_PATCHES))
    table = PixelSample(count, seed).collect(chain(first, stream), describe).T
    require_pixels(len(table))
    before, after = np.split(table, [bands * size**2], axis=1)
    shape = (len(table), -1, size, size)
    return before.reshape(shape), after.reshape(shape)


def _surround(date: FloatArray, valid: BoolArray, places: Places, size: int) -> FloatArray:
    """Return the patches around some pixels, (bands * size * size, n)."""
    margin = size // 2
    known = np.where(valid, date, np.float32(np.nan))
    around = ((0, 0), (margin, margin), (margin, margin))
    padded = np.pad(known, around, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    rows, cols = np.unravel_index(places, valid.shape)
    patches = np.moveaxis(windows[:, rows, cols], 1, -1)
    return patches.reshape(len(date) * size**2, len(places))


def lay_out(patches: FloatArray) -> FloatArray:
    """Lay patches side by side to one image; :func:`place_centres` finds their centres again.

    Parameters
    ----------
    patches : float32 (patches, bands, size, size)

    Returns
    -------
    float32 (bands, rows * size, columns * size)
        NaN where the patches end.

    Examples
    --------
    >>> patches = np.arange(18, dtype=np.float32).reshape(2, 1, 3, 3)
    >>> image = lay_out(patches)[0]
    >>> image
    array([[ 0.,  1.,  2.,  9., 10., 11.],
           [ 3.,  4.,  5., 12., 13., 14.],
           [ 6.,  7.,  8., 15., 16., 17.]], dtype=float32)
    >>> image.ravel()[place_centres(2, 3)]
    array([ 4., 13.], dtype=float32)
    """
    count, bands, size, _ = patches.shape
    columns = count_columns(count)
    rows = -(-count // columns)
    full = np.full((rows * columns, bands, size, size), np.nan, np.float32)
    full[:count] = patches
    grid = full.reshape(rows, columns, bands, size, size).transpose(2, 0, 3, 1, 4)
    return np.ascontiguousarray(grid).reshape(bands, rows * size, columns * size)


def place_centres(count: int, size: int) -> Places:
    """Return where the centres of patches lie that were laid out, counted row by row."""
    columns = count_columns(count)
    row, col = np.divmod(np.arange(count), columns)
    places: Places = (row * size + size // 2) * (columns * size) + col * size + size // 2
    return places


def count_columns(count: int) -> int:
    """Return how many patches lie side by side in a row."""
    return int(np.ceil(np.sqrt(count)))


def crop(patches: FloatArray, size: int) -> FloatArray:
    """Return the inner ``size`` x ``size`` px of patches (..., larger, larger)."""
    margin = (patches.shape[-1] - size) // 2
    return patches[..., margin : margin + size, margin : margin + size]
