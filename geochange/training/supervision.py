"""A network and its loss as one module."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from geochange.nn.learning.freezing import rest
from geochange.nn.learning.losses import ChangeLoss, build_loss
from geochange.nn.networks.network import ChangeNet, Trace
from geochange.training.consistency import compare
from geochange.training.images import judge_chips
from geochange.training.settings.config import TrainConfig
from geochange.training.settings.image import ImageConfig
from geochange.training.settings.learning import LossConfig

FEATURE_TERM = "contrastive"


class Supervised(nn.Module):
    """Dates and label in, loss out, so that all processes go through one forward pass.

    Coarser logits are enlarged to the label and count ``config.deep`` in all (deep supervision,
    Lee et al. 2015, AISTATS); terms that look at features count once.

    Parameters
    ----------
    network : ChangeNet
    config : LossConfig
    frozen : tuple of str
        Modules of the network that stay in evaluation mode.
    image : ImageConfig, optional
        Chips are judged as wholes by the finest logits; coarser ones still see pixels.

    Examples
    --------
    >>> import torch
    >>> from geochange.nn.networks.registry import build_model
    >>> model = Supervised(build_model("tinysiam", 1), LossConfig())
    >>> date, label = torch.zeros(1, 1, 16, 16), torch.zeros(1, 16, 16, dtype=torch.uint8)
    >>> model(date, date, label, torch.ones(1, 16, 16) > 0).shape
    torch.Size([])
    """

    def __init__(
        self,
        network: ChangeNet,
        config: LossConfig,
        frozen: tuple[str, ...] = (),
        image: ImageConfig | None = None,
    ) -> None:
        super().__init__()
        self.image = image
        self.frozen = frozen
        self.network = network
        self.deep = config.deep
        weights = config.class_weights or None
        self.loss = build_loss(config.name, class_weights=weights)
        terms = [term for term in config.name.split("+") if FEATURE_TERM not in term]
        self.coarse_loss: ChangeLoss | None = None
        if terms and config.deep:
            self.coarse_loss = build_loss("+".join(terms), class_weights=weights)

    def train(self, mode: bool = True) -> Self:
        """Train all but the frozen modules."""
        super().train(mode)
        rest(self.network, self.frozen)
        return self

    def forward(
        self,
        before: Tensor,
        after: Tensor,
        label: Tensor,
        valid: Tensor,
        target: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        before, after : float32 (N + M, C, H, W)
            N chips with labels, then M strong views, which share one pass and its statistics.
        label : uint8 (N, H, W)
        valid : bool (N + M, H, W)
            What is not ends the image, see :class:`geochange.nn.parts.borders.Borders`.
        target : uint8 (M, H, W), optional
            What the teacher is sure of, see :func:`geochange.training.consistency.make_targets`.

        Returns
        -------
        float32 scalar, or (2,) with a target
            The loss of the labelled chips, then that of the others.
        """
        with self.network.keep_to(valid):
            traced = self.network.trace(before, after)
        if target is None:
            return self._supervise(traced, label)
        count = len(label)
        imitated = compare(traced.logits[0][count:], target, valid[count:])
        return torch.stack([self._supervise(_take(traced, count), label), imitated])

    def _supervise(self, traced: Trace, label: Tensor) -> Tensor:
        finest, *coarser = traced.logits
        wanted = label if self.image is None else judge_chips(label, self.image)
        loss: Tensor = self.loss(finest, wanted, traced.features)
        if self.coarse_loss is not None:
            for logits in coarser:
                large = interpolate(logits.float(), label.shape[1:], mode="bilinear")
                loss = loss + self.deep / len(coarser) * self.coarse_loss(large, label)
        return loss


def supervise_pixels(
    network: ChangeNet, config: TrainConfig, frozen: tuple[str, ...] = ()
) -> Supervised:
    """Return a network of two dates with the loss that a config names, of pixels or of chips."""
    judged = config.image if config.task == "image" else None
    return Supervised(network, config.loss, frozen, judged)


def _take(traced: Trace, count: int) -> Trace:
    """Keep the first chips of a batch."""
    features = None
    if traced.features is not None:
        features = traced.features[0][:count], traced.features[1][:count]
    return Trace([logits[:count] for logits in traced.logits], features)
