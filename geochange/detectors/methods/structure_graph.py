"""Change between dates that no band has in common: who resembles whom, before and after."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np

from geochange.blocks import MAD_TO_SIGMA, BoolArray, FloatArray, PairBlock, Places
from geochange.detectors.neighbourhoods.pieces import (
    BLAS_PIXELS,
    Piece,
    mix_bands,
    score_pieces,
    trim,
)
from geochange.detectors.neighbourhoods.smoothing import BoxMean, require_odd
from geochange.detectors.statistics.patches import (
    count_columns,
    crop,
    lay_out,
    place_centres,
    sample_patches,
)
from geochange.detectors.statistics.samples import Vector
from geochange.detectors.statistics.yardstick import Yardstick
from geochange.errors import InputError, UsageError

NEAR_PX, WIDE_PX, TEXTURE_PX = 3, 7, 5
"""Windows of the two means and the standard deviation that describe a pixel in each band."""
REACH_PX = WIDE_PX // 2
GRAPH_PX = 2 * REACH_PX + 1
"""Edge of what the graph sees around a pixel."""
CHECKED = 400
"""Sampled surroundings that say how large misfits of unchanged ground are."""
ROUNDS = 3
OUTLIER_SIGMA = 2.5
"""Anchors that fit worse are taken for changed and leave the graph."""
LEAST_KEPT = 1 / 3


class StructureGraph:
    """Compare who resembles whom: a graph of similar surroundings, built on each date by itself.

    What looks alike before mostly looks alike after, whatever the sensors. For each pixel its
    nearest neighbours among some ``anchors``, drawn from the scene, are found in the before date.
    How much farther from it these are in the after date than its nearest neighbours there is the
    misfit forward; the same from after to before is the misfit backward. Values of different
    sensors are never compared, so the dates may have any bands. Anchors that have changed
    themselves are found by their own misfits and left out, three times. The sum of both misfits,
    averaged over ``context`` px, is told in robust standard deviations of the scene.

    Parameters
    ----------
    anchors : int
        Pixels of the scene that all others are compared with; costs grow with it.
    neighbours : int
        Of each pixel, among the anchors.
    context : int
        Odd edge in pixels of the mean of the misfits; 1 is none.
    seed : int
        Of the sample of anchors.

    Attributes
    ----------
    scale_ : list of two pairs of float64 (bands,)
        Median and standard deviation of the bands of both dates.
    widths_ : list of two float32 (3 * bands, 1)
        Standard deviations of the features of both dates.
    anchors_ : list of two float32 (anchors, 3 * bands)
        Features of the unchanged anchors at both dates.
    unit_ : float64 (2,)
        Median misfit of the anchors, forward and backward.
    yardstick_ : Yardstick
        Median and robust standard deviation of the averaged sum.

    References
    ----------
    Sun, Y., Lei, L., Li, X., Sun, H. and Kuang, G. (2021). Nonlocal patch similarity based
    heterogeneous remote sensing change detection. Pattern Recognition 109, 107598.
    Sun, Y., Lei, L., Li, X., Tan, X. and Kuang, G. (2022). Structure consistency-based graph for
    unsupervised change detection with homogeneous and heterogeneous remote sensing images. IEEE
    TGRS 60, 4700221.

    Examples
    --------
    >>> from geochange.testing import ArrayPair
    >>> from geochange.tiles import TilePlan
    >>> height = np.kron(np.random.default_rng(0).integers(0, 4, (8, 8)), np.ones((8, 8)))
    >>> before, after = height[None], np.stack([(height - 2) ** 2, np.cos(height)])
    >>> after[:, 16:32, 16:32] = after[:, :16, 32:48]
    >>> pair = ArrayPair(before.astype(np.float32), after.astype(np.float32))
    >>> detector = StructureGraph(anchors=300)
    >>> _ = detector.fit(pair.blocks(TilePlan(pair.shape, size=64, halo=detector.halo)))
    >>> score = detector.score(pair.before[None], pair.after[None], pair.valid[None])
    >>> score.shape
    (1, 64, 64)
    """

    threshold = "auto"

    def __init__(
        self, *, anchors: int = 1000, neighbours: int = 20, context: int = 5, seed: int = 0
    ) -> None:
        if not 1 <= neighbours <= anchors * LEAST_KEPT:
            msg = (
                f"neighbours are 1 to a third of the anchors, got {neighbours} of {anchors}; "
                "choose fewer neighbours or more anchors"
            )
            raise UsageError(msg)
        self.anchors = anchors
        self.neighbours = neighbours
        self.context = context
        self.seed = seed
        self.halo = REACH_PX + require_odd("context", context) // 2

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Draw anchors, leave out those that changed, and learn the misfit of unchanged ground.

        Raises
        ------
        InputError
            Not enough valid pixels.
        """
        count = self.anchors + CHECKED
        patches = sample_patches(blocks, 2 * self.halo + 1, count, self.seed)
        self.learn(*patches)
        checked = [date[-CHECKED:] for date in patches]
        sums = self._sum_misfits(_lay_out(checked[0], checked[1]))
        self.yardstick_ = Yardstick.learn(sums[_place_centres(len(checked[0]), self.halo)])
        return self

    def learn(self, before: FloatArray, after: FloatArray) -> None:
        """Build the graph of the first ``anchors`` of some patches (patches, bands, size, size)."""
        self._require_enough(len(before))
        inner = [crop(date[: self.anchors], GRAPH_PX) for date in (before, after)]
        self.scale_ = [_measure_scale(crop(date, 1)[..., 0, 0]) for date in inner]
        places = _place_centres(len(inner[0]), REACH_PX)
        features = [date[:, places] for date in self._describe(_lay_out(inner[0], inner[1]))]
        self.widths_ = [_measure_scale(date.T)[1].astype(np.float32)[:, None] for date in features]
        scaled = zip(features, self.widths_, strict=True)
        self.anchors_ = [np.ascontiguousarray((date / width).T) for date, width in scaled]
        self._drop_changed()

    def measure_centres(self, before: FloatArray, after: FloatArray) -> FloatArray:
        """Return the misfits at the centres of patches, not averaged, float32 (patches,)."""
        inner = [crop(date, GRAPH_PX) for date in (before, after)]
        piece = _lay_out(inner[0], inner[1])
        places = _place_centres(len(before), REACH_PX)
        kept = np.zeros(trim(piece.valid, REACH_PX, piece.stride).size, bool)
        kept[places] = True
        return self._measure_misfits(piece, kept)[places]

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        return score_pieces(self._score, before, after, valid, self.halo)

    def _score(self, piece: Piece) -> FloatArray:
        return self.yardstick_.score(self._sum_misfits(piece))

    def _sum_misfits(self, piece: Piece) -> FloatArray:
        """Return misfits averaged over the context, without the halo."""
        known = trim(piece.valid, REACH_PX, piece.stride)
        return BoxMean(known, self.context, piece.stride).apply(self._measure_misfits(piece, known))

    def _measure_misfits(self, piece: Piece, wanted: BoolArray) -> FloatArray:
        """Return forward plus backward misfit in typical ones where ``wanted``, else 0, (L',)."""
        total = np.zeros(wanted.size, np.float32)
        places = np.flatnonzero(wanted)
        described = zip(self._describe(piece), self.widths_, strict=True)
        features = [date[:, places] / width for date, width in described]
        for start in range(0, places.size, BLAS_PIXELS):
            part = slice(start, start + BLAS_PIXELS)
            misfits = self._compare(features[0][:, part], features[1][:, part])
            total[places[part]] = (misfits / self.unit_.astype(np.float32)[:, None]).sum(axis=0)
        return total

    def _describe(self, piece: Piece) -> list[FloatArray]:
        """Return two means and a standard deviation of each band, (3 * bands, L') each date."""
        known, stride = piece.valid, piece.stride
        near, wide, texture = (BoxMean(known, px, stride) for px in (NEAR_PX, WIDE_PX, TEXTURE_PX))
        margins = [REACH_PX - px // 2 for px in (NEAR_PX, WIDE_PX, TEXTURE_PX)]
        found = []
        for date, (middle, spread) in zip((piece.before, piece.after), self.scale_, strict=True):
            rows = []
            for band, centre, width in zip(date, middle, spread, strict=True):
                unit = (band - np.float32(centre)) / np.float32(width)
                square = texture.apply(unit * unit)
                mean = texture.apply(unit.copy())
                deviation = np.sqrt(np.maximum(square - mean * mean, 0))
                means = near.apply(unit.copy()), wide.apply(unit)
                kinds = zip((*means, deviation), margins, strict=True)
                rows += [trim(values, margin, stride) for values, margin in kinds]
            found.append(np.stack(rows))
        return found

    def _compare(
        self, before: FloatArray, after: FloatArray, same: BoolArray | None = None
    ) -> FloatArray:
        """Return both misfits (2, P) of features (F, P); ``same`` (P, anchors) are left out."""
        pairs = zip((before, after), self.anchors_, strict=True)
        apart = [_measure_distances(date, anchors) for date, anchors in pairs]
        if same is not None:
            for distances in apart:
                distances[same] = np.inf
        nearest = [np.argpartition(d, self.neighbours, axis=1) for d in apart]
        first, second = (order[:, : self.neighbours] for order in nearest)
        forward = _mean_at(apart[1], first) - _mean_at(apart[1], second)
        backward = _mean_at(apart[0], second) - _mean_at(apart[0], first)
        return np.maximum(np.stack([forward, backward]), 0)

    def _drop_changed(self) -> None:
        for _ in range(ROUNDS):
            before, after = (date.T for date in self.anchors_)
            misfits = self._compare(before, after, np.eye(before.shape[1], dtype=bool))
            typical = np.median(misfits, axis=1).astype(np.float64)
            self.unit_: Vector = np.where(typical > 0, typical, 1.0)
            total = (misfits / self.unit_[:, None]).sum(axis=0)
            middle = np.median(total)
            spread = MAD_TO_SIGMA * np.median(np.abs(total - middle))
            kept = total <= middle + OUTLIER_SIGMA * spread
            if kept.all() or kept.sum() < max(LEAST_KEPT * self.anchors, self.neighbours + 2):
                return
            self.anchors_ = [date[kept] for date in self.anchors_]

    def _require_enough(self, count: int) -> None:
        least = 3 * self.neighbours
        if count < least:
            msg = (
                f"method 'structure-graph' compares each pixel with {self.neighbours} others and "
                f"needs at least {least} valid pixels, found {count}; choose fewer neighbours"
            )
            raise InputError(msg)


def _measure_scale(pixels: FloatArray) -> tuple[Vector, Vector]:
    """Return median and standard deviation of (pixels, bands); 1 for a constant band."""
    spread = pixels.std(axis=0, dtype=np.float64)
    return np.median(pixels, axis=0).astype(np.float64), np.where(spread > 0, spread, 1.0)


def _lay_out(before: FloatArray, after: FloatArray) -> Piece:
    """Lay patches of both dates out as one piece, rows end to end."""
    images = [lay_out(date) for date in (before, after)]
    flat = [image.reshape(len(image), -1) for image in images]
    return Piece(flat[0], flat[1], images[0].shape[-1])


def _place_centres(count: int, margin: int) -> Places:
    """Return the places of the centres of patches in what is trimmed by their margin."""
    size = 2 * margin + 1
    stride = size * count_columns(count)
    return place_centres(count, size) - margin * (stride + 1)


def _measure_distances(date: FloatArray, anchors: FloatArray) -> FloatArray:
    """Return mean squared differences (P, anchors) of features (F, P) and (anchors, F)."""
    distances = mix_bands(-2 * anchors, date)
    distances += np.square(anchors).sum(axis=1)[:, None]
    distances += np.square(date).sum(axis=0)
    distances /= len(date)
    return np.ascontiguousarray(np.maximum(distances, 0, out=distances).T)


def _mean_at(distances: FloatArray, places: Places) -> FloatArray:
    mean: FloatArray = np.take_along_axis(distances, places, axis=1).mean(axis=1)
    return mean
