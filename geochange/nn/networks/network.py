"""What a change network is: two dates in, logits out."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from geochange.errors import BandError, UsageError
from geochange.nn.parts.borders import keep_to


@dataclass(frozen=True)
class Recipe:
    """How to build a network again.

    Attributes
    ----------
    name : str
        A name of :func:`geochange.nn.networks.registry.list_models`.
    bands : tuple of int
        Bands of the before and of the after date.
    options : dict
        Options of the builder that differ from its defaults; plain JSON values.
    """

    name: str
    bands: tuple[int, int]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """All that a network computes on the way that a loss may want.

    Attributes
    ----------
    logits : list of Tensor (N, 1, h, w)
        At falling resolution; the first is what ``forward`` returns.
    features : tuple of Tensor (N, C, h, w), optional
        Deepest features of the two dates by themselves; None for networks that mix the dates at
        once.
    """

    logits: list[Tensor]
    features: tuple[Tensor, Tensor] | None = None


class ChangeNet(nn.Module):
    """Base of all change networks.

    Attributes
    ----------
    recipe : Recipe
        How to build it again, without weights.
    stride : int
        Height and width of the input must be multiples of it, and so must the origin of a tile
        whose scores are to equal those of the whole image.
    symmetric : bool
        Exchanging the dates leaves the logits as they are.
    task : str
        What a logit is about: ``pixels``, each one, or the whole ``image``.
    """

    task = "pixels"
    recipe: Recipe
    stride: int
    symmetric: bool

    def trace(self, before: Tensor, after: Tensor) -> Trace:
        """Compute logits of all resolutions and the features of each date.

        Parameters
        ----------
        before, after : float (N, C1, H, W) and (N, C2, H, W)
        """
        raise NotImplementedError

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Return logits of change.

        Parameters
        ----------
        before, after : float (N, C1, H, W) and (N, C2, H, W)
            Normalised; H and W are multiples of ``stride``.

        Returns
        -------
        float (N, 1, H, W)
            Or (N, 1, 1, 1) for the task ``image``.

        Raises
        ------
        BandError, UsageError
            Bands or sizes are not those that the network takes.
        """
        self._check(before, after)
        return self.trace(before, after).logits[0]

    def deep(self, before: Tensor, after: Tensor) -> list[Tensor]:
        """Return logits at falling resolution, for deep supervision; see :meth:`forward`."""
        self._check(before, after)
        return self.trace(before, after).logits

    def keep_to(self, valid: Tensor) -> AbstractContextManager[None]:
        """End the image at nodata, see :func:`geochange.nn.parts.borders.keep_to`."""
        return keep_to(self, valid)

    @cached_property
    def radius(self) -> int | None:
        """Pixels around a pixel that its logit depends on; None when it depends on all of them."""
        from geochange.nn.networks.receptive_field import measure_radius

        return measure_radius(self)

    def _check(self, before: Tensor, after: Tensor) -> None:
        bands = before.shape[1], after.shape[1]
        if bands != self.recipe.bands:
            msg = (
                f"the network takes {self.recipe.bands[0]} and {self.recipe.bands[1]} bands, the "
                f"dates have {bands[0]} and {bands[1]}; choose the bands it was built for"
            )
            raise BandError(msg)
        height, width = before.shape[-2:]
        if height % self.stride or width % self.stride or after.shape[-2:] != before.shape[-2:]:
            msg = (
                f"height and width must be equal at both dates and multiples of {self.stride}, "
                f"got {height} x {width} and {after.shape[-2]} x {after.shape[-1]}; pad them"
            )
            raise UsageError(msg)
