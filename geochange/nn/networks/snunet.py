"""SNUNet: a densely connected siamese U-Net with channel attention over its outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from geochange.nn.networks.network import ChangeNet, Trace
from geochange.nn.parts.encoders import Encoder, adapt_bands, encode_pair
from geochange.nn.parts.layers import ConvBlock, Head


class NestedBlock(nn.Module):
    """Two convolutions; the first one's result before its ReLU is added to the second's.

    Examples
    --------
    >>> NestedBlock(3, 8)(torch.zeros(1, 3, 4, 4)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(width_in, width_out, 3, padding=1)
        self.norm = nn.BatchNorm2d(width_out)
        self.second = ConvBlock(width_out, width_out)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (N, width_in, H, W)."""
        entered = self.enter(x)
        y: Tensor = self.second(relu(self.norm(entered)), entered)
        return y


class NestedEncoder(Encoder):
    """The backbone that both dates share: nested blocks with max-pooling between them.

    Examples
    --------
    >>> NestedEncoder(3, widths=(8, 16)).strides
    (1, 2)
    """

    def __init__(self, bands: int, *, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.strides = tuple(2**level for level in range(len(widths)))
        inputs = (bands, *widths)
        self.levels = nn.ModuleList(NestedBlock(a, b) for a, b in zip(inputs, widths, strict=False))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return features, finest first."""
        features: list[Tensor] = []
        for level in self.levels:
            x = level(max_pool2d(x, 2) if features else x)
            features.append(x)
        return features


class ChannelGate(nn.Module):
    """Channel attention of CBAM (Woo et al. 2018, arXiv 1807.06521): weights from mean and maximum.

    Examples
    --------
    >>> ChannelGate(8, 2)(torch.zeros(1, 8, 4, 4)).shape
    torch.Size([1, 8, 1, 1])
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Conv2d(width, hidden, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(hidden, width, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return weights in (0, 1), (N, width, 1, 1)."""
        drive: Tensor = self.gate(x.mean((2, 3), keepdim=True))
        drive = drive + self.gate(x.amax((2, 3), keepdim=True))
        return drive.sigmoid()


class SNUNet(ChangeNet):
    """SNUNet-CD with ensemble channel attention (Fang et al. 2021, doi:10.1109/LGRS.2021.3056416).

    Both dates' features at a level and the upsampled ones from below enter every node of that
    level, with all nodes before it; the nodes of full resolution are weighted by channel
    attention. Only the after date's features are passed upwards, as by its authors, so the dates
    are not exchangeable; the attention looks at the whole image.

    Parameters
    ----------
    bands : tuple of int
    width : int
        Channels at full resolution; they double with each of the five levels.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> model = build_model("snunet", bands=3, width=4)
    >>> model(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 1, 32, 32])
    """

    symmetric = False
    stride = 16

    def __init__(self, bands: tuple[int, int], *, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.adapters = adapt_bands(bands)
        self.encoder = NestedEncoder(max(bands), widths=widths)
        self.ups = nn.ModuleDict()
        self.nodes = nn.ModuleDict()
        for level, node in _positions():
            here, below = widths[level], widths[level + 1]
            self.ups[f"{level}{node}"] = nn.ConvTranspose2d(below, below, 2, stride=2)
            self.nodes[f"{level}{node}"] = NestedBlock((node + 1) * here + below, here)
        self.across = ChannelGate(4 * width, max(1, width // 4))
        self.within = ChannelGate(width, max(1, width // 4))
        self.head = Head(4 * width)

    def trace(self, before: Tensor, after: Tensor) -> Trace:
        """Compute logits and the deepest features of each date."""
        pairs = encode_pair(self.encoder, self.adapters, before, after)
        found: dict[tuple[int, int], Tensor] = {}
        for level, node in _positions():
            below = pairs[level + 1][1] if node == 1 else found[level + 1, node - 1]
            earlier = [found[level, number] for number in range(1, node)]
            up = self.ups[f"{level}{node}"](below)
            inputs = torch.cat([*pairs[level], *earlier, up], dim=1)
            found[level, node] = self.nodes[f"{level}{node}"](inputs)
        return Trace([self._ensemble([found[0, node] for node in range(1, 5)])], pairs[-1])

    def _ensemble(self, outputs: list[Tensor]) -> Tensor:
        within = self.within(torch.stack(outputs).sum(0))
        stacked = torch.cat(outputs, dim=1)
        logits: Tensor = self.head(self.across(stacked) * (stacked + within.repeat(1, 4, 1, 1)))
        return logits


def _positions() -> list[tuple[int, int]]:
    """Level and number of each node in an order in which they can be computed."""
    return [(level, node) for node in range(1, 5) for level in range(5 - node)]
