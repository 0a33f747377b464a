"""Where a map is right and where it is wrong, as a raster."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window as RasterioWindow

from geochange.evaluation.assessment import Values, list_values
from geochange.evaluation.counts import UNKNOWN, confusion_codes
from geochange.evaluation.layers import MapLayers, open_layers
from geochange.evaluation.reference import Reference, open_reference
from geochange.io.files.atomic import check_target, replace_atomically
from geochange.maps.sweep import Runner
from geochange.tiles import Tile, TilePlan, Window
from geochange.viz.figures import plot_errors
from geochange.viz.pictures import CONFUSION_CLASSES

BLOCK_SIZE, TILE_SIZE = 256, 1024


@dataclass(frozen=True, slots=True)
class TileConfusion:
    """The task of one tile of the map: read map and reference, tell what each pixel is."""

    layers: MapLayers
    reference: Reference

    def __call__(self, tile: Tile) -> tuple[Tile, NDArray[np.uint8]]:
        """Return the tile and its codes."""
        grid = self.reference.geobox
        col, row = ~grid.affine @ (self.layers.geobox.affine @ (tile.core.col, tile.core.row))
        window = Window(round(row), round(col), tile.core.height, tile.core.width)
        mask, _ = self.layers.read(grid, window)
        return tile, confusion_codes(mask, self.reference.read(window)[0])


def map_confusion(
    result: str | os.PathLike[str],
    reference: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    changed: Values | None = None,
    ignore: Values | None = None,
    threshold: float = 0.5,
    overwrite: bool = False,
    run: Runner = map,
) -> Path:
    """Write a GeoTIFF of hits, misses and false alarms on the grid of the map.

    Parameters are those of :func:`geochange.evaluation.evaluate`, and

    Parameters
    ----------
    output : path
        GeoTIFF to write: uint8, 0 true negative, 1 false positive, 2 false negative, 3 true
        positive, 255 unknown (nodata), with a colour table.
    overwrite : bool
        Replace an existing ``output``.

    Returns
    -------
    Path
        ``output``.

    Raises
    ------
    InputError, GridError
        As :func:`geochange.evaluation.evaluate`.
    OutputExistsError, OutputError
        ``output`` is there already, or cannot be written.

    Examples
    --------
    >>> map_confusion("out", "label.tif", "confusion.tif")  # doctest: +SKIP
    PosixPath('confusion.tif')
    """
    path = Path(output)
    check_target(path, overwrite=overwrite)
    layers = open_layers(result, threshold)
    truth = open_reference(
        os.fspath(reference), layers.geobox, list_values(changed), list_values(ignore)
    )
    height, width = layers.geobox.shape
    with replace_atomically(path) as partial, create_raster(partial, layers.geobox) as dataset:
        plan = TilePlan((int(height), int(width)), TILE_SIZE)
        for tile, codes in run(TileConfusion(layers, truth), plan):
            core = tile.core
            area = RasterioWindow(core.col, core.row, core.width, core.height)
            dataset.write(codes, 1, window=area)
    return path


def plot_confusion(
    result: str | os.PathLike[str],
    reference: str | os.PathLike[str],
    *,
    changed: Values | None = None,
    ignore: Values | None = None,
    threshold: float = 0.5,
    max_px: int = 1024,
) -> Any:
    """Draw where a map is right and where it is wrong, shrunk to ``max_px``; returns the axes.

    The other parameters are those of :func:`map_confusion`. The legend counts the drawn pixels.

    Examples
    --------
    >>> plot_confusion("out", "label.tif").figure  # doctest: +SKIP
    """
    with TemporaryDirectory() as folder:
        path = map_confusion(
            result,
            reference,
            Path(folder) / "confusion.tif",
            changed=changed,
            ignore=ignore,
            threshold=threshold,
        )
        with rasterio.open(path) as dataset:
            factor = max(1.0, max(dataset.shape) / max_px)
            shape = tuple(max(1, round(n / factor)) for n in dataset.shape)
            codes = dataset.read(1, out_shape=shape)
    return plot_errors(codes)


def create_raster(path: Path, geobox: GeoBox) -> Any:
    """Create the GeoTIFF of a confusion map, open for writing."""
    height, width = geobox.shape
    dataset = rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=1,
        dtype="uint8",
        nodata=UNKNOWN,
        crs=None if geobox.crs is None else geobox.crs.to_wkt(),
        transform=geobox.affine,
        tiled=True,
        blockxsize=BLOCK_SIZE,
        blockysize=BLOCK_SIZE,
        compress="zstd",
        bigtiff="if_safer",
    )
    dataset.write_colormap(1, {code: rgb for code, (_, rgb) in CONFUSION_CLASSES.items()})
    dataset.set_band_description(1, "confusion")
    return dataset
