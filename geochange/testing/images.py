"""Images in memory whose georeference, changes and validity are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.tiles import Tile, TilePlan, Window


def coordinate_image(geobox: GeoBox) -> FloatArray:
    """Return an image whose pixels know where they are.

    Any read, warp or mosaic of it can be checked against geometry.

    Parameters
    ----------
    geobox : odc.geo.geobox.GeoBox

    Returns
    -------
    float32 (2, H, W)
        x and y of each pixel's centre in the CRS of ``geobox``.

    Examples
    --------
    >>> from affine import Affine
    >>> x, y = coordinate_image(GeoBox((2, 3), Affine(10, 0, 500, 0, -10, 900), "EPSG:32633"))
    >>> x[0].tolist(), y[:, 0].tolist()
    ([505.0, 515.0, 525.0], [895.0, 885.0])
    """
    height, width = geobox.shape
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    a = geobox.affine
    x, y = a.a * cols + a.b * rows + a.c, a.d * cols + a.e * rows + a.f
    return np.stack([x, y]).astype(np.float32)


@dataclass(frozen=True)
class ArrayReader:
    """An image in memory as a reader.

    Attributes
    ----------
    image : float32 (C, H, W)
        NaN where invalid.
    geobox : odc.geo.geobox.GeoBox
    bands : tuple of str
    """

    image: FloatArray
    geobox: GeoBox
    bands: tuple[str, ...]

    def read(self, window: Window) -> tuple[FloatArray, BoolArray]:
        """Return pixels float32 (C, h, w) and validity bool (h, w) of a window."""
        image = _cut(self.image, window, np.nan)
        valid: BoolArray = np.isfinite(image).all(axis=0)
        return np.where(valid, image, np.float32(0)), valid


@dataclass
class ArrayPair:
    """Two images in memory, read tile by tile.

    Attributes
    ----------
    before, after : float32 (C, H, W)
        NaN where invalid.

    Examples
    --------
    >>> pair = ArrayPair(np.zeros((1, 5, 5), np.float32), np.ones((1, 5, 5), np.float32))
    >>> block = next(pair.blocks(TilePlan(pair.shape, size=4, halo=1)))
    >>> block.before.shape, int(block.valid.sum()), int(block.owned.sum())
    ((1, 6, 6), 25, 16)
    """

    before: FloatArray
    after: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        height, width = self.before.shape[-2:]
        return height, width

    @cached_property
    def valid(self) -> BoolArray:
        """True where all bands of both dates are finite, bool (H, W)."""
        valid: BoolArray = np.isfinite(np.concatenate([self.before, self.after])).all(axis=0)
        return valid

    def read(self, tile: Tile) -> PairBlock:
        """Return one tile; NaN and invalid outside the image."""
        before, after = (_cut(date, tile.read, np.nan) for date in (self.before, self.after))
        return PairBlock(before, after, _cut(self.valid, tile.read, fill=False), tile)

    def blocks(self, tiles: Sequence[Tile] | TilePlan) -> Iterator[PairBlock]:
        """Read tiles one after the other."""
        return (self.read(tile) for tile in tiles)


@dataclass
class SyntheticPair(ArrayPair):
    """A pair whose changes are known.

    Attributes
    ----------
    truth : bool (H, W)
        True where the ground changed.
    """

    truth: BoolArray


def synthetic_pair(
    shape: tuple[int, int] = (96, 96),
    *,
    bands: int = 4,
    seed: int = 0,
    changes: int = 4,
    contrast: float = 60.0,
    gain: float = 1.2,
    offset: float = 15.0,
    noise: float = 2.0,
    invalid: float = 0.0,
) -> SyntheticPair:
    """Make a small pair with texture, a radiometric difference, noise and changed discs.

    Parameters
    ----------
    shape : tuple of int
        ``(height, width)`` in pixels.
    bands : int
    seed : int
    changes : int
        Number of changed discs.
    contrast : float
        Step in pixel value that a change makes in each band, up or down; texture has a standard
        deviation of 20 around 100.
    gain, offset : float
        The after date is multiplied by ``gain`` and raised by ``offset``.
    noise : float
        Standard deviation of independent noise in each band and date.
    invalid : float
        Share of the rows, at the top, that is NaN in the before date.

    Examples
    --------
    >>> pair = synthetic_pair((40, 50), bands=3)
    >>> pair.before.shape, pair.before.dtype, bool(pair.truth.any())
    ((3, 40, 50), dtype('float32'), True)
    """
    rng = np.random.default_rng(seed)
    scene = _texture(rng, bands, shape)
    truth, steps = _discs(rng, bands, shape, changes)
    before = scene + noise * rng.standard_normal(scene.shape)
    after = gain * (scene + contrast * steps) + offset + noise * rng.standard_normal(scene.shape)
    before[:, : round(invalid * shape[0])] = np.nan
    return SyntheticPair(before.astype(np.float32), after.astype(np.float32), truth)


def _texture(rng: np.random.Generator, bands: int, shape: tuple[int, int]) -> FloatArray:
    """Bands around 100 with a standard deviation of 20, part of it common to all."""
    fields = rng.standard_normal((bands + 1, *shape)).astype(np.float32)
    smooth = np.stack([gaussian_filter(field, 2, mode="wrap") for field in fields])
    mixed: FloatArray = smooth[1:] + smooth[:1]
    return 100 + 20 * mixed / max(float(mixed.std()), 1e-6)


def _discs(
    rng: np.random.Generator, bands: int, shape: tuple[int, int], count: int
) -> tuple[BoolArray, FloatArray]:
    """Truth (H, W) and steps of -1, 0 or 1 (bands, H, W)."""
    rows, cols = np.indices(shape)
    radius = max(2.0, min(shape) / 12)
    truth, steps = np.zeros(shape, bool), np.zeros((bands, *shape), np.float32)
    for _ in range(count):
        row, col = rng.uniform(radius, np.maximum(np.array(shape) - radius, radius + 1))
        disc = (rows - row) ** 2 + (cols - col) ** 2 <= radius**2
        truth |= disc
        steps[:, disc] = rng.choice([-1, 1], bands)[:, None]
    return truth, steps


def _cut(image: Any, window: Window, fill: float) -> Any:
    """Pixels of ``image`` (..., H, W) in a window that may leave it."""
    frame = Window(0, 0, *image.shape[-2:])
    out = np.full(image.shape[:-2] + window.shape, fill, image.dtype)
    common = frame.intersect(window)
    if common is not None:
        out[(..., *common.slices_in(window))] = image[(..., *common.slices_in(frame))]
    return out
