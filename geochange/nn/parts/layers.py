"""The few layers that all networks are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, relu
from torch.nn.utils.fusion import fuse_conv_bn_eval

PRIOR_LOGIT = -2.0
"""Where logits start: change is rare, 12 % (Lin et al. 2017, arXiv 1708.02002, section 4.1)."""


class ConvBlock(nn.Module):
    """Convolution, batch normalisation, a shortcut if there is one, and ReLU.

    The first two can be folded into one, and all four run as one on processors.

    Parameters
    ----------
    width_in, width_out : int
        Channels.
    kernel : int
        Odd size in pixels; borders are padded with zeros.
    stride : int
    active : bool
        Apply the ReLU.

    Examples
    --------
    >>> ConvBlock(3, 8, stride=2)(torch.zeros(1, 3, 16, 16)).shape
    torch.Size([1, 8, 8, 8])
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        active: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, width_out, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(width_out)
        self.active = active

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """Transform (N, width_in, H, W); ``shortcut`` is added before the ReLU."""
        y: Tensor = self.norm(self.conv(x))
        if shortcut is not None:
            y = y + shortcut
        return relu(y, inplace=True) if self.active else y

    def fold(self) -> None:
        """Fold the normalisation into the convolution, in the precision of its weights."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class ResidualBlock(nn.Module):
    """Two convolutions around a shortcut (He et al. 2016, arXiv 1512.03385).

    Examples
    --------
    >>> ResidualBlock(4, 8, stride=2)(torch.zeros(1, 4, 8, 8)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(self, width_in: int, width_out: int, *, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvBlock(width_in, width_out, stride=stride)
        self.second = ConvBlock(width_out, width_out)
        same = stride == 1 and width_in == width_out
        self.shortcut: nn.Module = (
            nn.Identity()
            if same
            else ConvBlock(width_in, width_out, kernel=1, stride=stride, active=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform (N, width_in, H, W)."""
        y: Tensor = self.second(self.first(x), self.shortcut(x))
        return y


class Head(nn.Module):
    """Features to logits, ``scale`` times finer than the features: one channel per sub-pixel.

    The sub-pixel convolution of Shi et al. 2016 (arXiv 1609.05158): as local as a convolution,
    sharper than interpolated logits.

    Examples
    --------
    >>> Head(16, scale=2)(torch.zeros(1, 16, 8, 8)).shape
    torch.Size([1, 1, 16, 16])
    """

    def __init__(self, width: int, *, scale: int = 1, kernel: int = 1) -> None:
        super().__init__()
        self.scale = scale
        self.conv = nn.Conv2d(width, scale**2, kernel, padding=kernel // 2)
        nn.init.constant_(self.conv.bias, PRIOR_LOGIT)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, 1, scale H, scale W)."""
        logits: Tensor = self.conv(x)
        return pixel_shuffle(logits, self.scale) if self.scale > 1 else logits


def conv_stack(width_in: int, widths: list[int]) -> nn.Sequential:
    """Return 3x3 :class:`ConvBlock` in a row.

    Examples
    --------
    >>> len(conv_stack(3, [8, 8]))
    2
    """
    pairs = zip([width_in, *widths], widths, strict=False)
    return nn.Sequential(*(ConvBlock(a, b) for a, b in pairs))


def enlarge(x: Tensor, scale: int) -> Tensor:
    """Repeat every pixel ``scale`` times along rows and columns.

    Examples
    --------
    >>> enlarge(torch.zeros(1, 1, 2, 3), 2).shape
    torch.Size([1, 1, 4, 6])
    """
    return interpolate(x, scale_factor=scale, mode="nearest") if scale > 1 else x


def fold_batch_norm(model: nn.Module) -> None:
    """Fold every batch normalisation that follows a convolution in a :class:`ConvBlock`, in place.

    Call it on a model in evaluation mode, in float32, before any cast: folded in bfloat16 the
    running statistics lose most of their digits.

    Examples
    --------
    >>> model = nn.Sequential(ConvBlock(3, 8)).eval()
    >>> fold_batch_norm(model)
    >>> any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    False
    """
    for module in model.modules():
        if isinstance(module, ConvBlock):
            module.fold()


class Shift(nn.Module):
    """Neighbours: pixel (r, c) of the result is that at (r + rows, c + cols), beyond it 0.

    Examples
    --------
    >>> Shift()(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 0, 1)
    tensor([[[[2., 3., 0.]]]])
    """

    def forward(self, x: Tensor, rows: int, cols: int) -> Tensor:
        """Move (N, C, H, W) by whole pixels."""
        height, width = x.shape[-2:]
        border = max(abs(rows), abs(cols))
        padded = torch.nn.functional.pad(x, (border,) * 4)
        return padded[..., border + rows :, border + cols :][..., :height, :width]
