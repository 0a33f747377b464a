"""Networks that decide on whole images: one logit for a chip, whatever its size."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from geochange.errors import UsageError
from geochange.nn.networks.network import ChangeNet, Trace
from geochange.nn.parts.encoders import Encoder, adapt_bands, encode_pair
from geochange.nn.parts.fusion import Fusion
from geochange.nn.parts.layers import ConvBlock, Head

ONE, TWO = 1, 2
"""Dates that a network looks at."""
SHRINKS = (1, 2, 4, 8)


class ImageNet(ChangeNet):
    """An encoder sees both dates, a fusion compares its deepest features, pooling ends in a logit.

    The mean over a chip (global average pooling, Lin, Chen and Yan 2014, arXiv 1312.4400) tells of
    what is everywhere, the maximum beside it of what is small. A second head at the resolution of
    the features learns where the change is, as deep supervision; it is not used otherwise.

    Parameters
    ----------
    bands : tuple of int
        Of the two dates.
    encoder : Encoder
        Takes ``max(bands)`` channels.
    fusion : Fusion
        Of its deepest level; not used for one date.
    width : int
        Channels that are pooled.
    shrink : {1, 2, 4, 8}
        Images are averaged over squares of this edge first, in pixels.
    dates : {1, 2}
        1 looks at the after date alone: one image, no pair.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> model = build_model("image", bands=3)
    >>> model(torch.zeros(2, 3, 64, 64), torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 1, 1, 1])
    """

    task = "image"
    radius = 0  # a chip is seen whole, and nothing beyond it

    def __init__(
        self,
        bands: tuple[int, int],
        encoder: Encoder,
        fusion: Fusion,
        *,
        width: int,
        shrink: int,
        dates: int,
    ) -> None:
        if shrink not in SHRINKS:
            msg = f"network 'image' shrinks images by one of {SHRINKS}, got shrink={shrink}"
            raise UsageError(msg)
        super().__init__()
        self.adapters = adapt_bands(bands) if dates == TWO else nn.ModuleList()
        self.encoder = encoder
        self.fusion = fusion
        self.mix = ConvBlock(fusion.width if dates == TWO else encoder.widths[-1], width)
        self.head = Head(2 * width)
        self.where = Head(width)
        self.shrink = shrink
        self.dates = dates
        self.stride = shrink * encoder.strides[-1]
        self.symmetric = dates == TWO and fusion.symmetric and bands[0] == bands[1]

    def keep_to(self, valid: Tensor) -> AbstractContextManager[None]:
        """Change nothing: a chip that is judged as a whole has no borders within."""
        return nullcontext()

    def trace(self, before: Tensor, after: Tensor) -> Trace:
        """Compute the logit of each chip, then one for each place of it."""
        y = self.mix(self._encode(before, after))
        pooled = torch.cat([y.mean((2, 3), keepdim=True), y.amax((2, 3), keepdim=True)], dim=1)
        logits = [self.head(pooled)]
        return Trace([*logits, self.where(y)] if self.training else logits)

    def _encode(self, before: Tensor, after: Tensor) -> Tensor:
        if self.dates == ONE:
            seen: Tensor = self.encoder(self._reduce(after))[-1]
            return seen
        dates = self._reduce(before), self._reduce(after)
        fused: Tensor = self.fusion(*encode_pair(self.encoder, self.adapters, *dates)[-1])
        return fused

    def _reduce(self, date: Tensor) -> Tensor:
        return shrink_image(date, self.shrink)


def shrink_image(image: Tensor, factor: int) -> Tensor:
    """Return the means of squares of pixels; three times as fast as pooling on processors.

    Parameters
    ----------
    image : float (..., H, W)
        H and W are multiples of ``factor``.
    factor : int
        A power of 2.

    Examples
    --------
    >>> shrink_image(torch.tensor([[1.0, 3.0], [5.0, 7.0]]), 2)
    tensor([[4.]])
    """
    if factor == 1:
        return image
    rows = image[..., ::factor, :] + image[..., 1::factor, :]
    for row in range(2, factor):
        rows += image[..., row::factor, :]
    cells = rows[..., ::factor] + rows[..., 1::factor]
    for col in range(2, factor):
        cells += rows[..., col::factor]
    return cells.mul_(factor**-2)


def shrink_mask(mask: Tensor, factor: int) -> Tensor:
    """Return where all pixels of a square are valid, bool (..., H / factor, W / factor)."""
    for _ in range(factor.bit_length() - 1):
        rows = mask[..., ::2, :] & mask[..., 1::2, :]
        mask = rows[..., ::2] & rows[..., 1::2]
    return mask


def cut_squares(image: Tensor, edge: int) -> Tensor:
    """Cut an image (C, H, W) into squares, row by row, (N, C, edge, edge).

    Examples
    --------
    >>> cut_squares(torch.arange(8.0).reshape(1, 2, 4), 2)[1, 0]
    tensor([[2., 3.],
            [6., 7.]])
    """
    channels, height, width = image.shape
    parts = image.reshape(channels, height // edge, edge, width // edge, edge)
    return parts.permute(1, 3, 0, 2, 4).reshape(-1, channels, edge, edge)


def take_shrinking(model: ChangeNet) -> int:
    """Return by how much a network shrinks images, and let it shrink them no more.

    Whoever takes it over shrinks the pixels before they are normalised, which is less work.
    """
    if not isinstance(model, ImageNet):
        return 1
    factor, model.shrink = model.shrink, 1
    model.stride //= factor
    return factor
