"""Attention among the dates of each pixel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from geochange.nn.temporal.inputs import YEAR_DAYS

HIDDEN = -1e4
"""Added to what may not be looked at; finite, so that a date with nothing before it sees itself."""

MOST_WEIGHTS = 2**22
"""Weights between dates that are worked on at a time: memory does not grow with their square."""


class DateAttention(nn.Module):
    """Each date looks at the valid dates before it, and at those from it on, by heads of its own.

    The lightweight attention of U-TAE (Garnot and Landrieu 2021, arXiv 2107.07933) asks one
    question for the whole series; here each date asks, as change is looked for at each. Distance
    in time and in season weigh on what is looked at by numbers that are learned, so neither the
    number of dates nor their spacing is fixed.

    Parameters
    ----------
    width : int
        Channels, in and out.
    heads : int
        An even number; one half looks back, the other ahead.

    Examples
    --------
    >>> valid = torch.ones(1, 5, 8, 8, dtype=torch.bool)
    >>> DateAttention(8, 2)(torch.zeros(1, 5, 8, 8, 8), valid, torch.arange(5.0)[None]).shape
    torch.Size([1, 5, 8, 8, 8])
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if heads % 2 or width % heads:
            msg = f"heads must be even and divide the width {width}, got {heads}"
            raise ValueError(msg)
        self.heads = heads
        self.asked = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(2 * width, width)
        self.far = nn.Parameter(torch.linspace(-1.0, 2.0, heads // 2).repeat(2))
        self.season = nn.Parameter(torch.zeros(heads))

    def forward(self, x: Tensor, valid: Tensor, days: Tensor) -> Tensor:
        """Return (N, T, width, H, W)."""
        count, dates, width, rows, cols = x.shape
        lines = x.permute(0, 3, 4, 1, 2).reshape(count, rows * cols, dates, width)
        known = valid.permute(0, 2, 3, 1).reshape(count, rows * cols, 1, 1, dates)
        times = self._weigh_times(days)[:, None]
        size = max(1, MOST_WEIGHTS // (count * self.heads * dates**2))
        pairs = zip(torch.split(lines, size, 1), torch.split(known, size, 1), strict=True)
        y = torch.cat([self._look(part, there, times) for part, there in pairs], dim=1)
        return y.reshape(count, rows, cols, dates, width).permute(0, 3, 4, 1, 2)

    def _look(self, lines: Tensor, known: Tensor, times: Tensor) -> Tensor:
        """Return (N, P, T, width) of some pixels."""
        share = lines.shape[-1] // self.heads
        parts = self.asked(lines).reshape(*lines.shape[:3], 3, self.heads, share)
        query, key, value = parts.permute(3, 0, 1, 4, 2, 5)  # (N, P, heads, T, share)
        weight = query @ key.transpose(-1, -2) / math.sqrt(share)
        weight = weight + times + HIDDEN * ~known
        found = (weight.softmax(dim=-1) @ value).transpose(2, 3).flatten(3)
        y: Tensor = relu(self.mixed(torch.cat([lines, found], dim=-1)))
        return y

    def _weigh_times(self, days: Tensor) -> Tensor:
        """Return what is added for the distance of dates, (N, heads, T, T)."""
        apart = (days[:, None, :] - days[:, :, None])[:, None] / YEAR_DAYS
        far = -softplus(self.far)[:, None, None] * apart.abs()
        season = self.season[:, None, None] * torch.cos(2 * math.pi * apart)
        ahead = apart >= 0
        half = self.heads // 2
        shut = torch.cat([ahead.expand(-1, half, -1, -1), ~ahead.expand(-1, half, -1, -1)], dim=1)
        return (far + season + HIDDEN * shut).to(self.asked.weight.dtype)
