"""A network for series and its loss as one module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geochange.evaluation.counts import UNKNOWN
from geochange.nn.learning.losses import build_loss
from geochange.nn.temporal.network import NEVER, SeriesNet, join_dates
from geochange.training.series.truth import NO_CHANGE
from geochange.training.settings.config import TrainConfig


class SeriesSupervised(nn.Module):
    """Dates and truth in, loss out: that of any change, and the cross entropy of its date.

    Parameters
    ----------
    network : SeriesNet
    config : TrainConfig
    frozen : tuple of str
        Not used: networks for series begin with random weights.
    """

    def __init__(
        self, network: SeriesNet, config: TrainConfig, frozen: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self.network = network
        weights = config.loss.class_weights or None
        self.loss = build_loss(config.loss.name, class_weights=weights)
        self.date_weight = config.series.date_weight

    def forward(self, images: Tensor, valid: Tensor, days: Tensor, truth: Tensor) -> Tensor:
        """Return the loss of a batch; see :class:`geochange.training.series.chips.SeriesBatch`."""
        logits = self.network(images, valid, days).float()
        changed = join_dates(logits)
        loss: Tensor = self.loss(changed, label_changes(truth))
        if not self.date_weight:
            return loss
        own = logits.gather(1, truth.clamp(min=0)[:, None])[:, 0]
        dated = (truth >= 0) & (own > NEVER)
        missed = torch.where(dated, changed[:, 0] - own, 0.0).sum() / dated.sum().clamp(min=1)
        total: Tensor = loss + self.date_weight * missed
        return total


def label_changes(truth: Tensor) -> Tensor:
    """Return 1 for change at any date, 0 for none and 255 for unknown, uint8 (N, H, W).

    Examples
    --------
    >>> label_changes(torch.tensor([[[-2, -1, 0, 3]]])).tolist()
    [[[255, 0, 1, 1]]]
    """
    known = torch.where(truth >= 0, 1, 0)
    return torch.where(truth < NO_CHANGE, UNKNOWN, known).to(torch.uint8)
