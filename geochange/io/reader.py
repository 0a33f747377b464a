"""What a reader is: pixels and validity of any window of one grid."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from odc.geo.geobox import GeoBox

from geochange.blocks import BoolArray, FloatArray
from geochange.tiles import Window


@runtime_checkable
class Reader(Protocol):
    """One date on one grid.

    A reader opens nothing when built, may be used from many threads, and pickles as its arguments.
    ``geochange.testing.check_reader`` proves the contract.

    Attributes
    ----------
    geobox : GeoBox
        Grid of the windows: CRS (may be None), affine and shape.
    bands : tuple of str
        Band names in the order of the pixels' first axis.
    """

    @property
    def geobox(self) -> GeoBox:
        """The grid."""
        ...

    @property
    def bands(self) -> tuple[str, ...]:
        """Band names."""
        ...

    def read(self, window: Window) -> tuple[FloatArray, BoolArray]:
        """Read a window, which may leave the grid.

        Returns
        -------
        pixels : float32 (C, H, W)
            Scale and offset applied; finite everywhere (0 where invalid).
        valid : bool (H, W)
            False where any band has no data, and outside the grid.
        """
        ...
