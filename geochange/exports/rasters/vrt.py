"""Display bands that lie in several files, at several resolutions, as one raster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import rasterio
from affine import Affine
from rasterio.dtypes import dtype_rev, typename_fwd

from geochange.errors import GridError, UsageError
from geochange.exports.paths import locate
from geochange.io.files.atomic import replace_atomically


@dataclass(frozen=True, slots=True)
class StackedBand:
    """One band of one file, and where its pixels lie."""

    path: str
    band: int
    transform: Affine
    width: int
    height: int
    crs: str | None
    dtype: str
    nodata: float | None
    scale: float
    offset: float
    description: str | None


def write_stack_vrt(bands: Sequence[tuple[str | Path, int]], path: str | Path) -> Path:
    """Write a VRT that shows bands of several files as one raster on the grid of the finest.

    Sentinel-2 keeps each band in a file of its own, at 10, 20 or 60 m; this makes a picture of
    them that QGIS and GDAL open. It copies no pixels.

    Parameters
    ----------
    bands : sequence of (path, band)
        Bands in the order of the stack, such as red, green, blue; counted from 1 in their file.
    path : str or Path
        VRT to write; sources are named relative to its folder.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    UsageError
        No bands.
    GridError
        The files differ in CRS or in rotation.
    OutputError, ResourceError
        The file cannot be written, the disk is full.
    """
    if not bands:
        msg = "a stack needs at least one band, got none"
        raise UsageError(msg)
    sources = [_open(str(name), band) for name, band in bands]
    finest = min(sources, key=lambda source: abs(source.transform.determinant))
    root = ET.Element("VRTDataset", rasterXSize=str(finest.width), rasterYSize=str(finest.height))
    if finest.crs is not None:
        ET.SubElement(root, "SRS").text = finest.crs
    geotransform = ", ".join(repr(float(value)) for value in finest.transform.to_gdal())
    ET.SubElement(root, "GeoTransform").text = geotransform
    for number, source in enumerate(sources, start=1):
        _add_band(root, number, source, finest, Path(path).parent)
    with replace_atomically(path) as temporary:
        ET.ElementTree(root).write(temporary, encoding="utf-8")
    return Path(path)


def _open(path: str, band: int) -> StackedBand:
    with rasterio.open(path) as file:
        return StackedBand(
            path,
            band,
            file.transform,
            file.width,
            file.height,
            file.crs.to_wkt() if file.crs else None,
            file.dtypes[band - 1],
            file.nodatavals[band - 1],
            file.scales[band - 1],
            file.offsets[band - 1],
            file.descriptions[band - 1],
        )


def _add_band(
    root: ET.Element, number: int, source: StackedBand, grid: StackedBand, folder: Path
) -> None:
    """Add a band that draws all of ``source`` where it lies on ``grid``."""
    to_grid = ~grid.transform * source.transform
    turned = max(abs(to_grid.b), abs(to_grid.d)) > 1e-9 or min(to_grid.a, to_grid.e) <= 0
    if source.crs != grid.crs or turned:
        msg = (
            f"{source.path} and {grid.path} differ in CRS or rotation; a stack needs bands of "
            "one projection"
        )
        raise GridError(msg)
    band = ET.SubElement(
        root, "VRTRasterBand", dataType=typename_fwd[dtype_rev[source.dtype]], band=str(number)
    )
    ET.SubElement(band, "Description").text = source.description or Path(source.path).stem
    if source.nodata is not None:
        ET.SubElement(band, "NoDataValue").text = repr(source.nodata)
    ET.SubElement(band, "Offset").text = repr(source.offset)
    ET.SubElement(band, "Scale").text = repr(source.scale)
    simple = ET.SubElement(band, "SimpleSource", resampling="bilinear")
    name = locate(source.path, folder)
    relative = str(int(not Path(name).is_absolute()))
    ET.SubElement(simple, "SourceFilename", relativeToVRT=relative).text = name
    ET.SubElement(simple, "SourceBand").text = str(source.band)
    size = {"xSize": str(source.width), "ySize": str(source.height)}
    ET.SubElement(simple, "SrcRect", {"xOff": "0", "yOff": "0", **size})
    place = {
        "xOff": to_grid.c,
        "yOff": to_grid.f,
        "xSize": source.width * to_grid.a,
        "ySize": source.height * to_grid.e,
    }
    ET.SubElement(simple, "DstRect", {key: repr(float(value)) for key, value in place.items()})
