"""Fuzzy clusters of SAR log ratios, and a small network trained on their sure pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from geochange.blocks import MAD_TO_SIGMA, BoolArray, FloatArray, PairBlock
from geochange.detectors.methods.log_ratio import LogRatio
from geochange.detectors.statistics.backscatter import check_unit, log_amplitude
from geochange.detectors.statistics.fuzzy import belong, find_centres, part_centres
from geochange.detectors.statistics.patches import crop, lay_out, place_centres, sample_patches
from geochange.detectors.statistics.samples import require_equal_bands

if TYPE_CHECKING:
    from geochange.nn.unsupervised.patchnet import PatchNet

CONTEXTS = 3, 5, 7
"""Windows in pixels of the log ratios that are clustered, see :class:`LogRatio`: wide ones, since
only what is sure may train."""
LEAST_SCORE = 0.1
"""Mean score of :class:`LogRatio` below which no pixel counts as changed: a ratio of 1.6."""
SURE = 0.8
"""Membership from which on a pixel trains the network."""
LEAST_SURE = 50
"""Sure pixels of either kind that are enough to train on."""
LIMIT = 10.0


class RatioClusters:
    """A network that learns change in SAR images from what clusters of log ratios are sure of.

    Scores of :class:`LogRatio` with windows of several sizes are parted in two fuzzy clusters,
    whose middle is at least a score of 0.1. Pixels that belong to one of them with 0.8 train a
    small convolutional network; it sees both dates and their ratio pixel by pixel, so it finds the
    borders that the windows blur, and scores all pixels: 0.5 decides. Where fewer than 50 sampled
    pixels are surely changed, the score is the membership itself. Several bands (polarisations)
    are seen together. Not meant for optical images.

    Parameters
    ----------
    unit : {"auto", "amplitude", "intensity", "db"}
        What the pixels hold, see :func:`geochange.detectors.statistics.backscatter.settle_unit`.
    steps : int
        Of the training, each with 128 patches.
    max_pixels : int
        Number of patches that are sampled, fewer with several bands.
    seed : int
        Of sample and training.

    Attributes
    ----------
    unit_ : str
        What the pixels were found to hold.
    centres_ : float64 (2, windows)
        Of no change and of change.
    offset_, spread_ : float32 (3 * bands, 1, 1)
        The network sees ``(x - offset_) / spread_`` of log before, log after and log ratio.
    weights_ : dict of str to float32 array, or None
        None where clusters alone score.

    References
    ----------
    Gong, M., Zhao, J., Liu, J., Miao, Q. and Jiao, L. (2016). Change detection in synthetic
    aperture radar images based on deep neural networks. IEEE TNNLS 27(1), 125-138.
    Gao, F., Dong, J., Li, B. and Xu, Q. (2016). Automatic change detection in synthetic aperture
    radar images based on PCANet. IEEE GRSL 13(12), 1792-1796.

    Examples
    --------
    >>> from geochange.testing import ArrayPair
    >>> from geochange.tiles import TilePlan
    >>> intensity = np.random.default_rng(0).gamma(4, 25, (2, 1, 64, 64))
    >>> intensity[1, :, :32, :24] *= 16
    >>> pair = ArrayPair(*np.sqrt(intensity).astype(np.float32))
    >>> detector = RatioClusters(steps=150)
    >>> _ = detector.fit(pair.blocks(TilePlan(pair.shape, size=64, halo=detector.halo)))
    >>> score = detector.score(pair.before[None], pair.after[None], pair.valid[None])[0]
    >>> bool(score[:28, :20].mean() > 0.9), bool(score[40:, 40:].mean() < 0.1)
    (True, True)
    """

    threshold = "fixed:0.5"

    def __init__(
        self, *, unit: str = "auto", steps: int = 400, max_pixels: int = 40_000, seed: int = 0
    ) -> None:
        self.unit = check_unit(unit)
        self.steps = steps
        self.max_pixels = max_pixels
        self.seed = seed
        self.halo = max(LogRatio(context=context).halo for context in CONTEXTS)

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Learn clusters from a sample of patches, and the network from those that are sure.

        Raises
        ------
        InputError
            No valid pixel, or negative values that cannot be amplitude or intensity.
        BandError
            The dates have different band counts.
        """
        vars(self).pop("_net", None)
        patches = sample_patches(blocks, 2 * self.halo + 1, self.max_pixels, self.seed)
        require_equal_bands(patches[0].shape[1], patches[1].shape[1], "ratio-clusters")
        centre = [date[:, :, self.halo, self.halo] for date in patches]
        ratios = [LogRatio(unit=self.unit, context=context) for context in CONTEXTS]
        self.ratios_ = [ratio.learn(*centre) for ratio in ratios]
        self.unit_ = self.ratios_[0].unit_
        self._learn_scale(*centre)
        scores = self._score_patches(*patches)
        self.centres_ = part_centres(find_centres(scores), LEAST_SCORE)
        membership = belong(self._place(scores.T))
        self.weights_ = self._train(patches, membership)
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        require_equal_bands(before.shape[1], after.shape[1], "ratio-clusters")
        if self.weights_ is None:
            ratios = [ratio.score(before, after, valid) for ratio in self.ratios_]
            return belong(self._place(np.stack(ratios)))
        score = self._load()(self._describe(before, after, valid))
        np.copyto(score, np.nan, where=~valid)
        return score

    @property
    def provenance(self) -> dict[str, object]:
        """What a run records of pixels and network."""
        trained = getattr(self, "weights_", None) is not None
        return {"unit": getattr(self, "unit_", self.unit), "network_trained": trained}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_net"}

    def _learn_scale(self, before: FloatArray, after: FloatArray) -> None:
        logs = self._take_logs(before.T[..., None], after.T[..., None])[..., 0]
        middle = np.median(logs, axis=1)
        spread = MAD_TO_SIGMA * np.median(np.abs(logs - middle[:, None]), axis=1)
        self.offset_: FloatArray = middle[:, None, None].astype(np.float32)
        self.spread_: FloatArray = np.where(spread > 0, spread, 1)[:, None, None].astype(np.float32)

    def _score_patches(self, before: FloatArray, after: FloatArray) -> FloatArray:
        """Return the score of each log ratio at the centres of patches, (patches, windows)."""
        images = [lay_out(date)[None] for date in (before, after)]
        valid = ~np.isnan(images[0][:, 0])
        places = place_centres(len(before), before.shape[-1])
        scores = (ratio.score(images[0], images[1], valid)[0] for ratio in self.ratios_)
        return np.stack([score.ravel()[places] for score in scores], axis=1)

    def _place(self, scores: FloatArray) -> FloatArray:
        """Return places on the line between the centres of scores (windows, ...)."""
        low, high = self.centres_
        weights = (high - low) / np.square(high - low).sum()
        place = np.zeros(scores.shape[1:], np.float32)
        for weight, start, score in zip(weights, low, scores, strict=True):
            place += np.float32(weight) * (score - np.float32(start))
        return place

    def _train(
        self, patches: tuple[FloatArray, FloatArray], membership: FloatArray
    ) -> dict[str, FloatArray] | None:
        changed, unchanged = membership >= SURE, membership <= 1 - SURE
        if min(changed.sum(), unchanged.sum()) < LEAST_SURE:
            return None
        from geochange.nn.unsupervised.patchnet import PATCH_PX, train_patch_net

        sure = changed | unchanged
        before, after = (crop(date[sure], PATCH_PX) for date in patches)
        seen = self._describe(before, after, ~np.isnan(before[:, 0]))
        return train_patch_net(seen, changed[sure], steps=self.steps, seed=self.seed)

    def _describe(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Return what the network sees of (N, C, H, W), float32 (N, 3 * C, H, W)."""
        known = valid[:, None]
        dates = (np.where(known, date, np.float32(1)).swapaxes(0, 1) for date in (before, after))
        logs = self._take_logs(*dates).swapaxes(0, 1)
        logs -= self.offset_
        logs /= self.spread_
        np.clip(logs, -LIMIT, LIMIT, out=logs)
        return np.where(known, logs, np.float32(0))

    def _take_logs(self, before: FloatArray, after: FloatArray) -> FloatArray:
        """Return log before, log after and log ratio of (C, ...), float32 (3 * C, ...)."""
        floor, unit = self.ratios_[0].floor_, self.unit_
        first, second = (
            np.stack([log_amplitude(x, floor[i : i + 1], unit) for i, x in enumerate(date)])
            for date in (before, after)
        )
        return np.concatenate([first, second, second - first])

    def _load(self) -> PatchNet:
        if not hasattr(self, "_net"):
            from geochange.nn.unsupervised.patchnet import PatchNet

            self._net = PatchNet(self.weights_ or {})
        return self._net
