"""Fusions: features of two dates to features of their change."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Fusion(nn.Module):
    """What a fusion promises.

    Attributes
    ----------
    width : int
        Channels of its result.
    symmetric : bool
        The result is the same with the dates exchanged.
    """

    width: int
    symmetric = True

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Fuse (N, C, H, W) and (N, C, H, W) to (N, width, H, W)."""
        raise NotImplementedError


class Difference(Fusion):
    """Absolute difference (Daudt et al. 2018, arXiv 1810.08462).

    Examples
    --------
    >>> Difference(1)(torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 3.0)).item()
    2.0
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Return the distance per channel."""
        return (before - after).abs_()


class Product(Fusion):
    """Product per channel: what both dates show."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Multiply channel by channel."""
        return before * after


class Sum(Fusion):
    """Sum per channel: what the ground looks like; beside the difference it tells both dates."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Add channel by channel."""
        return before + after


class Concatenation(Fusion):
    """Both dates one after the other (Daudt et al. 2018); knows which came first."""

    symmetric = False

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = 2 * width

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Concatenate along channels."""
        return torch.cat([before, after], dim=1)


class Latest(Fusion):
    """The after date alone: what FC-Siam-conc passes on at its deepest level."""

    symmetric = False

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Return ``after``."""
        return after


class Several(Fusion):
    """Several fusions, their channels one after the other."""

    def __init__(self, parts: list[Fusion]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.width = sum(part.width for part in parts)
        self.symmetric = all(part.symmetric for part in parts)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Concatenate what the parts give."""
        return torch.cat([part(before, after) for part in self.parts], dim=1)
