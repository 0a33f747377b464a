"""The maps that a revision reads: scores and masks of finished runs on one grid."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.errors import GridError
from geochange.evaluation.layers import read_levels, read_mask
from geochange.evaluation.reference import bounds_px
from geochange.io.provenance import describe_file
from geochange.io.rasters.geotiff import GridReader
from geochange.io.rasters.rasterfile import RasterFile, describe_raster
from geochange.maps.changemap import ChangeMap, open_map
from geochange.tiles import Window

Run = str | os.PathLike[str] | ChangeMap
RESAMPLING = "bilinear"


@dataclass(frozen=True)
class Member:
    """The score or the mask of a run, on the grid of another one.

    Attributes
    ----------
    run : ChangeMap
    geobox : GeoBox
        Grid to read on.
    layer : {'score', 'mask'}
    """

    run: ChangeMap
    geobox: GeoBox
    layer: str = "score"

    @cached_property
    def file(self) -> RasterFile:
        """The raster."""
        return describe_raster(self.run.locate(f"{self.layer}.tif", self.layer)).take([0])

    @property
    def is_moved(self) -> bool:
        """Whether its grid is another one, so that it is resampled."""
        return GridReader(self.file, self.geobox).shift is None

    def read(self, window: Window) -> NDArray[np.uint16]:
        """Read stored levels, or 0, 1 and nodata of a mask, uint16 (H, W)."""
        if self.layer == "score":
            resampling = RESAMPLING if self.is_moved else "nearest"
            return read_levels(self.file, self.geobox, window, resampling)
        codes = read_mask(self.file, self.geobox, window).astype(np.uint16)
        codes[codes > 1] = np.iinfo(np.uint16).max
        return codes

    def describe(self) -> dict[str, Any]:
        """Return what ``run.json`` says of where a score came from."""
        run: Mapping[str, Any] = self.run.run
        return {
            "path": str(self.run.path),
            "fingerprint": run["fingerprint"],
            "created": run["created"],
            "method": dict(run["method"]),
            "threshold": dict(run["threshold"]),
            "dates": list(self.run.dates),
            self.layer: describe_file(self.file.path),
        }


def open_members(runs: list[Run], layer: str = "score") -> list[Member]:
    """Open runs on the grid of the first.

    Raises
    ------
    InputError
        One is not a run of changes, or lacks the layer.
    GridError
        One shows another place, or only one of two has a CRS.
    """
    opened = [run if isinstance(run, ChangeMap) else open_map(run) for run in runs]
    geobox = opened[0].geobox
    members = [Member(run, geobox, layer) for run in opened]
    for member in members:
        _require_same_place(member.file, geobox)
    return members


def _require_same_place(file: RasterFile, geobox: GeoBox) -> None:
    if (file.geobox.crs is None) != (geobox.crs is None):
        msg = f"{file.path} and the first run: one has a CRS, the other none; georeference both"
        raise GridError(msg)
    height, width = (int(n) for n in geobox.shape)
    left, top, right, bottom = bounds_px(file.geobox, geobox)
    if left >= width or right <= 0 or top >= height or bottom <= 0:
        msg = f"{file.path} does not overlap the first run; give runs of one place"
        raise GridError(msg)


def say_moved(members: list[Member]) -> list[str]:
    """Return a note for each map that is resampled."""
    return [
        f"{member.run.path}: {member.layer} resampled "
        f"({RESAMPLING if member.layer == 'score' else 'nearest'}) from its own grid"
        for member in members
        if member.is_moved
    ]
