"""Fusions by attention: across dates in a window, and across channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softmax

from geochange.nn.parts.fusion import Fusion
from geochange.nn.parts.layers import Shift


class NeighbourAttention(Fusion):
    """Cross-temporal attention: each pixel looks for itself among its neighbours of the other date.

    Keys and values are the pixels within ``radius`` at the other date, so that a small shift of
    one date is no difference: scaled dot-product attention (Vaswani et al. 2017, arXiv 1706.03762)
    in a window (Ramachandran et al. 2019, arXiv 1906.05909), across dates as in Chen and Shi 2020
    (doi:10.3390/rs12101662). The result is the mean of both directions' absolute differences.

    Parameters
    ----------
    width : int
        Channels of a date.
    radius : int
        Of the window, in pixels of the features.

    Examples
    --------
    >>> date = torch.rand(1, 8, 4, 4)
    >>> NeighbourAttention(8)(date, date).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(self, width: int, *, radius: int = 1) -> None:
        super().__init__()
        self.width = width
        self.key_width = max(8, width // 4)
        self.query_key = nn.Conv2d(width, self.key_width, 1)
        steps = range(-radius, radius + 1)
        self.steps = [(row, col) for row in steps for col in steps]
        self.place = nn.Parameter(torch.zeros(len(self.steps)))
        self.shift = Shift()

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Return the difference to what attention finds at the other date."""
        keys = self.query_key(before), self.query_key(after)
        seen_after = self._attend(keys[0], keys[1], after)
        seen_before = self._attend(keys[1], keys[0], before)
        return ((before - seen_after).abs() + (after - seen_before).abs()) / 2

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        alike = [(query * self.shift(key, *step)).sum(1) for step in self.steps]
        places = self.place.view(1, -1, 1, 1)
        share = softmax(torch.stack(alike, 1) * self.key_width**-0.5 + places, dim=1)
        seen = torch.zeros_like(value)
        for number, step in enumerate(self.steps):
            seen = seen + share[:, number : number + 1] * self.shift(value, *step)
        return seen


class ChannelAttention(Fusion):
    """Differences whose channels are weighted by what the whole image shows.

    Squeeze and excitation (Hu et al. 2018, arXiv 1709.01507) of the difference, driven by mean
    and maximum over the image as in CBAM (Woo et al. 2018, arXiv 1807.06521). It sees the whole
    tile: a network with it has no receptive-field radius.

    Examples
    --------
    >>> date = torch.rand(1, 8, 4, 4)
    >>> bool((ChannelAttention(8)(date, date) == 0).all())
    True
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        hidden = max(4, width // 4)
        self.gate = nn.Sequential(
            nn.Conv2d(width, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, width, 1)
        )

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Weight the difference."""
        change = (before - after).abs()
        drive: Tensor = self.gate(change.mean((2, 3), keepdim=True))
        drive = drive + self.gate(change.amax((2, 3), keepdim=True))
        return change * drive.sigmoid()
