"""Finished tiles as one Cloud Optimized GeoTIFF."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from rasterio.io import MemoryFile

from geochange.exports.rasters.pyramid import Resampling, encode_levels
from geochange.io.files.atomic import replace_atomically
from geochange.io.stores.score import MASK_NODATA, SCORE_SCALE
from geochange.io.stores.tiff import (
    LONG,
    SUBFILE_TYPE,
    Field,
    Fields,
    Image,
    pack_head,
    read_fields,
)
from geochange.io.stores.tilestore import TileStore
from geochange.maps.sweep import Runner

Color = tuple[int, int, int, int]
MASK_COLORS: Mapping[int, Color] = {
    0: (255, 255, 255, 255),
    1: (228, 26, 28, 255),
    MASK_NODATA: (128, 128, 128, 0),
}
"""Colours (red, green, blue, alpha) of a change mask. TIFF keeps alpha for nodata alone."""
STRIPS = (273, 278, 279)
"""TIFF tags of an image that is not tiled: offsets, rows and bytes of its strips."""
OF_OVERVIEWS = (258, 262, 277, 284, 320, 339, 42113)
"""TIFF tags that an overview has too: what a sample is, colours, nodata."""


def write_cog(
    store: TileStore,
    path: str | Path,
    *,
    description: str,
    scale: float | None = None,
    offset: float = 0.0,
    colormap: Mapping[int, Color] | None = None,
    tags: Mapping[str, str] | None = None,
    overviews: Resampling = "average",
    run: Runner = map,
) -> Path:
    """Write the raster of a tile store as a Cloud Optimized GeoTIFF, block by block.

    Missing tiles become nodata, nodata is never averaged into overviews, and the same pixels give
    the same bytes, whatever the tiles and whoever runs the loops. Memory does not grow with the
    raster; the blocks wait in the store's folder until the file is put together.

    Parameters
    ----------
    store : TileStore
        Finished tiles of one band, uint8 or uint16.
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
    overviews : {"average", "nearest"}
        How overviews are made; "nearest" keeps classes and the share of each.
    run : callable
        How the loops over parts of the raster run; see :class:`~geochange.maps.sweep.Runner`.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError, ResourceError
        The file cannot be written, the disk is full, a tile is damaged.

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
    work = store.folder / "pyramid"
    try:
        with replace_atomically(path) as temporary:
            fields = _describe(store, description, scale, offset, colormap, tags or {})
            levels = encode_levels(store, work, overviews, run)
            images = [
                Image(_of_overview(fields) if n else fields, level.plan.shape, sizes)
                for n, (level, sizes) in enumerate(levels)
            ]
            with temporary.open("wb") as file:
                file.write(pack_head(images))
                for level, sizes in reversed(levels):
                    file.writelines(level.take_blocks(sizes))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Path(path)


def write_score(
    store: TileStore, path: str | Path, *, tags: Mapping[str, str], run: Runner = map
) -> Path:
    """Write ``score.tif``: uint16 levels whose band scale gives change scores in [0, 1]."""
    return write_cog(store, path, description="change score", scale=SCORE_SCALE, tags=tags, run=run)


def write_mask(
    store: TileStore, path: str | Path, *, tags: Mapping[str, str], run: Runner = map
) -> Path:
    """Write ``mask.tif``: uint8, 0 no change, 1 change, 255 nodata, with a colour table."""
    return write_cog(
        store,
        path,
        description="change",
        colormap=MASK_COLORS,
        tags=tags,
        overviews="nearest",
        run=run,
    )


def _describe(
    store: TileStore,
    description: str,
    scale: float | None,
    offset: float,
    colormap: Mapping[int, Color] | None,
    tags: Mapping[str, str],
) -> Fields:
    """Return what GDAL writes into a GeoTIFF of one pixel that has this place and meaning."""
    crs = store.geobox.crs
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            height=1,
            width=1,
            count=1,
            dtype=store.dtype,
            nodata=store.nodata,
            crs=None if crs is None else crs.to_wkt(),
            transform=store.geobox.affine,
            endianness="LITTLE",
        ) as dataset:
            dataset.update_tags(**tags)
            dataset.set_band_description(1, description)
            if scale is not None:
                dataset.scales, dataset.offsets = (scale,), (offset,)
            if colormap:
                dataset.write_colormap(1, colormap)
        fields = read_fields(bytes(memory.getbuffer()))
    return {tag: field for tag, field in fields.items() if tag not in STRIPS}


def _of_overview(fields: Fields) -> Fields:
    reduced = {tag: field for tag, field in fields.items() if tag in OF_OVERVIEWS}
    return {SUBFILE_TYPE: Field(LONG, (1).to_bytes(4, "little")), **reduced}
