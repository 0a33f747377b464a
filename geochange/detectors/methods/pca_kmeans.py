"""Principal components of difference blocks, split in two by k-means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np

from geochange.blocks import BoolArray, FloatArray, PairBlock, PixelSample, Places
from geochange.detectors.neighbourhoods.pieces import Piece, mix_bands, score_pieces
from geochange.detectors.neighbourhoods.smoothing import require_odd
from geochange.detectors.statistics.samples import (
    Vector,
    estimate_noise,
    require_equal_bands,
    require_pixels,
)

MAX_KMEANS_ITERATIONS = 100
OUTLIER_SIGMA = 10.0
"""Larger differences count as this many noise standard deviations."""
LEAST_SIGMA = 2.0
"""Blocks that differ by less than this many noise standard deviations are not split off."""


class PCAKMeans:
    """Principal component analysis of difference blocks and k-means (Celik 2009).

    Each pixel is described by the block of absolute differences around it, in noise sigmas up to
    ten, so that outliers do not take a cluster of their own. Blocks are projected on their
    principal components and split by k-means in two clusters; the one with the smaller differences
    is no change. With v the position of a block along the line through the two centres, 0 for a
    block without difference and b halfway between the centres, the score is ``v / (v + b)``: 0.5
    is the decision of the paper. Beyond the paper, b is at least the position of a block that
    differs by two sigmas throughout, so that mere noise is not split.

    Parameters
    ----------
    block : int
        Odd edge of the block in pixels.
    components : int
        Principal components kept.
    max_pixels : int
        Number of blocks that components and clusters are learned from.
    seed : int
        Seed of that sample.

    Attributes
    ----------
    offset_, noise_ : float64 (bands,)
        The difference is standardised as ``(after - before - offset_) / noise_``.
    mean_ : float64 (bands * block * block,)
    components_ : float64 (components, bands * block * block)
    centres_ : float64 (2, components)
        Of no change and of change.
    weights_ : float64 (bands * block * block,)
    boundary_ : float64
        A block's position is its product with ``weights_``; the clusters meet at ``boundary_``.

    References
    ----------
    Celik, T. (2009). Unsupervised change detection in satellite images using principal component
    analysis and k-means clustering. IEEE GRSL 6(4), 772-776.

    Examples
    --------
    >>> from geochange.testing import synthetic_pair
    >>> from geochange.tiles import TilePlan
    >>> pair = synthetic_pair((64, 64), bands=2)
    >>> detector = PCAKMeans(block=3).fit(pair.blocks(TilePlan(pair.shape, 32, halo=1)))
    >>> detector.halo, detector.components_.shape
    (1, (3, 18))
    """

    threshold = "fixed:0.5"

    def __init__(
        self, *, block: int = 5, components: int = 3, max_pixels: int = 20_000, seed: int = 0
    ) -> None:
        self.block = block
        self.components = components
        self.max_pixels = max_pixels
        self.seed = seed
        self.halo = require_odd("block", block) // 2

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Learn noise, principal components and cluster centres from a sample of blocks.

        Raises
        ------
        InputError
            No valid pixel.
        BandError
            The dates have different band counts.
        """
        patches, level = gather_patches(blocks, self.block, self.max_pixels, self.seed)
        require_pixels(len(patches))
        centre = patches[:, :, self.block**2 // 2]
        self.offset_ = np.median(centre, axis=0).astype(np.float64)
        self.noise_ = estimate_noise(centre - self.offset_.astype(np.float32), level)
        vectors = self._standardise(patches).reshape(len(patches), -1)
        self.mean_ = vectors.mean(axis=0, dtype=np.float64)
        self.components_ = _principal_axes(vectors - self.mean_, self.components)
        self.centres_ = split_in_two((vectors - self.mean_) @ self.components_.T, vectors.mean(1))
        self.weights_ = (self.centres_[1] - self.centres_[0]) @ self.components_
        middle = self.centres_.mean(axis=0) @ self.components_ + self.mean_
        least = LEAST_SIGMA * float(np.abs(self.weights_).sum())
        self.boundary_ = max(float(self.weights_ @ middle), least)
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        require_equal_bands(before.shape[1], after.shape[1], "pca-kmeans")
        return score_pieces(self._score, before, after, valid, self.halo)

    def _score(self, piece: Piece) -> FloatArray:
        sigma = self._standardise(piece.after - piece.before)
        position = np.maximum(self._project(sigma, piece), 0)
        total = position + np.float32(self.boundary_)
        return np.divide(position, total, out=np.zeros_like(position), where=position > 0)

    def _standardise(self, difference: FloatArray) -> FloatArray:
        """Absolute difference (..., C, P) in sigmas, limited; 0 where it is NaN."""
        sigma = difference - self.offset_.astype(np.float32)[:, None]
        sigma /= self.noise_.astype(np.float32)[:, None]
        np.abs(sigma, out=sigma)
        np.fmin(sigma, np.float32(OUTLIER_SIGMA), out=sigma)
        np.copyto(sigma, 0, where=np.isnan(difference))
        return sigma

    def _project(self, image: FloatArray, piece: Piece) -> FloatArray:
        """Multiply the block around each pixel of (C, L) with ``weights_``, (L',).

        The bands are mixed once for every pixel of the block; the results are added shifted.
        """
        size, position = self.block, piece.zeros(self.halo)
        weights = np.moveaxis(self.weights_.reshape(-1, size, size), 0, -1)
        for row, weights_of_row in enumerate(weights):
            for col, product in enumerate(mix_bands(weights_of_row, image)):
                start = row * piece.stride + col
                position += product[start : start + position.size]
        return position


def gather_patches(
    blocks: Iterable[PairBlock], size: int, max_patches: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Gather a seeded sample of difference patches, the same for any tiling.

    Returns
    -------
    patches : float32 (patches, bands, size * size)
        After minus before around sampled pixels; NaN where invalid.
    level : float32 (patches, bands)
        The after date at those pixels.
    """

    def describe(block: PairBlock, places: Places) -> FloatArray:
        require_equal_bands(len(block.before), len(block.after), "pca-kmeans")
        rows, cols = np.unravel_index(places, block.valid.shape)
        patches = _surround(block, size)[..., rows, cols]
        features = patches.reshape(len(patches) * size**2, -1)
        return np.concatenate([features, block.after[:, rows, cols]])

    table = PixelSample(max_patches, seed).collect(blocks, describe).T
    bands = table.shape[1] // (size**2 + 1)
    patches, level = np.split(table, [bands * size**2], axis=1)
    return patches.reshape(len(table), bands, size**2), level


def _surround(block: PairBlock, size: int) -> FloatArray:
    """Differences in the ``size`` x ``size`` px around each pixel, (C, size, size, H, W)."""
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.where(block.valid, block.after - block.before, np.float32(np.nan))
    margin = size // 2
    around = ((0, 0), (margin, margin), (margin, margin))
    padded = np.pad(difference, around, constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(padded, block.valid.shape, axis=(1, 2))


def _principal_axes(centred: Vector, count: int) -> Vector:
    """First ``count`` principal axes of ``centred`` (vectors, features), with a fixed sign."""
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :count].T
    largest = np.abs(axes).argmax(axis=1)[:, None]
    signed: Vector = axes * np.sign(np.take_along_axis(axes, largest, axis=1))
    return signed


def split_in_two(features: Vector, magnitude: FloatArray) -> Vector:
    """Return the centres (2, features) of k-means with two clusters, the smaller changes first.

    Lloyd's algorithm from a fixed start: the vectors below and above the mean magnitude.

    Examples
    --------
    >>> split_in_two(np.array([[0.0], [1.0], [9.0], [10.0]]), np.array([0.0, 1.0, 9.0, 10.0]))
    array([[0.5],
           [9.5]])
    """
    changed = magnitude > magnitude.mean()
    for _ in range(MAX_KMEANS_ITERATIONS):
        if changed.all() or not changed.any():
            return np.repeat(features.mean(axis=0, keepdims=True), 2, axis=0)
        centres = np.stack([features[~changed].mean(axis=0), features[changed].mean(axis=0)])
        previous, changed = changed, _nearer_second(features, centres)
        if np.array_equal(previous, changed):
            break
    return centres


def _nearer_second(features: Vector, centres: Vector) -> BoolArray:
    first, second = (np.square(features - centre).sum(axis=1) for centre in centres)
    nearer: BoolArray = second < first
    return nearer
