"""What a network for series is: dates in, logits of when change first shows out."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor, nn

from geochange.errors import BandError
from geochange.nn.networks.network import Recipe

NEVER = -30.0
"""Logit of what cannot be: change that first shows at a date without data, or at the first one."""


class SeriesNet(nn.Module):
    """Base of all networks for series.

    A pixel's logits, one for each date beside one of 0 for no change at all, are those of a choice:
    the date that first shows the change. Their ``logsumexp`` is the logit of any change.

    Attributes
    ----------
    recipe : Recipe
        How to build it again, without weights; both numbers of bands are the same.
    stride : int
        Always 1: any height and width will do, and tiles may begin anywhere.
    task : str
        Always ``series``.
    """

    recipe: Recipe
    stride = 1
    task = "series"

    def decide(self, images: Tensor, valid: Tensor, days: Tensor) -> Tensor:
        """Return logits (N, T, H, W) of all dates; see :meth:`forward`."""
        raise NotImplementedError

    def forward(self, images: Tensor, valid: Tensor, days: Tensor) -> Tensor:
        """Return logits of the dates.

        Parameters
        ----------
        images : float (N, T, C, H, W)
            Scaled; 0 where invalid.
        valid : bool (N, T, H, W)
        days : float (N, T)
            Days since any one day, rising.

        Returns
        -------
        float (N, T, H, W)
            :data:`NEVER` where nothing can show for the first time.

        Raises
        ------
        BandError
            Other bands than the network takes.
        """
        if images.shape[2] != self.recipe.bands[0]:
            msg = (
                f"the network takes {self.recipe.bands[0]} bands, the dates have "
                f"{images.shape[2]}; choose the bands it was built for"
            )
            raise BandError(msg)
        logits = self.decide(images, valid, days)
        return logits.masked_fill(~find_possible(valid), NEVER)

    @cached_property
    def radius(self) -> int:
        """Pixels around a pixel that its logits depend on, for two dates."""
        from geochange.nn.temporal.receptive_field import measure_series_radius

        return measure_series_radius(self, 2)

    @cached_property
    def radius_per_date(self) -> int:
        """Pixels that each date beyond two adds to the radius."""
        from geochange.nn.temporal.receptive_field import measure_series_radius

        return measure_series_radius(self, 3) - self.radius


def find_possible(valid: Tensor) -> Tensor:
    """Return where change may show for the first time: at valid dates after another one.

    Examples
    --------
    >>> import torch
    >>> valid = torch.tensor([0, 1, 0, 1], dtype=torch.bool).reshape(1, 4, 1, 1)
    >>> find_possible(valid).flatten().tolist()
    [False, False, False, True]
    """
    return valid & (valid.cumsum(dim=1) > 1)


def join_dates(logits: Tensor) -> Tensor:
    """Return the logit of any change, (N, 1, H, W), of logits (N, T, H, W).

    Examples
    --------
    >>> import torch
    >>> float(join_dates(torch.zeros(1, 1, 1, 1)))
    0.0
    """
    return logits.logsumexp(dim=1, keepdim=True)
