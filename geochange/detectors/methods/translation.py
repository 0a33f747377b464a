"""Change as what neither date's translation into the other explains."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.detectors.methods.structure_graph import StructureGraph
from geochange.detectors.neighbourhoods.smoothing import TRUNCATE, gaussian_mean
from geochange.detectors.statistics.patches import crop, lay_out, place_centres, sample_patches
from geochange.detectors.statistics.samples import Vector, require_pixels
from geochange.detectors.statistics.yardstick import Yardstick
from geochange.errors import InputError, UsageError

if TYPE_CHECKING:
    from geochange.nn.unsupervised.translation import Translator

REACH_PX = 2
"""What a translation sees around a pixel."""
SIGMA_PX = 1.5
"""Standard deviation of the Gaussian that errors are averaged over."""
LEAST_PIXELS = 100
CHECKED = 400
LIMIT = 6.0
"""Standardised pixels are cut at this many standard deviations."""
FULL_TRUST = 1.0
"""Sigmas of the structure graph that leave a pixel half of its say in the training."""


class TranslationDetector:
    """Translations between the dates, trained on the pair itself, and what they cannot explain.

    Two small networks translate each date into the other; pixels whose neighbours stayed the same
    in a structure graph (:class:`geochange.detectors.methods.structure_graph.StructureGraph`) teach
    most, and those that the translation cannot explain lose their say. The errors of both
    translations, each in its median, are added, averaged by a Gaussian of 1.5 px and told in
    robust standard deviations of the scene. No label is needed, and the dates may have any bands.

    Subclasses say how the networks are trained.

    Parameters
    ----------
    steps : int
        Of the training, each with 256 patches.
    max_pixels : int
        Number of patches that are sampled, fewer with many bands.
    seed : int
        Of sample and training.

    Attributes
    ----------
    scale_ : list of two pairs of float32 (bands, 1, 1)
        Median and standard deviation of the bands of both dates.
    weights_ : dict of str to float32 array
    unit_ : float64 (2,)
        Median errors of the after and of the before date.
    yardstick_ : Yardstick
    """

    threshold = "auto"
    variational = False
    adversarial = 0.0

    def __init__(self, *, steps: int = 400, max_pixels: int = 6000, seed: int = 0) -> None:
        if steps < 1 or max_pixels < LEAST_PIXELS:
            msg = (
                f"at least 1 step and {LEAST_PIXELS} pixels are needed to learn from, got {steps} "
                f"and {max_pixels}"
            )
            raise UsageError(msg)
        self.steps = steps
        self.max_pixels = max_pixels
        self.seed = seed
        self.halo = REACH_PX + int(TRUNCATE * SIGMA_PX + 0.5)

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Train on a sample of patches.

        Raises
        ------
        InputError
            Not enough valid pixels.
        """
        from geochange.nn.unsupervised.translationtraining import (
            TRAIN_PX,
            Recipe,
            train_translation,
        )

        vars(self).pop("_translator", None)
        dates = sample_patches(blocks, 2 * self.halo + 1, self.max_pixels, self.seed)
        _require_enough(len(dates[0]))
        self.scale_ = [_measure_scale(crop(date, 1)) for date in dates]
        inner = [crop(date, TRAIN_PX) for date in dates]
        seen = self._describe(inner[0], inner[1], ~np.isnan(inner[0][:, 0]))
        recipe = Recipe(
            variational=self.variational,
            adversarial=self.adversarial,
            steps=self.steps,
            seed=self.seed,
        )
        self.weights_ = train_translation(*seen, _find_prior(*dates, self.seed), recipe)
        self._learn_errors(*(date[:CHECKED] for date in dates))
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        score = self.yardstick_.score(self._sum_errors(before, after, valid))
        np.copyto(score, np.nan, where=~valid)
        return score

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_translator"}

    def _learn_errors(self, before: FloatArray, after: FloatArray) -> None:
        """Learn how large errors are, single and averaged, from some patches with full halo."""
        images = [lay_out(date)[None] for date in (before, after)]
        valid = ~np.isnan(images[0][:, 0])
        places = place_centres(len(before), before.shape[-1])
        errors = self._load()(*self._describe(images[0], images[1], valid))
        typical = np.median(errors.reshape(2, -1)[:, places], axis=1).astype(np.float64)
        self.unit_: Vector = np.where(typical > 0, typical, 1.0)
        sums = self._sum_errors(images[0], images[1], valid)
        self.yardstick_ = Yardstick.learn(sums.ravel()[places])

    def _sum_errors(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Return averaged errors of both translations in their medians, (N, H, W)."""
        errors = self._load()(*self._describe(before, after, valid))
        total = errors[0] / np.float32(self.unit_[0]) + errors[1] / np.float32(self.unit_[1])
        pairs = zip(total, valid, strict=True)
        return np.stack([gaussian_mean(image, known, SIGMA_PX) for image, known in pairs])

    def _describe(
        self, before: FloatArray, after: FloatArray, valid: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        """Standardise both dates (N, C, H, W); 0 where unknown."""
        known, seen = valid[:, None], []
        for date, (middle, spread) in zip((before, after), self.scale_, strict=True):
            unit = (np.where(known, date, middle) - middle) / spread
            seen.append(np.clip(unit, -LIMIT, LIMIT, dtype=np.float32))
        return seen[0], seen[1]

    def _load(self) -> Translator:
        if not hasattr(self, "_translator"):
            from geochange.nn.unsupervised.translation import Translator

            bands = len(self.scale_[0][0]), len(self.scale_[1][0])
            self._translator = Translator(self.weights_, bands, variational=self.variational)
        return self._translator


class Autoencoder(TranslationDetector):
    """Two autoencoders with one code, trained on the pair; see :class:`TranslationDetector`.

    References
    ----------
    Luppino, L. T. et al. (2022). Code-aligned autoencoders for unsupervised change detection in
    multimodal remote sensing images. IEEE TNNLS 35(1), 60-72.

    Examples
    --------
    >>> from geochange.testing import synthetic_pair
    >>> from geochange.tiles import TilePlan
    >>> pair = synthetic_pair((64, 64), bands=2)
    >>> detector = Autoencoder(steps=20)
    >>> _ = detector.fit(pair.blocks(TilePlan(pair.shape, 64, detector.halo)))
    >>> detector.score(pair.before[None], pair.after[None], pair.valid[None]).shape
    (1, 64, 64)
    """


class VariationalAutoencoder(TranslationDetector):
    """The same with distributions: errors count in the spread that a translation expects.

    References
    ----------
    Kingma, D. P. and Welling, M. (2014). Auto-encoding variational Bayes. ICLR.
    """

    variational = True


class TranslationGAN(TranslationDetector):
    """The same with two discriminators that a translation must pass as the other date.

    References
    ----------
    Isola, P., Zhu, J.-Y., Zhou, T. and Efros, A. A. (2017). Image-to-image translation with
    conditional adversarial networks. CVPR.
    """

    adversarial = 0.1


def _require_enough(count: int) -> None:
    require_pixels(count)
    if count < LEAST_PIXELS:
        msg = (
            f"a translation needs at least {LEAST_PIXELS} valid pixels to learn from, found "
            f"{count}; use method 'irmad' or 'mad'"
        )
        raise InputError(msg)


def _measure_scale(pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return median and standard deviation of (pixels, bands, 1, 1), each (bands, 1, 1)."""
    middle, spread = np.median(pixels, axis=0), pixels.std(axis=0, dtype=np.float64)
    return middle.astype(np.float32), np.where(spread > 0, spread, 1).astype(np.float32)


def _find_prior(before: FloatArray, after: FloatArray, seed: int) -> FloatArray:
    """Return how probably patches are unchanged, from a structure graph of them, (patches,)."""
    graph = StructureGraph(seed=seed)
    graph.learn(before, after)
    misfits = graph.measure_centres(before, after)
    sigma = Yardstick.learn(misfits).count_sigmas(misfits)
    prior: FloatArray = 1 / (1 + np.square(sigma / FULL_TRUST))
    return prior
