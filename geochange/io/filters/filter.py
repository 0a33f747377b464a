"""What a filter is that a reader applies to what it reads, with the margin that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from geochange.blocks import BoolArray, FloatArray


class Filter(Protocol):
    """What smooths the bands of one date.

    A pixel depends on the valid pixels within ``halo`` px and on nothing else, so that it is the
    same whatever window it is read in. Filters pickle as their settings.
    """

    @property
    def halo(self) -> int:
        """Margin in pixels that :meth:`apply` must see."""
        ...

    def apply(self, pixels: FloatArray, valid: BoolArray) -> FloatArray:
        """Return smoothed pixels, float32 (C, H, W); invalid ones are left as they are.

        What is nearer than ``halo`` to the border of the array need not be right.
        """
        ...

    def take(self, positions: Sequence[int]) -> Filter:
        """Return the filter of the bands at ``positions`` alone."""
        ...
