"""Counts of map against reference, and the scores that are functions of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.io.stores.score import MASK_NODATA

UNKNOWN = MASK_NODATA
"""Value of a map or a reference where it says nothing; 0 is unchanged, 1 is changed."""


def divide(numerator: float, denominator: float) -> float:
    """Return the quotient, nan when the denominator is zero.

    Examples
    --------
    >>> divide(1, 4), divide(0, 0)
    (0.25, nan)
    """
    return numerator / denominator if denominator else float("nan")


@dataclass(frozen=True, slots=True)
class Counts:
    """Pixels of a map against a reference; adding two pools them.

    A score whose denominator is zero is undefined and nan: precision when nothing was mapped,
    recall when nothing changed, F1 and IoU when neither. It is never silently 0 or 1.

    Attributes
    ----------
    tp, fp, fn, tn : int
        Compared pixels: changed in both, in the map alone, in the reference alone, in neither.
    ignored : int
        Mapped pixels about which the reference says nothing.
    unmapped : int
        Pixels the reference knows and the map does not: its nodata, or beyond its edge.

    Examples
    --------
    >>> counts = Counts(tp=6, fp=2, fn=4, tn=88) + Counts(tn=100, ignored=5)
    >>> counts.precision, counts.recall, counts.compared
    (0.75, 0.6, 200)
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0
    ignored: int = 0
    unmapped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.tp + other.tp,
            self.fp + other.fp,
            self.fn + other.fn,
            self.tn + other.tn,
            self.ignored + other.ignored,
            self.unmapped + other.unmapped,
        )

    @property
    def compared(self) -> int:
        """Number of pixels that both map and reference know."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def prevalence(self) -> float:
        """Share of changed pixels in the reference."""
        return divide(self.tp + self.fn, self.compared)

    @property
    def mapped_share(self) -> float:
        """Share of pixels that the map calls changed."""
        return divide(self.tp + self.fp, self.compared)

    @property
    def precision(self) -> float:
        """Share of the mapped change that is true (user's accuracy of change)."""
        return divide(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the true change that is mapped (producer's accuracy of change)."""
        return divide(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall of the change class."""
        return divide(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """Intersection over union of the change class (Jaccard index)."""
        return divide(self.tp, self.tp + self.fp + self.fn)

    @property
    def accuracy(self) -> float:
        """Overall accuracy: share of compared pixels where map and reference agree."""
        return divide(self.tp + self.tn, self.compared)

    @property
    def kappa(self) -> float:
        """Agreement beyond chance (Cohen 1960, doi:10.1177/001316446002000104).

        It depends on the prevalence; compare it between maps of one scene only.
        """
        chance = (self.tp + self.fp) * (self.tp + self.fn)
        chance += (self.tn + self.fn) * (self.tn + self.fp)
        agreed = (self.tp + self.tn) * self.compared
        return divide(agreed - chance, self.compared**2 - chance)


def confusion_codes(mask: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what each pixel is: 0 TN, 1 FP, 2 FN, 3 TP, 255 where either side is unknown.

    Parameters
    ----------
    mask, reference : uint8, any shape
        0 unchanged, 1 changed, 255 unknown.

    Examples
    --------
    >>> mask, reference = np.array([[0, 1, 0, 1, 1], [0, 0, 1, 1, 255]], np.uint8)
    >>> confusion_codes(mask, reference)
    array([  0,   1,   2,   3, 255], dtype=uint8)
    """
    codes = mask + 2 * reference
    codes[(mask == UNKNOWN) | (reference == UNKNOWN)] = UNKNOWN
    return codes


def count_pixels(mask: NDArray[np.uint8], reference: NDArray[np.uint8]) -> Counts:
    """Count one array of map against reference; values as in :func:`confusion_codes`.

    Examples
    --------
    >>> mask, reference = np.array([[0, 1, 0, 1, 1], [0, 0, 1, 1, 255]], np.uint8)
    >>> count_pixels(mask, reference)
    Counts(tp=1, fp=1, fn=1, tn=1, ignored=1, unmapped=0)
    """
    codes = confusion_codes(mask, reference)
    tn, fp, fn, tp = (int(np.count_nonzero(codes == code)) for code in range(4))
    ignored = np.count_nonzero((mask != UNKNOWN) & (reference == UNKNOWN))
    unmapped = np.count_nonzero((mask == UNKNOWN) & (reference != UNKNOWN))
    return Counts(tp, fp, fn, tn, int(ignored), int(unmapped))
