"""Any detector made to forgive small shifts between the dates."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.detectors.base import Detector
from geochange.errors import UsageError

LARGEST_PX = 8

Shift = tuple[int, int]


class ShiftTolerant:
    """Score what no displacement of up to ``shift`` px explains.

    The after date is displaced by every whole number of pixels up to ``shift`` along rows and
    columns. A pixel keeps the lowest score that its before value gets against any after value
    near, and the lowest that its after value gets against any before value near; the higher of
    the two counts, so that small things that came and small things that went are treated alike.

    Costs ``(2 * shift + 1) ** 2`` times the time of the detector. Whatever else the detector has,
    such as its threshold and device, it has too.

    Parameters
    ----------
    detector : Detector
        It is left as it is.
    shift : int
        Displacement that is forgiven, in pixels.

    Attributes
    ----------
    fitted_ : Detector

    References
    ----------
    Theiler, J. and Wohlberg, B. (2012). Local coregistration adjustment for anomalous change
    detection. IEEE TGRS 50(8), 3107-3116: the symmetric form.

    Examples
    --------
    >>> from geochange.detectors.methods.cva import CVA
    >>> from geochange.testing import ArrayPair
    >>> from geochange.tiles import TilePlan
    >>> before = np.random.default_rng(0).normal(100, 9, (3, 40, 40)).astype(np.float32)
    >>> pair = ArrayPair(before, np.roll(before, 1, axis=2))
    >>> detector = ShiftTolerant(CVA(), shift=1).fit(pair.blocks(TilePlan(pair.shape, 40)))
    >>> score = detector.score(pair.before[None], pair.after[None], pair.valid[None])[0]
    >>> bool(score[:, 2:-2].max() < 0.02)
    True
    """

    def __init__(self, detector: Detector, *, shift: int) -> None:
        if not 1 <= shift <= LARGEST_PX:
            msg = f"a shift that is forgiven has 1 to {LARGEST_PX} px, got {shift}"
            raise UsageError(msg)
        self.detector = detector
        self.shift = shift
        self.halo = detector.halo + shift
        self.threshold = detector.threshold

    def __getattr__(self, name: str) -> Any:
        """Return what else the detector has; names with an underscore are not passed on."""
        if name.startswith("_") or name in ("detector", "fitted_"):
            raise AttributeError(name)
        return getattr(self.__dict__.get("fitted_", self.detector), name)

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Fit the detector; what it learns does not know of shifts."""
        self.fitted_ = copy.copy(self.detector).fit(blocks)
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        of_before, of_after = (np.full(valid.shape, np.nan, np.float32) for _ in range(2))
        for shift in self._list_shifts():
            moved, known = _displace(after, shift, 0.0), _displace(valid, shift, fill=False)
            score = self.fitted_.score(before, moved, valid & known)
            np.fmin(of_before, score, out=of_before)
            back = -shift[0], -shift[1]
            np.fmin(of_after, _displace(score, back, np.nan), out=of_after)
        score = np.fmax(of_before, of_after)
        np.copyto(score, np.nan, where=~valid)
        return score

    def _list_shifts(self) -> Iterator[Shift]:
        reach = range(-self.shift, self.shift + 1)
        return ((rows, cols) for rows in reach for cols in reach)


def _displace(image: Any, shift: Shift, fill: float) -> Any:
    """Return what lies ``shift`` rows and columns on from each pixel of (..., H, W)."""
    out = np.full_like(image, fill)
    target, source = [], []
    for step, length in zip(shift, image.shape[-2:], strict=True):
        low, high = max(0, -step), length - max(0, step)
        target.append(slice(low, max(low, high)))
        source.append(slice(low + step, max(low, high) + step))
    out[..., *target] = image[..., *source]
    return out
