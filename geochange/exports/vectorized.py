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
from geochange.engine.runner import open_runner
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.errors import InputError, UsageError, suggest
from geochange.evaluation.layers import holds_score
from geochange.exports.vectors.fields import FIELDS
from geochange.exports.vectors.geojson import write_geojson
from geochange.exports.vectors.gpkg import write_gpkg
from geochange.io.files.atomic import check_target
from geochange.io.rasters.geotiff import GridReader
from geochange.io.rasters.rasterfile import RasterFile, describe_raster
from geochange.maps.areas import parse_area_px
from geochange.maps.features import change_features
from geochange.tiles import Window

TILE_PX = 1024
SUFFIXES = (".gpkg", ".geojson")
MASK_FIELDS = ("id", "class", "pixels", "area_m2", "perimeter_m")


@dataclass(frozen=True)
class MaskFile:
    """A raster seen as a mask: 1 where it is not 0 (nor nodata), or at least ``threshold``.

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
        change = pixels[0] != 0 if self.threshold is None else pixels[0] >= self.threshold
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
    threads: int = 0,
    overwrite: bool = False,
    on_progress: Progress = report_nothing,
) -> tuple[Path, int]:
    """Turn a mask raster into polygons, exact across tiles and in bounded memory.

    Parameters
    ----------
    mask : path
        Raster whose change is non-zero and not nodata (first band), as
        :func:`geochange.evaluate` reads it; with ``threshold`` a score raster.
    output : path
        ``.gpkg`` (CRS of the raster) or ``.geojson`` (WGS 84).
    threshold : float, optional
        Score (after scale and offset) from which a pixel is change. A raster of floating-point
        or scaled values needs one.
    min_area : str or int
        Smallest polygon that is kept, such as ``"50m2"`` or ``"20px"``.
    connectivity, smooth, tile_size, threads, overwrite, on_progress
        See :func:`geochange.detect`.

    Returns
    -------
    path : Path
    count : int
        Number of polygons.

    Raises
    ------
    InputError
        The raster cannot be read, or has no CRS, which GeoJSON needs.
    UsageError
        Another suffix; a score without ``threshold``.
    OutputExistsError, OutputError, ResourceError

    Examples
    --------
    >>> vectorize("mask.tif", "changes.gpkg", min_area="100m2")  # doctest: +SKIP
    """
    target = Path(output)
    if target.suffix.lower() not in SUFFIXES:
        msg = f"cannot write '{target.name}'{suggest(target.suffix, SUFFIXES)}"
        raise UsageError(msg)
    check_target(target, overwrite=overwrite)
    file = describe_raster(mask).take([0])
    _check_mask(file, target, threshold)
    source = MaskFile(GridReader(file, file.geobox), threshold, tile_size or TILE_PX)
    smallest = parse_area_px(min_area, gsd_m(file.geobox))
    count = 0

    def keep_large(features: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
        nonlocal count
        large = features[features["pixels"] >= smallest]
        first, count = count, count + len(large)
        return large.assign(id=np.arange(first + 1, count + 1))

    fields = {name: FIELDS[name] for name in MASK_FIELDS}
    with open_runner(threads=threads) as runner:
        stages = Stages(runner, on_progress)
        with stages.stage("polygons"):
            features = change_features(
                source, connectivity=connectivity, smoothed=smooth, run=stages.run
            )
            write = write_gpkg if target.suffix.lower() == ".gpkg" else write_geojson
            write(map(keep_large, features), target, fields=fields, geobox=file.geobox)
    return target, count


def _check_mask(file: RasterFile, target: Path, threshold: float | None) -> None:
    """Refuse what would give polygons of everything, or none at all."""
    if threshold is None and holds_score(file):
        msg = f"{file.path} holds scores; tell from which one on a pixel is change (--threshold)"
        raise UsageError(msg)
    if target.suffix.lower() == ".geojson" and file.geobox.crs is None:
        msg = f"{file.path} has no CRS, and GeoJSON needs longitude/latitude; write a .gpkg"
        raise InputError(msg)
