"""Whole scenes scored by a network and counted against their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from geochange.errors import InputError
from geochange.evaluation.counts import UNKNOWN, Counts
from geochange.evaluation.ranking import ScoreHistogram
from geochange.io.stores.score import SCORE_LEVELS
from geochange.nn.checkpoints.card import Recall
from geochange.nn.networks.network import ChangeNet
from geochange.nn.networks.windows import STEP_PX
from geochange.tiles import Tile, TilePlan
from geochange.training.calibration import (
    calibrate,
    calibration_error,
    fit_temperature,
    log_loss,
)
from geochange.training.chips.batches import Batch, run_ahead
from geochange.training.images import ImageHistogram, count_chips, find_recalls
from geochange.training.scenes.cache import SceneCache
from geochange.training.scenes.normalization import Scalings, scale
from geochange.training.scenes.scene import Sample
from geochange.training.settings.image import ImageConfig
from geochange.training.settings.learning import ValidationConfig

SceneTile = tuple[int, Tile]
"""A scene's position and a tile of it."""


@dataclass(frozen=True)
class Findings:
    """What validation found; adding the counts of two pools their pixels.

    Attributes
    ----------
    counts : Counts
        At ``threshold``.
    threshold : float
        The calibrated score from which calling change gives the highest F1.
    temperature : float
        See :func:`geochange.training.calibration.fit_temperature`.
    average_precision, log_loss, calibration_error, calibrated_error : float
        The last is the expected calibration error after the temperature.
    recalls : tuple of Recall
        For the task ``image``; see :func:`geochange.training.images.find_recalls`.
    """

    counts: Counts
    threshold: float
    temperature: float
    average_precision: float
    log_loss: float
    calibration_error: float
    calibrated_error: float
    recalls: tuple[Recall, ...] = ()

    @property
    def scores(self) -> dict[str, float]:
        """Figures of the change class by name."""
        return {
            "f1": self.counts.f1,
            "iou": self.counts.iou,
            "precision": self.counts.precision,
            "recall": self.counts.recall,
            "average_precision": self.average_precision,
            "log_loss": self.log_loss,
            "calibration_error": self.calibration_error,
            "calibrated_error": self.calibrated_error,
        }


def summarise(histogram: ScoreHistogram) -> Findings:
    """Choose threshold and temperature and compute the figures.

    Raises
    ------
    InputError
        No changed pixel is valid at both dates.
    """
    if not histogram.changed.any() or not histogram.unchanged.any():
        msg = (
            "no changed or no unchanged pixel of the validation labels is valid at both dates; "
            "check nodata, masks and labels"
        )
        raise InputError(msg)
    best, temperature = histogram.best_threshold, fit_temperature(histogram)
    return Findings(
        counts=histogram.counts_at(best),
        threshold=calibrate(best, temperature),
        temperature=temperature,
        average_precision=histogram.average_precision,
        log_loss=log_loss(histogram),
        calibration_error=calibration_error(histogram),
        calibrated_error=calibration_error(histogram, temperature),
        recalls=find_recalls(histogram, temperature)
        if isinstance(histogram, ImageHistogram)
        else (),
    )


@dataclass(frozen=True)
class Validator:
    """Score validation scenes tile by tile; several processes share the work.

    Attributes
    ----------
    cache : SceneCache
        Of the validation scenes.
    scalings : sequence of two Scaling
        One pair per scene.
    config : ValidationConfig
    workers : int
        Threads that read ahead.
    image : ImageConfig, optional
        Chips of ``chip_px`` are judged as wholes.
    chip_px : int
    """

    cache: SceneCache
    scalings: Sequence[Scalings]
    config: ValidationConfig
    workers: int = 0
    image: ImageConfig | None = None
    chip_px: int = 0

    def score(self, network: ChangeNet, fabric: Fabric) -> ScoreHistogram:
        """Return the histogram of scores by label over all scenes and processes."""
        batches = self._plan(network)[fabric.global_rank :: fabric.world_size]
        rows = 2 if self.image is None else 3
        totals = torch.zeros(rows, SCORE_LEVELS, dtype=torch.int64, device=fabric.device)
        with torch.inference_mode():
            for batch in run_ahead(self._read, batches, self.workers):
                there = batch.to(fabric.device)
                with fabric.autocast(), network.keep_to(there.valid):
                    logits = network(there.before, there.after)
                if self.image is None:
                    count_scores(totals, logits[:, 0], there.label)
                else:
                    count_chips(totals, logits[:, 0], there.label, self.image)
        summed: Any = fabric.all_reduce(totals, reduce_op="sum")
        counts = summed.cpu().numpy()
        return ScoreHistogram(*counts) if self.image is None else ImageHistogram(*counts)

    def _plan(self, network: ChangeNet) -> list[list[SceneTile]]:
        """Return batches of tiles whose reads are of one size."""
        sized: dict[int, list[SceneTile]] = {}
        for index, scene in enumerate(self.cache.scenes):
            plan = self._plan_scene(scene.shape, network)
            sized.setdefault(plan.read_size, []).extend((index, tile) for tile in plan)
        count = self.config.batch_size
        return [
            tiles[start : start + count]
            for _, tiles in sorted(sized.items())
            for start in range(0, len(tiles), count)
        ]

    def _plan_scene(self, shape: tuple[int, int], network: ChangeNet) -> TilePlan:
        """Plan tiles with the context that the network looks at; a lone tile needs none."""
        if self.image is not None:
            return TilePlan(shape, self.chip_px)
        radius = STEP_PX if network.radius is None else network.radius
        halo = radius if max(shape) > self.config.tile_px else 0
        size = min(self.config.tile_px, max(shape))
        return TilePlan(shape, size, halo, step=network.stride)

    def _read(self, tiles: Sequence[SceneTile]) -> Batch:
        """Read tiles; only the labels of their cores are known."""
        samples = []
        for index, tile in tiles:
            sample = scale(self.cache.read(index, tile.read), self.scalings[index])
            label = np.full_like(sample.label, UNKNOWN)
            label[tile.core_in_read] = sample.label[tile.core_in_read]
            samples.append(Sample(sample.before, sample.after, label, sample.valid))
        return Batch.of(samples)


def count_scores(totals: torch.Tensor, logits: torch.Tensor, label: torch.Tensor) -> None:
    """Add scores to a histogram.

    Parameters
    ----------
    totals : int64 (2, SCORE_LEVELS)
        Changed and unchanged pixels at each stored level.
    logits : float (N, H, W)
    label : uint8 (N, H, W)

    Examples
    --------
    >>> totals = torch.zeros(2, SCORE_LEVELS, dtype=torch.int64)
    >>> label = torch.tensor([[[1, 0, 255]]], dtype=torch.uint8)
    >>> count_scores(totals, torch.zeros(1, 1, 3), label)
    >>> totals.sum(dim=1).tolist(), int(totals[0].argmax())
    ([1, 1], 32767)
    """
    levels = torch.sigmoid(logits.float()).mul_(SCORE_LEVELS - 1).round_().long()
    for row, value in enumerate((1, 0)):
        totals[row] += torch.bincount(levels[label == value], minlength=SCORE_LEVELS)
