"""How well a score ranks change above no change, whatever the threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.evaluation.counts import Counts, divide
from geochange.io.stores.score import SCORE_LEVELS, SCORE_SCALE

IntArray = NDArray[np.int64]
RealArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class ScoreHistogram:
    """Histogram of the stored score, split by reference class; adding two pools them.

    The bins are the stored levels themselves, so every figure below is exact for a map of any size.

    Attributes
    ----------
    changed, unchanged : int64 (SCORE_LEVELS,)
        Number of reference-changed and reference-unchanged pixels at each level.

    Examples
    --------
    >>> levels = np.array([10, 40, 35, 80], np.uint16)
    >>> reference = np.array([0, 0, 1, 1], np.uint8)
    >>> histogram = ScoreHistogram.count(levels, reference)
    >>> round(histogram.average_precision, 4), histogram.roc_auc
    (0.8333, 0.75)
    """

    changed: IntArray
    unchanged: IntArray

    @classmethod
    def count(cls, levels: NDArray[np.uint16], reference: NDArray[np.uint8]) -> ScoreHistogram:
        """Count stored score levels of any shape where they and the reference (0/1) are known."""
        return cls(count_levels(levels[reference == 1]), count_levels(levels[reference == 0]))

    def __add__(self, other: ScoreHistogram) -> ScoreHistogram:
        return ScoreHistogram(self.changed + other.changed, self.unchanged + other.unchanged)

    @property
    def average_precision(self) -> float:
        """Area under the precision-recall steps, ``sum((R_n - R_(n-1)) P_n)``; nan without change.

        Its value for a random score is the prevalence.
        """
        precision, recall = self._precision_recall()
        return float(np.sum(np.diff(recall, prepend=0.0) * precision)) if recall.size else np.nan

    @property
    def roc_auc(self) -> float:
        """Chance that a changed pixel scores higher than an unchanged one, ties counting half.

        nan when one of the classes is absent.
        """
        below = np.cumsum(self.unchanged) - self.unchanged
        wins = np.sum(self.changed * (below + 0.5 * self.unchanged))
        return divide(float(wins), float(self.changed.sum()) * float(self.unchanged.sum()))

    @property
    def best_f1(self) -> float:
        """Highest F1 of any threshold: an upper bound, since it looks at the reference."""
        return self.counts_at(self.best_threshold).f1

    @property
    def best_threshold(self) -> float:
        """The score at and above which calling change gives :attr:`best_f1`; nan without change."""
        levels, total = self._levels(), int(self.changed.sum())
        if not total:
            return float("nan")
        tp, fp = accumulate(self.changed)[levels], accumulate(self.unchanged)[levels]
        return float(levels[np.argmax(2 * tp / (total + tp + fp))]) * SCORE_SCALE

    def counts_at(self, threshold: float) -> Counts:
        """Return the counts of the map ``score >= threshold``; a nan threshold counts nothing."""
        if np.isnan(threshold):
            return Counts()
        level = max(0, int(np.ceil(round(threshold / SCORE_SCALE, 6))))
        tp, fp = int(self.changed[level:].sum()), int(self.unchanged[level:].sum())
        return Counts(tp, fp, int(self.changed[:level].sum()), int(self.unchanged[:level].sum()))

    def precision_recall_curve(self) -> tuple[RealArray, RealArray, RealArray]:
        """Return ``(precision, recall, threshold)`` from the highest score that occurs down.

        Each is float64 (n,): the map ``score >= threshold[i]`` has ``precision[i]`` and
        ``recall[i]``. All are empty when no pixel changed.
        """
        precision, recall = self._precision_recall()
        return precision, recall, self._levels()[: recall.size] * SCORE_SCALE

    def roc_curve(self) -> tuple[RealArray, RealArray, RealArray]:
        """Return ``(false positive rate, recall, threshold)`` from the highest score down.

        Each is float64 (n,); all are empty when one of the classes is absent.
        """
        levels = self._levels()
        changed, unchanged = int(self.changed.sum()), int(self.unchanged.sum())
        if not changed or not unchanged:
            levels = levels[:0]
        tp, fp = accumulate(self.changed)[levels], accumulate(self.unchanged)[levels]
        return fp / max(unchanged, 1), tp / max(changed, 1), levels * SCORE_SCALE

    def _levels(self) -> IntArray:
        """Levels that occur, highest first."""
        return np.flatnonzero(self.changed + self.unchanged)[::-1]

    def _precision_recall(self) -> tuple[RealArray, RealArray]:
        levels, total = self._levels(), int(self.changed.sum())
        if not total:
            levels = levels[:0]
        tp, fp = accumulate(self.changed)[levels], accumulate(self.unchanged)[levels]
        return tp / np.maximum(tp + fp, 1), tp / max(total, 1)


def count_levels(levels: NDArray[np.uint16]) -> IntArray:
    """Count stored levels, int64 (SCORE_LEVELS,); nodata is left out."""
    return np.bincount(levels.ravel(), minlength=SCORE_LEVELS + 1)[:SCORE_LEVELS]


def accumulate(histogram: IntArray) -> IntArray:
    """Return the number of pixels at and above each level."""
    return np.asarray(np.cumsum(histogram[::-1])[::-1])
