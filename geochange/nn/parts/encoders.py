"""Encoders: one date to features at falling resolution."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from geochange.errors import UsageError
from geochange.nn.parts.layers import ConvBlock, ResidualBlock, conv_stack


class Encoder(nn.Module):
    """What an encoder promises.

    Attributes
    ----------
    widths : tuple of int
        Channels of the features it returns, finest first.
    strides : tuple of int
        Their pixel sizes in input pixels, rising.
    """

    widths: tuple[int, ...]
    strides: tuple[int, ...]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return features, (N, widths[i], H / strides[i], W / strides[i]) each."""
        raise NotImplementedError


class StridedEncoder(Encoder):
    """Dense 3x3 convolutions; every level, the first one too, begins with one of stride 2.

    Cheap on processors: nothing is computed at full resolution and nothing is depthwise.

    Parameters
    ----------
    bands : int
    widths : sequence of int
        Channels of each level.
    depths : sequence of int
        Convolutions of each level after its strided one.

    Examples
    --------
    >>> encoder = StridedEncoder(3, widths=(16, 32), depths=(1, 2))
    >>> [tuple(f.shape) for f in encoder(torch.zeros(1, 3, 64, 64))]
    [(1, 16, 32, 32), (1, 32, 16, 16)]
    """

    def __init__(self, bands: int, *, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.strides = tuple(2 ** (level + 1) for level in range(len(widths)))
        inputs = (bands, *widths)
        self.levels = nn.ModuleList(
            nn.Sequential(ConvBlock(a, b, stride=2), *(ConvBlock(b, b) for _ in range(depth)))
            for (a, b), depth in zip(pairwise(inputs), depths, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return features, finest first."""
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class VGGEncoder(Encoder):
    """Convolutions at full resolution, then max-pooling between levels.

    Simonyan and Zisserman 2015 (arXiv 1409.1556), with batch normalisation; the encoder of U-Net
    and of the FC-Siam networks.

    Parameters
    ----------
    bands : int
    widths, depths : sequence of int
        Channels and number of convolutions of each level.
    pool_last : bool
        Append the pooled last level as one more.

    Examples
    --------
    >>> VGGEncoder(3, widths=(16, 32), depths=(2, 2), pool_last=True).strides
    (1, 2, 4)
    """

    def __init__(
        self, bands: int, *, widths: Sequence[int], depths: Sequence[int], pool_last: bool = False
    ) -> None:
        super().__init__()
        if min(depths) < 1:
            msg = f"a VGG encoder needs at least one convolution at each level, got {depths}"
            raise UsageError(msg)
        self.pool_last = pool_last
        self.widths = (*widths, widths[-1]) if pool_last else tuple(widths)
        self.strides = tuple(2**level for level in range(len(self.widths)))
        inputs = (bands, *widths)
        self.levels = nn.ModuleList(
            conv_stack(a, [b] * depth)
            for (a, b), depth in zip(pairwise(inputs), depths, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return features, finest first."""
        features: list[Tensor] = []
        for level in self.levels:
            x = level(max_pool2d(x, 2) if features else x)
            features.append(x)
        return [*features, max_pool2d(x, 2)] if self.pool_last else features


class ResNetEncoder(Encoder):
    """A strided 3x3 stem, then residual blocks (He et al. 2016, arXiv 1512.03385).

    Parameters
    ----------
    bands : int
    widths, depths : sequence of int
        Channels and number of residual blocks of each level, the first at half resolution.

    Examples
    --------
    >>> ResNetEncoder(4, widths=(32, 64, 128), depths=(1, 2, 2)).strides
    (2, 4, 8)
    """

    def __init__(self, bands: int, *, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        if min(depths) < 1:
            msg = f"a ResNet encoder needs at least one block at each level, got {depths}"
            raise UsageError(msg)
        self.widths = tuple(widths)
        self.strides = tuple(2 ** (level + 1) for level in range(len(widths)))
        self.stem = ConvBlock(bands, widths[0], stride=2)
        inputs = (widths[0], *widths)
        self.levels = nn.ModuleList(
            _residual_level(a, b, depth, stride=1 if level == 0 else 2)
            for level, ((a, b), depth) in enumerate(zip(pairwise(inputs), depths, strict=True))
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return features, finest first."""
        x = self.stem(x)
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class DatedEncoder(Encoder):
    """An encoder of each date's own: the same weights, other statistics; inference only.

    Parameters
    ----------
    encoder : Encoder
        Becomes that of the before date; the after date gets a copy.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.widths, self.strides = encoder.widths, encoder.strides
        self.before, self.after = encoder, copy.deepcopy(encoder)
        self.train(encoder.training)


def _residual_level(width_in: int, width_out: int, depth: int, *, stride: int) -> nn.Sequential:
    first = ResidualBlock(width_in, width_out, stride=stride)
    return nn.Sequential(first, *(ResidualBlock(width_out, width_out) for _ in range(depth - 1)))


def adapt_bands(bands: tuple[int, int]) -> nn.ModuleList:
    """Return what brings two dates to a common number of channels: nothing when they are equal.

    Dates of different band counts get a 1x1 convolution each, to as many channels as the greater
    count, so that all further weights can be shared.

    Examples
    --------
    >>> len(adapt_bands((4, 4))), [conv.out_channels for conv in adapt_bands((3, 1))]
    (0, [3, 3])
    """
    if bands[0] == bands[1]:
        return nn.ModuleList()
    return nn.ModuleList(nn.Conv2d(count, max(bands), 1) for count in bands)


def encode_pair(
    encoder: nn.Module, adapters: nn.ModuleList, before: Tensor, after: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Encode both dates with the same weights.

    In training they go through as one batch, so that both share its statistics.

    Returns
    -------
    list of (before, after)
        Features of each level, finest first.
    """
    if len(adapters):
        before, after = adapters[0](before), adapters[1](after)
    if encoder.training:
        both = encoder(torch.cat([before, after]))
        return [_halve(level) for level in both]
    if isinstance(encoder, DatedEncoder):
        return list(zip(encoder.before(before), encoder.after(after), strict=True))
    return list(zip(encoder(before), encoder(after), strict=True))


def _halve(both: Tensor) -> tuple[Tensor, Tensor]:
    before, after = both.chunk(2)
    return before, after
