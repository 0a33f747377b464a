"""Score a tile piece by piece, so that what is worked on stays in the processor's cache.

A piece holds its rows end to end with a margin around: the neighbour of a pixel is the same offset
away everywhere, and windows are contiguous additions, the fastest there are. What a pixel gets
depends on its neighbours alone, to the last bit, and not on where a piece or a tile begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray
from geochange.tiles import TilePlan, Window

T = TypeVar("T", bound=np.generic)

PIECE_PX = 256
"""Largest edge of a piece without its margin."""
CHUNK_PIXELS = 32_768
"""Pixels taken at a time where neighbours do not matter."""
BLAS_PIXELS = 4096


@dataclass(frozen=True, slots=True)
class Piece:
    """Pixels of both dates, NaN where either is invalid or beyond the tile; rows end to end.

    Attributes
    ----------
    before, after : float32 (C, L)
    stride : int
        Pixels in a row.
    """

    before: FloatArray
    after: FloatArray
    stride: int

    @property
    def valid(self) -> BoolArray:
        """Bool (L,)."""
        known: BoolArray = ~np.isnan(self.before[0])
        return known

    def zeros(self, margin: int) -> FloatArray:
        """Return zeros as large as the piece without ``margin``, float32 (L',)."""
        return np.zeros(trim(self.before[0], margin, self.stride).size, np.float32)


def score_pieces(
    score: Callable[[Piece], FloatArray],
    before: FloatArray,
    after: FloatArray,
    valid: BoolArray,
    margin: int,
    bands: Sequence[int] | None = None,
) -> FloatArray:
    """Put together what ``score`` gives for every piece of a batch of tiles.

    Parameters
    ----------
    score : callable
        From a piece to float32 (L',), its pixels without ``margin``: see :func:`trim`.
    before, after : float32 (N, C, H, W)
    valid : bool (N, H, W)
    margin : int
        Pixels that ``score`` must see around a pixel.
    bands : sequence of int, optional
        Bands that pieces hold, of both dates; all by default.

    Returns
    -------
    float32 (N, H, W)
        NaN where invalid.
    """
    out = np.full(valid.shape, np.nan, np.float32)
    longest = max(valid.shape[1:])
    plan = TilePlan(valid.shape[1:], -(-longest // -(-longest // PIECE_PX)), margin)
    whole = Window(0, 0, *plan.shape)
    for image, *dates, known in zip(out, before, after, valid, strict=True):
        for tile in plan:
            core = tile.core.slices_in(whole)
            if known[core].any():
                piece = _cut(dates[0], dates[1], known, tile.read, bands)
                found = score(piece)
                rows = np.lib.stride_tricks.sliding_window_view(found, tile.core.width)
                image[core] = rows[:: piece.stride][: tile.core.height]
    np.copyto(out, np.nan, where=~valid)
    return out


def _cut(
    before: FloatArray,
    after: FloatArray,
    valid: BoolArray,
    window: Window,
    bands: Sequence[int] | None,
) -> Piece:
    whole = Window(0, 0, *valid.shape)
    inside = window.intersect(whole) or whole
    source, target = inside.slices_in(whole), inside.slices_in(window)
    unknown = np.ones(window.shape, bool)
    np.logical_not(valid[source], out=unknown[target])
    some = bool(unknown.any())
    dates = []
    for date in (before, after):
        chosen = range(len(date)) if bands is None else bands
        pixels = np.empty((len(chosen), *window.shape), np.float32)
        for band, kept in zip(chosen, pixels, strict=True):
            kept[target] = date[band][source]
            if some:
                np.copyto(kept, np.nan, where=unknown)
        dates.append(pixels.reshape(len(chosen), -1))
    return Piece(dates[0], dates[1], window.width)


def trim(values: NDArray[T], margin: int, stride: int) -> NDArray[T]:
    """Leave out ``margin`` px at all sides of rows laid end to end along the last axis.

    What wraps around at the ends of rows stays in and is nobody's pixel.
    """
    edge = margin * (stride + 1)
    return values[..., edge : values.shape[-1] - edge]


def slide(op: np.ufunc, values: FloatArray, size: int, stride: int) -> FloatArray:
    """Reduce every window of ``size`` x ``size`` px by ``op``; the result is trimmed by its radius.

    Parameters
    ----------
    op : ufunc
        Associative: ``np.add``, ``np.fmin``, ``np.fmax``.
    values : float32 (L,)
        Rows of ``stride`` pixels, end to end.
    size : int
        Odd edge of the window.
    stride : int

    Examples
    --------
    >>> image = np.arange(9, dtype=np.float32)
    >>> slide(np.add, image, 3, stride=3)
    array([36.], dtype=float32)
    """
    return _run(op, _run(op, values, size, 1), size, stride)


def _run(op: np.ufunc, values: FloatArray, size: int, step: int) -> FloatArray:
    """Reduce ``size`` values that lie ``step`` apart, from each one on, by doubling."""
    if size == 1:
        return values
    half = _run(op, values, size // 2, step)
    shift = size // 2 * step
    double: FloatArray = op(half[:-shift], half[shift:])
    if size % 2 == 0:
        return double
    last = values[(size - 1) * step :]
    whole = double[: last.size]
    op(whole, last, out=whole)
    return whole


def cut_chunks(count: int) -> Iterator[slice]:
    """Yield slices of at most ``CHUNK_PIXELS`` that cover ``count`` pixels."""
    return (slice(start, start + CHUNK_PIXELS) for start in range(0, count, CHUNK_PIXELS))


def mix_bands(weights: NDArray[np.floating[Any]], pixels: FloatArray) -> FloatArray:
    """Return ``weights`` (V, C) @ ``pixels`` (..., C, P), float32 (..., V, P).

    BLAS is always given the same number of pixels and more than one row: with others it may add in
    another order, and a pixel would depend on the tiling.
    """
    rows, count = len(weights), pixels.shape[-1]
    if count < BLAS_PIXELS:
        enough = np.zeros((*pixels.shape[:-1], BLAS_PIXELS), np.float32)
        enough[..., :count] = pixels
        return mix_bands(weights, enough)[..., :count]
    single = np.resize(weights.astype(np.float32), (max(rows, 2), weights.shape[1]))
    mixed = np.empty((*pixels.shape[:-2], len(single), count), np.float32)
    for start in range(0, count, BLAS_PIXELS):
        stop = min(start + BLAS_PIXELS, count)
        part = slice(stop - BLAS_PIXELS, stop)
        np.matmul(single, pixels[..., part], out=mixed[..., part])
    return mixed[..., :rows, :]
