"""Memory along time, forwards and backwards: of each pixel by itself, or with its neighbours."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FORGET_BIAS = 1.0
"""Memories begin by keeping what they hold (Jozefowicz et al. 2015, ICML)."""


class PixelLSTM(nn.Module):
    """An LSTM in both directions over the dates of each pixel (Hochreiter and Schmidhuber 1997).

    Parameters
    ----------
    width_in, width : int
        Channels in; channels of the memory of each direction.

    Examples
    --------
    >>> PixelLSTM(6, 4)(torch.zeros(2, 5, 6, 8, 8)).shape
    torch.Size([2, 5, 8, 8, 8])
    """

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width_in, width, bidirectional=True)
        self.width = 2 * width
        for name, bias in self.lstm.named_parameters():
            if name.startswith("bias_ih"):
                nn.init.constant_(bias[width : 2 * width], FORGET_BIAS)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, T, 2 width, H, W) of (N, T, width_in, H, W)."""
        count, dates, _, height, width = x.shape
        lines = x.permute(1, 0, 3, 4, 2).reshape(dates, count * height * width, -1)
        found: Tensor = self.lstm(lines)[0]
        return found.reshape(dates, count, height, width, -1).permute(1, 0, 4, 2, 3)


class ConvLSTM(nn.Module):
    """An LSTM in both directions whose gates are convolutions (Shi et al. 2015, NeurIPS).

    Each date lets a pixel see one pixel farther: the radius grows with their number.

    Parameters
    ----------
    width_in, width : int
        Channels in; channels of the memory of each direction.

    Examples
    --------
    >>> ConvLSTM(6, 4)(torch.zeros(2, 5, 6, 8, 8)).shape
    torch.Size([2, 5, 8, 8, 8])
    """

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.width = 2 * width
        self.gates = nn.ModuleList(
            nn.Conv2d(width_in + width, 4 * width, 3, padding=1) for _ in range(2)
        )
        for gate in self.gates:
            nn.init.constant_(gate.bias[width : 2 * width], FORGET_BIAS)  # type: ignore[index]

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, T, 2 width, H, W) of (N, T, width_in, H, W)."""
        dates = list(x.unbind(dim=1))
        forwards = self._walk(dates, self.gates[0])
        backwards = self._walk(dates[::-1], self.gates[1])[::-1]
        pairs = zip(forwards, backwards, strict=True)
        return torch.stack([torch.cat(pair, dim=1) for pair in pairs], dim=1)

    def _walk(self, dates: list[Tensor], gate: nn.Module) -> list[Tensor]:
        first = dates[0]
        shown = first.new_zeros(first.shape[0], self.width // 2, *first.shape[2:])
        kept, found = shown, []
        for date in dates:
            enter, forget, fresh, show = gate(torch.cat([date, shown], dim=1)).chunk(4, dim=1)
            kept = forget.sigmoid() * kept + enter.sigmoid() * fresh.tanh()
            shown = show.sigmoid() * kept.tanh()
            found.append(shown)
        return found
