"""One date to features at full resolution, the same weights for all dates."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from geochange.nn.parts.layers import conv_stack


class DateEncoder(nn.Module):
    """3x3 convolutions at full resolution: what changes may be a pixel wide.

    Parameters
    ----------
    width_in : int
    widths : sequence of int
        Channels of each convolution.

    Examples
    --------
    >>> import torch
    >>> DateEncoder(5, (8, 12))(torch.zeros(2, 3, 5, 16, 16)).shape
    torch.Size([2, 3, 12, 16, 16])
    """

    def __init__(self, width_in: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = conv_stack(width_in, list(widths))
        self.width = list(widths)[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Encode (N, T, width_in, H, W)."""
        return each_date(self.layers, x)


def each_date(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a layer of images to each date of (N, T, C, H, W)."""
    count, dates = x.shape[:2]
    y: Tensor = layer(x.flatten(0, 1))
    return y.reshape(count, dates, *y.shape[1:])
