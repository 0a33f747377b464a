"""How well several people agree: counts per tile first, scores and their intervals after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from geochange.evaluation.counts import UNKNOWN

Floats = NDArray[np.float64]
CONFIDENCE = 0.95
CHUNK = 50
"""Resamples held at a time."""
TP, FP, FN, SAME = range(4)
"""Columns of counted objects: matched, of the first alone, of the second alone, matches of one
class."""


def count_pairs(codes: NDArray[np.uint8], values: Sequence[int]) -> tuple[Floats, Floats]:
    """Count how the codes of several people meet, pixel by pixel.

    Parameters
    ----------
    codes : uint8 (N, ...)
        What each of N people says; 255 where one says nothing.
    values : sequence of int
        The K codes that count; others say nothing.

    Returns
    -------
    confusion : float64 (P, K, K)
        Pixels by the code of the first and of the second, for each of the N (N - 1) / 2 pairs of
        people, in the order of :func:`itertools.combinations`.
    coincidence : float64 (K, K)
        Krippendorff's coincidences: each of the m(m - 1) ordered pairs of the m codes of a pixel
        counts 1 / (m - 1).

    Examples
    --------
    >>> codes = np.array([[0, 1, 1, 255], [0, 1, 0, 0]], np.uint8)
    >>> confusion, coincidence = count_pairs(codes, (0, 1))
    >>> confusion[0].tolist(), coincidence.tolist()
    ([[1.0, 0.0], [1.0, 1.0]], [[2.0, 1.0], [1.0, 2.0]])
    """
    people, size = len(codes), len(values)
    place = np.full(256, size, np.int64)
    place[list(values)] = np.arange(size)
    place[UNKNOWN] = size
    key = np.zeros(codes[0].size, np.int64)
    for one in codes:
        key = key * (size + 1) + place[one.ravel()]
    keys, counts = np.unique(key, return_counts=True)
    powers = (size + 1) ** np.arange(people - 1, -1, -1)
    profiles = keys[:, None] // powers % (size + 1)
    known = (profiles < size).sum(axis=1)
    confusion = np.zeros((people * (people - 1) // 2, size, size))
    coincidence = np.zeros((size, size))
    for matrix, (one, other) in zip(confusion, combinations(profiles.T, 2), strict=True):
        both = (one < size) & (other < size)
        np.add.at(matrix, (one[both], other[both]), counts[both])
        share = counts[both] / (known[both] - 1)
        np.add.at(coincidence, (one[both], other[both]), share)
        np.add.at(coincidence, (other[both], one[both]), share)
    return confusion, coincidence


def cohen_kappa(confusion: Floats) -> Floats:
    """Return Cohen's kappa of (..., K, K) confusions; nan where chance alone explains all.

    References
    ----------
    Cohen (1960), doi:10.1177/001316446002000104.

    Examples
    --------
    >>> round(float(cohen_kappa(np.array([[20.0, 5], [10, 15]]))), 3)
    0.4
    """
    total = confusion.sum(axis=(-2, -1))
    agreed = np.trace(confusion, axis1=-2, axis2=-1) * total
    chance = (confusion.sum(axis=-1) * confusion.sum(axis=-2)).sum(axis=-1)
    return _divide(agreed - chance, total**2 - chance)


def krippendorff_alpha(coincidence: Floats) -> Floats:
    """Return Krippendorff's nominal alpha of (..., K, K) coincidences; nan where nothing varies.

    References
    ----------
    Krippendorff (2011), Computing Krippendorff's alpha-reliability.
    """
    marginal = coincidence.sum(axis=-1)
    total = marginal.sum(axis=-1)
    observed = total - np.trace(coincidence, axis1=-2, axis2=-1)
    expected = total**2 - (marginal**2).sum(axis=-1)
    return 1 - _divide((total - 1) * observed, expected)


def change_iou(confusion: Floats) -> Floats:
    """Return intersection over union of change (any code but the first), over (..., P, K, K)."""
    summed = confusion.sum(axis=-3)
    union = summed.sum(axis=(-2, -1)) - summed[..., 0, 0]
    return _divide(summed[..., 1:, 1:].sum(axis=(-2, -1)), union)


def class_iou(confusion: Floats, index: int) -> Floats:
    """Return intersection over union of one code, over (..., P, K, K)."""
    summed = confusion.sum(axis=-3)
    both = summed[..., index, index]
    return _divide(
        both, summed[..., index, :].sum(axis=-1) + summed[..., index].sum(axis=-1) - both
    )


def single_out(matrix: Floats, index: int) -> Floats:
    """Merge all codes but one: (..., K, K) to (..., 2, 2).

    Examples
    --------
    >>> single_out(np.array([[5.0, 1, 0], [2, 6, 0], [0, 1, 3]]), 1).tolist()
    [[8.0, 2.0], [2.0, 6.0]]
    """
    one = matrix[..., index, index]
    row, col = matrix[..., index, :].sum(axis=-1) - one, matrix[..., :, index].sum(axis=-1) - one
    rest = matrix.sum(axis=(-2, -1)) - one - row - col
    return np.stack([np.stack([rest, col], axis=-1), np.stack([row, one], axis=-1)], axis=-2)


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator != 0, np.divide(numerator, denominator), np.nan)


@dataclass(frozen=True)
class AgreementCounts:
    """All that is counted, tile by tile; sums of it are as good as the pixels themselves.

    Attributes
    ----------
    values : tuple of int
        The K codes; the first is no change.
    names : tuple of str
        What they are called.
    confusion : float64 (..., P, K, K)
        See :func:`count_pairs`.
    coincidence : float64 (..., K, K)
    objects : float64 (..., P, 4)
        :data:`TP`, :data:`FP`, :data:`FN`, :data:`SAME`.
    verdicts : float64 (..., V, V)
        Coincidences of what is said of whole tiles.
    """

    values: tuple[int, ...]
    names: tuple[str, ...]
    confusion: Floats
    coincidence: Floats
    objects: Floats
    verdicts: Floats

    def weigh(self, weights: Floats) -> AgreementCounts:
        """Sum the tiles, counting each so often: weights (..., T) for arrays (T, ...)."""
        parts = (
            np.tensordot(weights, part, axes=1)
            for part in (self.confusion, self.coincidence, self.objects, self.verdicts)
        )
        return AgreementCounts(self.values, self.names, *parts)

    @property
    def pooled(self) -> AgreementCounts:
        """The sum over all tiles."""
        return self.weigh(np.ones(len(self.coincidence)))

    def scores(self) -> dict[str, Floats]:
        """Return every score by name, of the shape of the leading axes; nan where undefined.

        ``kappa`` is there for two people only, scores of single classes where there are several.
        """
        objects = self.objects.sum(axis=-2)
        tp, fp, fn, same = (objects[..., n] for n in (TP, FP, FN, SAME))
        verdicts = self.verdicts.sum(axis=(-2, -1))
        scores = {"change_iou": change_iou(self.confusion)}
        if self.confusion.shape[-3] == 1:
            scores["kappa"] = cohen_kappa(self.confusion[..., 0, :, :])
        scores |= {
            "alpha": krippendorff_alpha(self.coincidence),
            "object_f1": _divide(2 * tp, 2 * tp + fp + fn),
            "object_class": _divide(same, tp),
            "verdict_agreement": _divide(np.trace(self.verdicts, axis1=-2, axis2=-1), verdicts),
            "verdict_alpha": krippendorff_alpha(self.verdicts),
        }
        several = self.names[1:] if len(self.names) > 2 else ()
        for index, name in enumerate(several, 1):
            scores[f"iou:{name}"] = class_iou(self.confusion, index)
            scores[f"alpha:{name}"] = krippendorff_alpha(single_out(self.coincidence, index))
            if self.confusion.shape[-3] == 1:
                alone = single_out(self.confusion[..., 0, :, :], index)
                scores[f"kappa:{name}"] = cohen_kappa(alone)
        return scores

    def intervals(
        self, resamples: int = 1000, seed: int = 0, confidence: float = CONFIDENCE
    ) -> dict[str, tuple[float, float]]:
        """Return an interval of each pooled score, by drawing the tiles again and again.

        Tiles are drawn, not pixels: pixels of one tile are no independent witnesses. Percentiles of
        the bootstrap (Efron and Tibshirani 1993); nan where a score is undefined throughout.
        """
        tiles = len(self.coincidence)
        if not tiles:
            return dict.fromkeys(self.pooled.scores(), (float("nan"), float("nan")))
        rng = np.random.default_rng(seed)
        drawn: dict[str, list[Floats]] = {}
        for start in range(0, resamples, CHUNK):
            count = min(CHUNK, resamples - start)
            weights = rng.multinomial(tiles, np.full(tiles, 1 / tiles), count).astype(float)
            for name, values in self.weigh(weights).scores().items():
                drawn.setdefault(name, []).append(values)
        tails = (1 - confidence) / 2
        return {name: _percentiles(np.concatenate(parts), tails) for name, parts in drawn.items()}


def _percentiles(values: Floats, tail: float) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
