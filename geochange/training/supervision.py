"""A network and its loss as one module."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate

from geochange.nn.losses import ChangeLoss, build_loss
from geochange.nn.network import ChangeNet
from geochange.training.learnsettings import LossConfig

FEATURE_TERM = "contrastive"


class Supervised(nn.Module):
    """Dates and label in, loss out, so that all processes go through one forward pass.

    Coarser logits are enlarged to the label and count ``config.deep`` in all (deep supervision,
    Lee et al. 2015, AISTATS); terms that look at features count once.

    Parameters
    ----------
    network : ChangeNet
    config : LossConfig

    Examples
    --------
    >>> import torch
    >>> from geochange.nn.models import build_model
    >>> model = Supervised(build_model("tinysiam", 1), LossConfig())
    >>> date, label = torch.zeros(1, 1, 16, 16), torch.zeros(1, 16, 16, dtype=torch.uint8)
    >>> model(date, date, label).shape
    torch.Size([])
    """

    def __init__(self, network: ChangeNet, config: LossConfig) -> None:
        super().__init__()
        self.network = network
        self.deep = config.deep
        weights = config.class_weights or None
        self.loss = build_loss(config.name, class_weights=weights)
        terms = [term for term in config.name.split("+") if FEATURE_TERM not in term]
        self.coarse_loss: ChangeLoss | None = None
        if terms and config.deep:
            self.coarse_loss = build_loss("+".join(terms), class_weights=weights)

    def forward(self, before: Tensor, after: Tensor, label: Tensor) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        before, after : float32 (N, C, H, W)
        label : uint8 (N, H, W)
        """
        traced = self.network.trace(before, after)
        finest, *coarser = traced.logits
        loss: Tensor = self.loss(finest, label, traced.features)
        if self.coarse_loss is not None:
            for logits in coarser:
                large = interpolate(logits.float(), label.shape[1:], mode="bilinear")
                loss = loss + self.deep / len(coarser) * self.coarse_loss(large, label)
        return loss
