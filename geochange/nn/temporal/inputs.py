"""What a network for series is told of each date and pixel, beside the values."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

YEAR_DAYS = 365.25
DEVIATION_GAIN = 4.0
"""Deviations from a pixel's own median are this much smaller than the values."""
LIMIT = 10.0
OUTLIER = 4.0
"""What a single date may say in a mean: clouds that no mask knows of say more."""


class DateInputs(nn.Module):
    """Values, deviations, contrasts of before and after, validity, time since, season.

    Deviations are from what a pixel mostly is, its median along time; the contrast at a date is
    the mean deviation from it on less that before it, which is what a step there would be. So a
    small network need not learn either. Time since the last valid date is a logarithm, the season
    a point on a circle.

    Parameters
    ----------
    bands : int

    Attributes
    ----------
    width : int
        Channels that come out.

    Examples
    --------
    >>> images, valid = torch.zeros(1, 5, 3, 8, 8), torch.ones(1, 5, 8, 8, dtype=torch.bool)
    >>> DateInputs(3)(images, valid, 30.0 * torch.arange(5)[None]).shape
    torch.Size([1, 5, 13, 8, 8])
    """

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.width = 3 * bands + 4

    def forward(self, images: Tensor, valid: Tensor, days: Tensor) -> Tensor:
        """Return (N, T, width, H, W) of what a network for series is given."""
        known = valid[:, :, None]
        apart = DEVIATION_GAIN * (images - find_median(images, valid)[:, None])
        apart = apart.clamp(-LIMIT, LIMIT) * known
        since = count_days_since(valid, days).to(images.dtype)
        angle = (2 * math.pi / YEAR_DAYS * days).to(images.dtype)[:, :, None, None, None]
        season = torch.cat([angle.cos(), angle.sin()], dim=2).expand(-1, -1, 2, *valid.shape[2:])
        gap = torch.log1p(since / 10.0)[:, :, None]
        contrast = contrast_sides(apart, known)
        return torch.cat([images, apart, contrast, known.to(images.dtype), gap, season], dim=2)


@torch.no_grad()
def find_median(images: Tensor, valid: Tensor) -> Tensor:
    """Return the lower median of each pixel's valid dates, (N, C, H, W); 0 where there is none.

    Examples
    --------
    >>> images = torch.tensor([5.0, 1.0, 9.0, 7.0]).reshape(1, 4, 1, 1, 1)
    >>> valid = torch.tensor([1, 1, 0, 1], dtype=torch.bool).reshape(1, 4, 1, 1)
    >>> float(find_median(images, valid))
    5.0
    """
    ordered = images.masked_fill(~valid[:, :, None], torch.inf).sort(dim=1).values
    count = valid.sum(dim=1)
    place = ((count - 1).clamp(min=0) // 2)[:, None, None].expand(-1, -1, images.shape[2], -1, -1)
    middle = ordered.gather(1, place)[:, 0]
    return middle.masked_fill((count == 0)[:, None], 0.0)


def contrast_sides(apart: Tensor, known: Tensor) -> Tensor:
    """Return the mean of the valid dates from each date on less that of those before, like apart.

    Single values count no more than :data:`OUTLIER`; 0 where one side is empty.

    Parameters
    ----------
    apart : float (N, T, C, H, W)
        0 where invalid.
    known : bool (N, T, 1, H, W)

    Examples
    --------
    >>> apart = torch.tensor([0.0, 0.0, 2.0, 4.0]).reshape(1, 4, 1, 1, 1)
    >>> contrast_sides(apart, torch.ones(1, 4, 1, 1, 1, dtype=torch.bool)).flatten().tolist()
    [0.0, 2.0, 3.0, 3.3333332538604736]
    """
    counted = known.to(apart.dtype)
    held = apart.clamp(-OUTLIER, OUTLIER)
    sums, counts = held.cumsum(dim=1), counted.cumsum(dim=1)
    before, seen = sums - held, counts - counted
    after, left = sums[:, -1:] - before, counts[:, -1:] - seen
    contrast = after / left.clamp(min=1) - before / seen.clamp(min=1)
    return contrast * ((seen > 0) & (left > 0))


def count_days_since(valid: Tensor, days: Tensor) -> Tensor:
    """Return the days since the last valid date before each date, (N, T, H, W); 0 for none.

    Examples
    --------
    >>> valid = torch.tensor([0, 1, 0, 1], dtype=torch.bool).reshape(1, 4, 1, 1)
    >>> count_days_since(valid, torch.tensor([[0.0, 10.0, 30.0, 60.0]])).flatten().tolist()
    [0.0, 0.0, 20.0, 50.0]
    """
    day = days[:, :, None, None].expand(valid.shape)
    latest = torch.where(valid, day, -torch.inf).cummax(dim=1).values
    before = torch.cat([torch.full_like(latest[:, :1], -torch.inf), latest[:, :-1]], dim=1)
    return torch.where(before.isinf(), 0.0, day - before)
