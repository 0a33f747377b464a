"""Chips judged as wholes: changed or not, and at which threshold how much change is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from geochange.evaluation.counts import UNKNOWN
from geochange.evaluation.ranking import ScoreHistogram, accumulate
from geochange.io.stores.score import SCORE_LEVELS, SCORE_SCALE
from geochange.nn.checkpoints.card import Recall
from geochange.training.calibration import calibrate
from geochange.training.settings.image import ImageConfig

RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
"""Shares of the changed pixels for which a card tells the threshold."""


def judge_chips(label: torch.Tensor, config: ImageConfig) -> torch.Tensor:
    """Return whether each chip changed.

    Parameters
    ----------
    label : uint8 (N, H, W)
        0 unchanged, 1 changed, 255 unknown.
    config : ImageConfig

    Returns
    -------
    uint8 (N, 1, 1)
        1 where more than ``changed_share`` of the known pixels changed, 255 where less than
        ``known_share`` of the chip is known.

    Examples
    --------
    >>> label = torch.tensor([[[0, 1]], [[0, 0]], [[255, 255]]], dtype=torch.uint8)
    >>> judge_chips(label, ImageConfig()).flatten().tolist()
    [1, 0, 255]
    """
    known = (label != UNKNOWN).sum((1, 2), keepdim=True)
    changed = (label == 1).sum((1, 2), keepdim=True)
    judged = (changed > config.changed_share * known).to(torch.uint8)
    silent = known < config.known_share * label[0].numel()
    return torch.where(silent, torch.full_like(judged, UNKNOWN), judged)


@dataclass(frozen=True, slots=True)
class ImageHistogram(ScoreHistogram):
    """Scores of chips by class, and how many changed pixels they hold.

    Attributes
    ----------
    changed, unchanged : int64 (SCORE_LEVELS,)
        Number of chips at each level.
    changed_px : int64 (SCORE_LEVELS,)
        Changed pixels of the chips at each level, those of ``unchanged`` chips too.
    """

    changed_px: NDArray[np.int64]


def count_chips(
    totals: torch.Tensor, logits: torch.Tensor, label: torch.Tensor, config: ImageConfig
) -> None:
    """Add the scores of chips to a histogram.

    Parameters
    ----------
    totals : int64 (3, SCORE_LEVELS)
        Changed chips, unchanged chips and changed pixels at each stored level.
    logits : float (N, 1, 1)
    label : uint8 (N, H, W)
    config : ImageConfig

    Examples
    --------
    >>> totals = torch.zeros(3, SCORE_LEVELS, dtype=torch.int64)
    >>> label = torch.tensor([[[0, 1]], [[0, 0]]], dtype=torch.uint8)
    >>> count_chips(totals, torch.zeros(2, 1, 1), label, ImageConfig())
    >>> totals.sum(dim=1).tolist()
    [1, 1, 1]
    """
    levels = torch.sigmoid(logits.float()).mul_(SCORE_LEVELS - 1).round_().long().flatten()
    judged = judge_chips(label, config).flatten()
    for row, value in enumerate((1, 0)):
        totals[row] += torch.bincount(levels[judged == value], minlength=SCORE_LEVELS)
    totals[2].index_add_(0, levels, (label == 1).sum((1, 2)))


def find_recalls(
    histogram: ImageHistogram, temperature: float, wanted: Sequence[float] = RECALLS
) -> tuple[Recall, ...]:
    """Return for wanted recalls of changed pixels the highest thresholds that keep them.

    Parameters
    ----------
    histogram : ImageHistogram
        With changed pixels.
    temperature : float
        Scores are calibrated by it.
    wanted : sequence of float
        In (0, 1].

    Examples
    --------
    >>> changed, unchanged, pixels = np.zeros((3, SCORE_LEVELS), np.int64)
    >>> changed[[20_000, 60_000]], pixels[[20_000, 60_000]] = 1, (1, 99)
    >>> unchanged[[100, 30_000]] = 5
    >>> points = find_recalls(ImageHistogram(changed, unchanged, pixels), 1.0, [0.99, 1.0])
    >>> [(round(p.threshold, 2), p.false_alarms) for p in points]
    [(0.92, 0.0), (0.31, 0.5)]
    """
    above = accumulate(histogram.changed_px)
    total, unchanged = int(above[0]), max(1, int(histogram.unchanged.sum()))
    found = []
    for recall in wanted:
        level = int(np.flatnonzero(above >= recall * total - 1e-9)[-1])
        alarms = int(histogram.unchanged[level:].sum()) / unchanged
        lower = (level - 0.5) * SCORE_SCALE  # half a level below: what is stored was rounded
        found.append(Recall(recall, calibrate(max(lower, 0.0), temperature), alarms))
    return tuple(found)
