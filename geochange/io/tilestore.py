"""A raster that is written tile by tile from any thread or process and read by any window."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window as RasterioWindow

from geochange.tiles import Tile, TilePlan, Window

TILE_TRANSFORM = Affine.scale(1.0, -1.0)
"""Tile files carry no place of their own (the VRT does); this only keeps readers from warning."""
VRT_TYPES = {"uint8": "Byte", "uint16": "UInt16", "float32": "Float32"}


@dataclass(frozen=True, slots=True)
class TileStore:
    """One single-band raster as a folder of tile files, each written once and atomically.

    Finished tiles survive a crash, writers need no lock, and a million tiles hold no memory. The
    store is a description: it opens nothing when built and pickles as its fields.

    Attributes
    ----------
    folder : Path
    geobox : GeoBox
        Grid of the whole raster.
    tile_size : int
        Edge of a tile in pixels.
    dtype : str
    nodata : int or float
        Value of pixels outside the grid and of tiles that were never written.
    """

    folder: Path
    geobox: GeoBox
    tile_size: int
    dtype: str
    nodata: float

    @property
    def plan(self) -> TilePlan:
        """The tiling of the store, without halo."""
        height, width = self.geobox.shape
        return TilePlan((int(height), int(width)), self.tile_size)

    def path(self, index: int) -> Path:
        """Return the file of the tile ``index`` of :attr:`plan`."""
        row, col = divmod(index, self.plan.grid[1])
        return self.folder / f"{row:05d}" / f"{col:05d}.tif"

    def has(self, index: int) -> bool:
        """Tell whether the tile is finished."""
        return self.path(index).exists()

    def write(self, tile: Tile, pixels: NDArray[Any]) -> None:
        """Write the core of a tile, (height, width) of ``tile.core``, and rename it into place."""
        path = self.path(tile.index)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        height, width = pixels.shape
        with rasterio.MemoryFile() as memory:
            self._encode(memory, pixels, height, width)
            temporary.write_bytes(memory.getbuffer())
        temporary.replace(path)

    def _encode(
        self, memory: rasterio.MemoryFile, pixels: NDArray[Any], height: int, width: int
    ) -> None:
        with memory.open(
            driver="GTiff",
            height=height,
            width=width,
            count=1,
            dtype=self.dtype,
            nodata=self.nodata,
            compress="zstd",
            zstd_level=1,
            predictor=2 if self.dtype == "uint16" else 1,
            blockysize=min(128, height),
            transform=TILE_TRANSFORM,
        ) as dataset:
            dataset.write(pixels.astype(self.dtype, copy=False), 1)

    def read(self, window: Window) -> NDArray[Any]:
        """Read any window, (height, width); ``nodata`` outside the grid and in missing tiles."""
        out = np.full(window.shape, self.nodata, self.dtype)
        plan = self.plan
        inside = window.intersect(Window(0, 0, *plan.shape))
        if inside is None:
            return out
        for row in range(inside.row // plan.size, (inside.stop_row - 1) // plan.size + 1):
            for col in range(inside.col // plan.size, (inside.stop_col - 1) // plan.size + 1):
                tile = plan[row * plan.grid[1] + col]
                part = tile.core.intersect(inside)
                if part is None or not self.has(tile.index):
                    continue
                local = RasterioWindow(
                    part.col - tile.core.col, part.row - tile.core.row, part.width, part.height
                )
                with rasterio.open(self.path(tile.index)) as dataset:
                    out[part.slices_in(window)] = dataset.read(1, window=local)
        return out

    def write_vrt(self) -> Path:
        """Write and return a VRT that shows the store as one georeferenced raster to GDAL."""
        height, width = self.plan.shape
        root = ET.Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
        if self.geobox.crs is not None:
            ET.SubElement(root, "SRS").text = self.geobox.crs.to_wkt()
        geotransform = ", ".join(repr(float(v)) for v in self.geobox.affine.to_gdal())
        ET.SubElement(root, "GeoTransform").text = geotransform
        band = ET.SubElement(root, "VRTRasterBand", dataType=VRT_TYPES[self.dtype], band="1")
        ET.SubElement(band, "NoDataValue").text = repr(self.nodata)
        for tile in self.plan:
            if not self.has(tile.index):
                continue
            core = tile.core
            source = ET.SubElement(band, "SimpleSource")
            name = self.path(tile.index).relative_to(self.folder).as_posix()
            ET.SubElement(source, "SourceFilename", relativeToVRT="1").text = name
            ET.SubElement(source, "SourceBand").text = "1"
            size = {"xSize": str(core.width), "ySize": str(core.height)}
            ET.SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0", **size})
            place = {"xOff": str(core.col), "yOff": str(core.row)}
            ET.SubElement(source, "DstRect", {**place, **size})
        path = self.folder / "mosaic.vrt"
        ET.ElementTree(root).write(path, encoding="utf-8")
        return path
