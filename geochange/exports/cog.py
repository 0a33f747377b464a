"""Finished tiles as one Cloud Optimized GeoTIFF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import rasterio.shutil

from geochange.io.atomic import replace_atomically
from geochange.io.score import MASK_NODATA, SCORE_SCALE
from geochange.io.tilestore import VRT_TYPES, TileStore

BLOCK_SIZE = 512
BOUNDS = {"GDAL_MAX_DATASET_POOL_SIZE": "8", "GDAL_CACHEMAX": 32 * 2**20}
"""Keeps memory flat: GDAL would hold hundreds of tiles open, and their pixels (cache in bytes)."""
Color = tuple[int, int, int, int]
MASK_COLORS: Mapping[int, Color] = {
    0: (255, 255, 255, 255),
    1: (228, 26, 28, 255),
    MASK_NODATA: (128, 128, 128, 0),
}
"""Colours (red, green, blue, alpha) of a change mask. TIFF keeps alpha for nodata alone."""


def write_cog(
    store: TileStore,
    path: str | Path,
    *,
    description: str,
    scale: float | None = None,
    offset: float = 0.0,
    colormap: Mapping[int, Color] | None = None,
    tags: Mapping[str, str] | None = None,
    overview_resampling: Literal["average", "nearest", "mode"] = "average",
) -> Path:
    """Write the raster of a tile store as a Cloud Optimized GeoTIFF, tile by tile.

    Missing tiles become nodata, nodata is never averaged into overviews, and the same store gives
    the same bytes. Memory does not grow with the raster.

    Parameters
    ----------
    store : TileStore
        Finished tiles of one band.
    path : str or Path
        File to write; an existing one is replaced at the end.
    description : str
        Name of the band.
    scale, offset : float, optional
        Physical value = stored value * scale + offset, kept with the band.
    colormap : mapping of int to (red, green, blue, alpha), optional
        Colour table for a uint8 store.
    tags : mapping of str to str, optional
        Metadata of the dataset.
    overview_resampling : {"average", "nearest", "mode"}
        How overviews are made; "nearest" keeps classes and the share of each.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError, ResourceError
        The file cannot be written, the disk is full.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> import numpy as np, rasterio
    >>> from odc.geo.geobox import GeoBox
    >>> folder = Path(mkdtemp())
    >>> grid = GeoBox.from_bbox((0, 0, 30, 20), "EPSG:32633", resolution=10)
    >>> store = TileStore(folder / "tiles", grid, 2, "uint8", 255)
    >>> for tile in store.plan:
    ...     store.write(tile, np.ones(tile.core.shape, np.uint8))
    >>> with rasterio.open(write_cog(store, folder / "mask.tif", description="change")) as mask:
    ...     mask.shape, mask.descriptions, mask.tags(ns="IMAGE_STRUCTURE")["LAYOUT"]
    ((2, 3), ('change',), 'COG')
    """
    described = _describe(store, description, scale, offset, colormap or {}, tags or {})
    with replace_atomically(path) as temporary, rasterio.Env(**BOUNDS):
        rasterio.shutil.copy(
            str(described),
            str(temporary),
            driver="COG",
            compress="ZSTD",
            level="1",  # higher levels take longer and save nothing on scores
            predictor="NO" if colormap else "YES",
            blocksize=str(BLOCK_SIZE),
            bigtiff="IF_SAFER",
            num_threads="ALL_CPUS",
            overview_resampling=overview_resampling.upper(),
            overviews="IGNORE_EXISTING",
        )
    return Path(path)


def write_score(store: TileStore, path: str | Path, *, tags: Mapping[str, str]) -> Path:
    """Write ``score.tif``: uint16 levels whose band scale gives change scores in [0, 1]."""
    return write_cog(store, path, description="change score", scale=SCORE_SCALE, tags=tags)


def write_mask(store: TileStore, path: str | Path, *, tags: Mapping[str, str]) -> Path:
    """Write ``mask.tif``: uint8, 0 no change, 1 change, 255 nodata, with a colour table."""
    return write_cog(
        store,
        path,
        description="change",
        colormap=MASK_COLORS,
        tags=tags,
        overview_resampling="nearest",
    )


def _describe(
    store: TileStore,
    description: str,
    scale: float | None,
    offset: float,
    colormap: Mapping[int, Color],
    tags: Mapping[str, str],
) -> Path:
    """Wrap the mosaic of a store into a VRT that also says what its values mean."""
    mosaic = store.write_vrt()
    height, width = store.plan.shape
    root = ET.Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    if store.geobox.crs is not None:
        ET.SubElement(root, "SRS").text = store.geobox.crs.to_wkt()
    geotransform = (repr(float(value)) for value in store.geobox.affine.to_gdal())
    ET.SubElement(root, "GeoTransform").text = ", ".join(geotransform)
    metadata = ET.SubElement(root, "Metadata")
    for key, value in tags.items():
        ET.SubElement(metadata, "MDI", key=key).text = value
    band = ET.SubElement(root, "VRTRasterBand", dataType=VRT_TYPES[store.dtype], band="1")
    ET.SubElement(band, "Description").text = description
    ET.SubElement(band, "NoDataValue").text = repr(store.nodata)
    if scale is not None:
        ET.SubElement(band, "Offset").text = repr(offset)
        ET.SubElement(band, "Scale").text = repr(scale)
    if colormap:
        _add_colors(band, colormap)
    source = ET.SubElement(band, "SimpleSource")
    ET.SubElement(source, "SourceFilename", relativeToVRT="1").text = mosaic.name
    ET.SubElement(source, "SourceBand").text = "1"
    path = mosaic.with_name("described.vrt")
    ET.ElementTree(root).write(path, encoding="utf-8")
    return path


def _add_colors(band: ET.Element, colormap: Mapping[int, Color]) -> None:
    ET.SubElement(band, "ColorInterp").text = "Palette"
    table = ET.SubElement(band, "ColorTable")
    for value in range(256):
        red, green, blue, alpha = colormap.get(value, (0, 0, 0, 255))
        channels = {"c1": str(red), "c2": str(green), "c3": str(blue), "c4": str(alpha)}
        ET.SubElement(table, "Entry", channels)
