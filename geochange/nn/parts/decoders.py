"""Decoders: fused features at falling resolution to features for the heads, finest first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from geochange.errors import UsageError
from geochange.nn.parts.layers import ConvBlock, conv_stack, enlarge


class Decoder(nn.Module):
    """What a decoder promises.

    Attributes
    ----------
    widths : tuple of int
        Channels of the features it returns, finest first; resolutions are those of the input.
    """

    widths: tuple[int, ...]

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Turn fused features, finest first, into features to classify, finest first."""
        raise NotImplementedError


class UNetDecoder(Decoder):
    """Upsample, concatenate the skip, convolve (Ronneberger et al. 2015, arXiv 1505.04597).

    At each level all convolutions but the last have the skip's encoder width; the last has that
    of the next finer level, as in the networks of Daudt et al. 2018 (arXiv 1810.08462).

    Parameters
    ----------
    inputs : sequence of int
        Channels of the fused features, finest first.
    strides : sequence of int
        Their pixel sizes.
    widths : sequence of int
        Channels to work with at each level but the coarsest.
    depths : sequence of int
        Convolutions at each level but the coarsest.
    learned : bool
        Upsample by transposed convolutions rather than by repeating pixels.

    Examples
    --------
    >>> decoder = UNetDecoder((8, 16, 16), (1, 2, 4), widths=(8, 16), depths=(2, 2))
    >>> features = [torch.zeros(1, w, s, s) for w, s in ((8, 32), (16, 16), (16, 8))]
    >>> [tuple(f.shape) for f in decoder(features)]
    [(1, 8, 32, 32), (1, 8, 16, 16)]
    """

    def __init__(
        self,
        inputs: Sequence[int],
        strides: Sequence[int],
        *,
        widths: Sequence[int],
        depths: Sequence[int],
        learned: bool = False,
    ) -> None:
        super().__init__()
        if min(depths) < 1:
            msg = f"a U-Net decoder needs at least one convolution at each level, got {depths}"
            raise UsageError(msg)
        outputs = (widths[0], *widths[:-1])
        deeper = (*outputs[1:], inputs[-1])
        steps = [coarse // fine for fine, coarse in pairwise(strides)]
        self.widths = outputs
        self.ups = nn.ModuleList(
            Enlarge(width, step, learned=learned) for width, step in zip(deeper, steps, strict=True)
        )
        self.levels = nn.ModuleList(
            conv_stack(below + skip, [width] * (depth - 1) + [out])
            for below, skip, width, depth, out in zip(
                deeper, inputs[:-1], widths, depths, outputs, strict=True
            )
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return features of all levels but the coarsest, finest first."""
        x, found = features[-1], []
        steps = zip(self.ups, self.levels, features[:-1], strict=True)
        for up, level, skip in reversed(list(steps)):
            x = level(torch.cat([up(x), skip], dim=1))
            found.append(x)
        return found[::-1]


class Enlarge(nn.Module):
    """Repeat pixels, or a transposed 3x3 convolution that doubles the size.

    Examples
    --------
    >>> Enlarge(4, 2, learned=True)(torch.zeros(1, 4, 3, 3)).shape
    torch.Size([1, 4, 6, 6])
    """

    def __init__(self, width: int, scale: int, *, learned: bool) -> None:
        super().__init__()
        self.scale = scale
        self.conv = (
            nn.ConvTranspose2d(width, width, 3, stride=scale, padding=1, output_padding=scale - 1)
            if learned and scale > 1
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, width, scale H, scale W)."""
        if self.conv is None:
            return enlarge(x, self.scale)
        enlarged: Tensor = self.conv(x)
        return enlarged


class PyramidDecoder(Decoder):
    """Top-down pathway of a feature pyramid (Lin et al. 2017, arXiv 1612.03144).

    Fused features are projected by 1x1 convolutions, the coarser level is projected, repeated and
    added, 3x3 convolutions follow. Adding costs a processor a fraction of concatenating.

    Parameters
    ----------
    inputs, strides : sequence of int
        Channels and pixel sizes of the fused features, finest first.
    widths, depths : sequence of int
        Channels and number of 3x3 convolutions of each level.

    Examples
    --------
    >>> decoder = PyramidDecoder((32, 64), (2, 4), widths=(16, 32), depths=(1, 2))
    >>> [tuple(f.shape) for f in decoder([torch.zeros(1, 32, 8, 8), torch.zeros(1, 64, 4, 4)])]
    [(1, 16, 8, 8), (1, 32, 4, 4)]
    """

    def __init__(
        self,
        inputs: Sequence[int],
        strides: Sequence[int],
        *,
        widths: Sequence[int],
        depths: Sequence[int],
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.scales = [coarse // fine for fine, coarse in pairwise(strides)]
        self.lateral = nn.ModuleList(
            ConvBlock(a, b, kernel=1) for a, b in zip(inputs, widths, strict=True)
        )
        self.down = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1, bias=False) for fine, coarse in pairwise(widths)
        )
        self.smooth = nn.ModuleList(
            conv_stack(width, [width] * depth) for width, depth in zip(widths, depths, strict=True)
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return features of all levels, finest first."""
        x = self.smooth[-1](self.lateral[-1](features[-1]))
        found = [x]
        for level in range(len(features) - 2, -1, -1):
            above = enlarge(self.down[level](x), self.scales[level])
            x = self.smooth[level](self.lateral[level](features[level], above))
            found.append(x)
        return found[::-1]
