"""A raster in memory that stands in for a store."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.tiles import Window


@dataclass
class ArraySource:
    pixels: np.ndarray
    tile_size: int = 16
    crs: str | None = None
    affine: Affine = field(default_factory=Affine.identity)
    reads: list[Window] = field(default_factory=list)

    @property
    def geobox(self) -> GeoBox:
        return GeoBox(self.pixels.shape, self.affine, self.crs)

    def read(self, window: Window) -> np.ndarray:
        self.reads.append(window)
        return self.pixels[window.slices_in(Window(0, 0, *self.pixels.shape))]


@pytest.fixture(scope="session")
def array_source() -> type[ArraySource]:
    return ArraySource
