"""Polygons of any mask or score raster."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.alignment.grid import gsd_m
from geochange.engine.runner import ThreadRunner
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.errors import OutputExistsError, UsageError, suggest
from geochange.exports.fields import FIELDS
from geochange.exports.geojson import write_geojson
from geochange.exports.gpkg import write_gpkg
from geochange.io.geotiff import GridReader
from geochange.io.rasterfile import describe_raster
from geochange.maps.areas import parse_area_px
from geochange.maps.features import change_features
from geochange.tiles import Window

TILE_PX = 1024
SUFFIXES = (".gpkg", ".geojson")
MASK_FIELDS = ("id", "class", "pixels", "area_m2", "perimeter_m")


@dataclass(frozen=True)
class MaskFile:
    """A raster seen as a mask: 1 where it is 1, or at least ``threshold``.

    Attributes
    ----------
    reader : GridReader
    threshold : float or None
    """

    reader: GridReader
    threshold: float | None = None
    tile_size: int = TILE_PX

    @property
    def geobox(self) -> GeoBox:
        """Grid of the raster."""
        return self.reader.geobox

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read a window, uint8 (H, W): 1 change, 0 anything else."""
        pixels, valid = self.reader.read(window)
        change = pixels[0] == 1 if self.threshold is None else pixels[0] >= self.threshold
        mask: NDArray[np.uint8] = (change & valid).astype(np.uint8)
        return mask


def vectorize(
    mask: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    threshold: float | None = None,
    min_area: str | int = "1px",
    connectivity: int = 8,
    smooth: bool = False,
    tile_size: int | None = None,
    workers: int = 0,
    overwrite: bool = False,
    on_progress: Progress = report_nothing,
) -> tuple[Path, int]:
    """Turn a mask raster into polygons, exact across tiles and in bounded memory.

    Parameters
    ----------
    mask : path
        Raster whose change is 1 (first band); with ``threshold`` a score raster.
    output : path
        ``.gpkg`` (CRS of the raster) or ``.geojson`` (WGS 84).
    threshold : float, optional
        Score (after scale and offset) from which a pixel is change.
    min_area : str or int
        Smallest polygon that is kept, such as ``"50m2"`` or ``"20px"``.
    connectivity, smooth, tile_size, workers, overwrite, on_progress
        See :func:`geochange.detect`.

    Returns
    -------
    path : Path
    count : int
        Number of polygons.

    Raises
    ------
    InputError, UsageError, OutputExistsError

    Examples
    --------
    >>> vectorize("mask.tif", "changes.gpkg", min_area="100m2")  # doctest: +SKIP
    """
    target = Path(output)
    if target.suffix.lower() not in SUFFIXES:
        msg = f"cannot write '{target.name}'{suggest(target.suffix, SUFFIXES)}"
        raise UsageError(msg)
    if target.exists() and not overwrite:
        msg = f"{target} exists; choose another output or overwrite it (--overwrite)"
        raise OutputExistsError(msg)
    file = describe_raster(mask).take([0])
    source = MaskFile(GridReader(file, file.geobox), threshold, tile_size or TILE_PX)
    smallest = parse_area_px(min_area, gsd_m(file.geobox))
    count = 0

    def keep_large(features: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
        nonlocal count
        large = features[features["pixels"] >= smallest]
        first, count = count, count + len(large)
        return large.assign(id=np.arange(first + 1, count + 1))

    fields = {name: FIELDS[name] for name in MASK_FIELDS}
    with ThreadRunner(workers) as runner:
        stages = Stages(runner, on_progress)
        with stages.stage("polygons"):
            features = change_features(
                source, connectivity=connectivity, smoothed=smooth, run=stages.run
            )
            write = write_gpkg if target.suffix.lower() == ".gpkg" else write_geojson
            write(map(keep_large, features), target, fields=fields, geobox=file.geobox)
    return target, count
