"""Let a method compare features of the pixels that light changes less than their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np

from geochange.blocks import BoolArray, FloatArray, PairBlock, PairTraits
from geochange.detectors.base import Detector
from geochange.detectors.registry import get_detector
from geochange.errors import BandError, UsageError, suggest

FEATURES = ("bands", "ratios", "gradients")
ONE_BAND = "ratios need at least 2 bands, a date has 1; use gradients, or bands"


class OnFeatures:
    """A method that sees features of the bands in their place, one each.

    ``ratios``: each band over the mean of all bands, which shade and sun angle leave as it is;
    brightness alone is no change any more. ``gradients``: how steep each band is, which smooth
    light, haze and season leave much as it is; what changes evenly is seen by its border alone.

    Parameters
    ----------
    name : str
        A registered method.
    options : mapping
        Its options.
    features : {'ratios', 'gradients'}

    Attributes
    ----------
    fitted_ : Detector
        The method, fitted on features.

    Examples
    --------
    >>> from geochange.testing import synthetic_pair
    >>> from geochange.tiles import TilePlan
    >>> pair = synthetic_pair((64, 64), bands=4)
    >>> detector = OnFeatures("cva", {}, "ratios").fit(pair.blocks(TilePlan(pair.shape, size=32)))
    >>> detector.score(pair.before[None], pair.after[None], pair.valid[None]).shape
    (1, 64, 64)
    """

    def __init__(self, name: str, options: Mapping[str, object], features: str) -> None:
        self.name = name
        self.options = options
        self.features = features
        detector, margin = get_detector(name, **options), MARGINS[features]
        self.halo = detector.halo + margin
        self.fit_halo = getattr(detector, "fit_halo", detector.halo) + margin
        self.threshold = detector.threshold

    @property
    def score_at_p(self) -> Callable[[float], float]:
        """That of the method, where it has one."""
        detector: Any = getattr(self, "fitted_", None) or get_detector(self.name, **self.options)
        found: Callable[[float], float] = detector.score_at_p
        return found

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Learn from the features; see :class:`geochange.detectors.base.Detector`.

        Raises
        ------
        BandError
            Ratios of a single band.
        """
        self.fitted_ = get_detector(self.name, **self.options)
        self.fitted_.fit(self._look(block) for block in blocks)
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        first, second = (
            np.stack([self._describe(*one) for one in zip(date, valid, strict=True)])
            for date in (before, after)
        )
        return self.fitted_.score(first, second, valid)

    def _look(self, block: PairBlock) -> PairBlock:
        before, after = (self._describe(d, block.valid) for d in (block.before, block.after))
        return replace(block, before=before, after=after)

    def _describe(self, pixels: FloatArray, valid: BoolArray) -> FloatArray:
        return DESCRIBERS[self.features](np.where(valid, pixels, np.float32(0)), valid)


def check_features(features: str) -> None:
    """Raise :class:`geochange.errors.UsageError` for unknown features."""
    if features not in FEATURES:
        msg = f"unknown features '{features}'{suggest(features, FEATURES)}"
        raise UsageError(msg)


def require_bands(features: str, traits: PairTraits) -> None:
    """Raise :class:`geochange.errors.BandError` where a date has too few bands for the features.

    Examples
    --------
    >>> require_bands("gradients", PairTraits(("pan",), ("pan",), (None,)))
    """
    fewest = min(len(traits.bands_before), len(traits.bands_after))
    if features == "ratios" and fewest < 2:
        raise BandError(ONE_BAND)


def see_features(name: str, options: Mapping[str, object], features: str) -> Detector:
    """Return a method that compares features, or simply the method, for ``bands``.

    Raises
    ------
    UsageError
        Unknown features, or a network, which was trained on bands.

    Examples
    --------
    >>> see_features("cva", {}, "gradients").halo, see_features("cva", {}, "bands").halo
    (1, 0)
    """
    check_features(features)
    detector = get_detector(name, **options)
    if features == "bands":
        return detector
    if getattr(detector, "score_is_probability", False):
        msg = (
            f"a trained network compares the bands it was trained on, not {features}; leave it out"
        )
        raise UsageError(msg)
    return OnFeatures(name, options, features)


def describe_ratios(pixels: FloatArray, valid: BoolArray) -> FloatArray:
    """Return each band over the mean of all, float32 (C, H, W); 0 where that is 0."""
    if len(pixels) < 2:
        raise BandError(ONE_BAND)
    mean = np.where(valid, np.abs(pixels).mean(axis=0, dtype=np.float32), np.float32(0))
    found: FloatArray = np.divide(pixels, mean, out=np.zeros_like(pixels), where=mean > 0)
    return found


def describe_gradients(pixels: FloatArray, valid: BoolArray) -> FloatArray:
    """Return the length of the gradient of each band, float32 (C, H, W).

    By central differences; a neighbour without data counts as equal to the pixel itself.
    """
    known = np.pad(valid, 1)
    image = np.pad(pixels, ((0, 0), (1, 1), (1, 1)))
    square = np.zeros_like(pixels)
    inner = np.s_[1:-1]
    for lower, upper in (
        ((inner, np.s_[:-2]), (inner, np.s_[2:])),
        ((np.s_[:-2], inner), (np.s_[2:], inner)),
    ):
        ends = [np.where(known[at], image[:, *at], pixels) for at in (lower, upper)]
        square += ((ends[1] - ends[0]) / 2) ** 2
    return np.sqrt(square)


Describe = Callable[[Any, Any], FloatArray]
DESCRIBERS: dict[str, Describe] = {"ratios": describe_ratios, "gradients": describe_gradients}
MARGINS = {"ratios": 0, "gradients": 1}
"""Pixels around a pixel that its feature depends on."""
