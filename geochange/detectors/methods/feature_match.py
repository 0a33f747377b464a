"""Change as what finds no match: patches of features looked for in the other date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray, PairBlock, PixelSample, Places
from geochange.detectors.base import score_from_sigma
from geochange.detectors.methods.context import select_bands
from geochange.detectors.methods.mad import IRMAD
from geochange.detectors.neighbourhoods.detail import REACH_PX, measure_detail
from geochange.detectors.neighbourhoods.matching import (
    find_least,
    follow,
    measure_costs,
    settle_displacement,
)
from geochange.detectors.neighbourhoods.pieces import Piece, mix_bands, score_pieces, trim
from geochange.detectors.neighbourhoods.smoothing import BoxMean, require_odd
from geochange.detectors.statistics.misfit import Misfit
from geochange.detectors.statistics.samples import require_pixels
from geochange.errors import UsageError
from geochange.tiles import Tile, Window

LARGEST_RADIUS_PX = 8
SMOOTHING_PX = 3
"""Edge of the box that features are averaged over: matches between whole pixels fit better."""
CORE_PX = 4
"""Radius around a sampled pixel of those that statistics are learned from."""
CORE_STEP_PX = 2
LEAST_VARIANCE = 0.02
"""Added to the variance of a feature, so that one that agrees perfectly does not count alone."""


class FeatureMatchDetector:
    """Match patches of the before date in the after date; what fits badly has changed.

    Features are the combinations of bands that agree best between the dates (canonical variates,
    reweighted to unchanged ground, of local means that small displacements hardly move), so gain
    and offset do not matter and the dates may have different bands. A patch of them is compared
    with the after date at every displacement up to ``radius``. The surroundings settle on one
    displacement; the patch itself may differ from it by ``slack``. A patch that fits well but
    elsewhere thus counts as change as much as one that fits nowhere::

        misfit = cube root of least cost / (noise + texture * variance + loss * detail)
        sigma = (misfit - median) / spread

    ``variance`` is the lower one of the two dates, ``detail`` what is as fine as pixels in the
    before date (the after date may have been resampled); the other numbers are those of the scene,
    see :class:`geochange.detectors.statistics.misfit.Misfit`. Polygons lie where the change is
    in the before date.

    Parameters
    ----------
    roles : tuple of str or None
        Role of each band (``"red"``, ``"nir"``, ...): when two or more are visible ones, only those
        are used. Without effect where the dates have different numbers of bands.
    radius : int
        Largest displacement between the dates in pixels; costs grow with its square.
    patch : int
        Odd edge of the patches in pixels.
    around : int
        Odd edge in pixels of the surroundings that settle on a displacement.
    slack : int
        How far a patch may match from there, in pixels.
    texture : float
        How much of the variance within a patch counts as noise at most; less where the scene
        shows that its patches match better.
    variates : int
        Number of features.
    windows : int
        Number of places that the statistics are learned from.
    seed : int
        Seed of that sample.

    Attributes
    ----------
    halo : int
        Pixels seen around a pixel.
    bands_ : tuple of int or None
        Indices of the bands in use, None for all.
    weights_before_, weights_after_ : float64 (V, C_before), (V, C_after)
        Coefficients of the features.
    mean_before_, mean_after_ : float64 (C_before,), (C_after,)
    misfit_ : Misfit
        Of unchanged ground.

    References
    ----------
    Theiler, J. and Wohlberg, B. (2012). Local coregistration adjustment for anomalous change
    detection. IEEE TGRS 50(8), 3107-3116.
    Nielsen, A. A. (2007). The regularized iteratively reweighted MAD method for change detection
    in multi- and hyperspectral data. IEEE TIP 16(2), 463-478.

    Examples
    --------
    >>> from geochange.testing import ArrayPair
    >>> from geochange.tiles import TilePlan
    >>> rng = np.random.default_rng(0)
    >>> before = np.kron(rng.normal(100, 9, (3, 20, 20)), np.ones((4, 4))).astype(np.float32)
    >>> after = 2 * np.roll(before, (2, -1), axis=(1, 2)) + 5
    >>> after[:, 40:50, 30:40] = 300
    >>> pair = ArrayPair(before, after)
    >>> detector = FeatureMatchDetector(windows=20)
    >>> detector = detector.fit(pair.blocks(TilePlan(pair.shape, 80, detector.halo)))
    >>> score = detector.score(before[None], after[None], pair.valid[None])[0]
    >>> bool(score[40:46, 33:39].min() > 0.8 > 0.2 > np.median(score))
    True
    """

    threshold = "auto"

    def __init__(
        self,
        *,
        roles: tuple[str | None, ...] = (),
        radius: int = 3,
        patch: int = 7,
        around: int = 21,
        slack: int = 2,
        texture: float = 0.5,
        variates: int = 3,
        windows: int = 100,
        seed: int = 0,
    ) -> None:
        if not 0 <= radius <= LARGEST_RADIUS_PX:
            msg = f"feature-match needs a radius of 0 to {LARGEST_RADIUS_PX} px, got {radius}"
            raise UsageError(msg)
        if slack < 0 or texture < 0 or variates < 1 or windows < 1:
            msg = (
                "feature-match needs slack and texture of at least 0, variates and windows of at "
                f"least 1, got {slack}, {texture:g}, {variates} and {windows}"
            )
            raise UsageError(msg)
        self.roles = roles
        self.radius = radius
        self.patch = require_odd("patch", patch)
        self.around = require_odd("around", around)
        self.slack = slack
        self.texture = texture
        self.variates = variates
        self.windows = windows
        self.seed = seed
        self.halo = self._margin + CORE_PX

    @property
    def _margin(self) -> int:
        matched = SMOOTHING_PX // 2 + self.radius + self.around // 2
        return max(matched, REACH_PX) + self.patch // 2

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Learn features and the misfit of unchanged ground from windows around sampled pixels.

        Raises
        ------
        InputError
            No valid pixel.
        """
        piece, count = self._sample(blocks)
        self.bands_: tuple[int, ...] | None = None
        if len(piece.before) == len(piece.after):
            chosen = select_bands(self.roles, len(piece.before))
            self.bands_ = tuple(chosen.tolist())
            piece = replace(piece, before=piece.before[chosen], after=piece.after[chosen])
        self._learn_features(piece, count)
        with np.errstate(invalid="ignore", over="ignore"):
            cost, (variance, detail) = self._match(piece)
        places = self._list_core(count, self._margin)
        known = trim(piece.valid, self._margin, piece.stride)[places] & np.isfinite(cost[places])
        kept = places[known]
        self.misfit_ = Misfit.learn(cost[kept], (variance[kept], detail[kept]), self.texture)
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`.

        0 where the other date shows nothing valid to compare with.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            return score_pieces(self._score, before, after, valid, self._margin, self.bands_)

    def _sample(self, blocks: Iterable[PairBlock]) -> tuple[Piece, int]:
        """Return windows around sampled pixels, one below the other, and their number."""
        edge, bands = 2 * self.halo + 1, 0

        def describe(block: PairBlock, places: Places) -> FloatArray:
            nonlocal bands
            bands = len(block.before)
            reach = np.arange(-self.halo, self.halo + 1)
            inner = (reach[:, None] * block.valid.shape[1] + reach).ravel()[:, None] + places
            both = np.concatenate([block.before, block.after])
            dates = np.where(block.valid, both, np.float32(np.nan)).reshape(len(both), -1)
            return dates[:, inner].reshape(len(dates) * len(inner), len(places))

        table = PixelSample(self.windows, self.seed).collect(blocks, describe)
        require_pixels(table.shape[1])
        pixels = table.reshape(-1, edge * edge, table.shape[1]).transpose(0, 2, 1)
        rows = pixels.reshape(len(pixels), -1)
        return Piece(rows[:bands], rows[bands:], edge), table.shape[1]

    def _list_core(self, count: int, margin: int) -> NDArray[np.intp]:
        """Return the places near the middle of each window in a piece without ``margin``."""
        edge = 2 * self.halo + 1
        near = self.halo + np.arange(-CORE_PX, CORE_PX + 1, CORE_STEP_PX)
        rows = (np.arange(count)[:, None] * edge + near).ravel()
        return (rows[:, None] * edge + near).ravel() - margin * (edge + 1)

    def _learn_features(self, piece: Piece, count: int) -> None:
        """Learn canonical variates of means over all that a displacement may reach."""
        size = 2 * self.radius + 1
        means = BoxMean(piece.valid, size, piece.stride)
        places = self._list_core(count, self.radius)
        places = places[trim(piece.valid, self.radius, piece.stride)[places]]
        before, after = (
            np.stack([means.apply(band.copy())[places] for band in date])[:, None]
            for date in (piece.before, piece.after)
        )
        row = Window(0, 0, 1, len(places))
        block = PairBlock(before, after, np.ones(row.shape, bool), Tile(0, row, row))
        detector = IRMAD(max_pixels=len(places)).fit([block])
        variates, correlations = detector.variates_, detector.spectrum_[: self.variates]
        kept = len(correlations)
        weight = np.maximum(correlations, 0) / np.sqrt(variates.variance[:kept] + LEAST_VARIANCE)
        self.weights_before_ = weight[:, None] * variates.a[:kept]
        self.weights_after_ = weight[:, None] * variates.b[:kept]
        self.mean_before_, self.mean_after_ = variates.mean_before, variates.mean_after

    def _match(self, piece: Piece) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
        """Return least cost, and variance and detail of each patch, trimmed by the margin."""
        stride, further = piece.stride, self.around // 2
        known = trim(piece.valid, SMOOTHING_PX // 2, stride)
        means = BoxMean(piece.valid, SMOOTHING_PX, stride)
        sharp = _mix(piece.before, self.weights_before_, self.mean_before_, means.unknown)
        x = _smooth(sharp, means, known)
        there = _mix(piece.after, self.weights_after_, self.mean_after_, means.unknown)
        y = _smooth(there, means, known)
        costs = measure_costs((x, y), known, self.radius, self.patch, stride)
        settled = settle_displacement(costs, self.around, self.radius, stride)
        edge = self._margin - (SMOOTHING_PX // 2 + self.radius + self.patch // 2 + further)
        cost = find_least(trim(costs, further, stride), settled, self.radius, self.slack)
        variance = self._compare_variances(x, y, BoxMean(known, self.patch, stride), settled)
        detail = measure_detail(sharp, piece.valid, self.patch, stride)
        detail = trim(detail, self._margin - REACH_PX - self.patch // 2, stride)
        return trim(cost, edge, stride), (trim(variance, edge, stride), detail)

    def _compare_variances(
        self, x: FloatArray, y: FloatArray, means: BoxMean, settled: NDArray[np.intp]
    ) -> FloatArray:
        """Return the lower variance of each patch and of its match."""
        margin, stride = self.radius + self.around // 2, means.stride
        here = trim(_measure_variance(x, means), margin, stride)
        there = follow(_measure_variance(y, means), settled, self.radius, margin, stride)
        return np.minimum(here, there)

    def _score(self, piece: Piece) -> FloatArray:
        return score_from_sigma(self.misfit_.sigma(*self._match(piece)))


def _mix(
    date: FloatArray, weights: NDArray[np.float64], mean: NDArray[np.float64], unknown: BoolArray
) -> FloatArray:
    """Features (V, L) of one date, 0 where invalid; a single 0 where the bands hold none."""
    pixels = date - mean.astype(np.float32)[:, None]
    np.copyto(pixels, 0, where=unknown)
    if not len(weights):
        weights = np.zeros((1, len(date)))
    return mix_bands(weights, pixels)


def _smooth(features: FloatArray, means: BoxMean, known: BoolArray) -> FloatArray:
    """Local means (V, L') of features, 0 where the pixel is invalid."""
    smooth: FloatArray = np.stack([means.apply(feature.copy()) for feature in features])
    smooth *= known
    return smooth


def _measure_variance(features: FloatArray, means: BoxMean) -> FloatArray:
    """Sum over the features of their variance within the window of ``means``."""
    total: FloatArray = np.zeros_like(trim(features[0], means.size // 2, means.stride))
    for feature in features:
        mean = means.apply(feature.copy())
        total += means.apply(np.square(feature))
        total -= np.square(mean, out=mean)
    np.maximum(total, 0, out=total)
    return total
