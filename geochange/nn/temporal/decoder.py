"""Features of each date to the logit that change first shows there."""

from __future__ import annotations

from torch import Tensor, nn

from geochange.nn.parts.layers import ConvBlock
from geochange.nn.temporal.encoder import each_date

PRIOR_LOGIT = -5.0
"""Where the logit of each date starts: change is rare, and there are many dates."""


class IntervalDecoder(nn.Module):
    """A 3x3 convolution and a logit for each date.

    Parameters
    ----------
    width_in, width : int

    Examples
    --------
    >>> import torch
    >>> IntervalDecoder(8, 4)(torch.zeros(1, 5, 8, 16, 16)).shape
    torch.Size([1, 5, 16, 16])
    """

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.smooth = ConvBlock(width_in, width)
        self.head = nn.Conv2d(width, 1, 1)
        nn.init.constant_(self.head.bias, PRIOR_LOGIT)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, T, H, W) of features (N, T, width_in, H, W)."""
        return each_date(nn.Sequential(self.smooth, self.head), x)[:, :, 0]
