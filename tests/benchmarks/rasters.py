"""Pairs of rasters for the speed tables: texture, noise and seeded square changes.

Pairs of more than ``LARGEST_WRITTEN`` px are VRT files that repeat a smaller pair.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

BANDS = 4
BLOCK = 512
LARGEST_WRITTEN = 30_000
REPEATED = 4_000
"""Edge in pixels of the pair that larger ones repeat."""
TRANSFORM = Affine(1, 0, 500000, 0, -1, 5000000)
CRS = "EPSG:32632"

Paths = tuple[str, str]
Image = np.ndarray


def make_pair(folder: str, size: int, density: float, codec: str) -> Paths:
    """Write a pair of ``size`` x ``size`` px, 4 bands uint16, and return its paths.

    Parameters
    ----------
    folder : str
    size : int
        Edge in pixels.
    density : float
        Changes per million pixels.
    codec : str
        Compression of GDAL, with predictor 2: ``zstd`` or ``deflate``.
    """
    if size > LARGEST_WRITTEN:
        tiles = make_pair(folder, REPEATED, density, codec)
        return repeat(tiles[0], size), repeat(tiles[1], size)
    paths = tuple(f"{folder}/{date}-{size}-{codec}.tif" for date in ("before", "after"))
    profile = {
        "driver": "GTiff", "height": size, "width": size, "count": BANDS, "dtype": "uint16",
        "crs": CRS, "transform": TRANSFORM, "tiled": True, "blockxsize": BLOCK,
        "blockysize": BLOCK, "compress": codec, "predictor": 2, "num_threads": "ALL_CPUS",
        "bigtiff": "IF_SAFER", "nodata": 0,
    }  # fmt: skip
    places = list(product(range(0, size, BLOCK), repeat=2))
    with (
        rasterio.open(paths[0], "w", **profile) as before,
        rasterio.open(paths[1], "w", **profile) as after,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for start in range(0, len(places), 64):
            some = places[start : start + 64]
            blocks = pool.map(lambda place: make_block(place, density), some)
            for (row, col), images in zip(some, blocks, strict=True):
                window = Window(col, row, min(BLOCK, size - col), min(BLOCK, size - row))
                for dataset, image in zip((before, after), images, strict=True):
                    dataset.write(image[:, : window.height, : window.width], window=window)
    return paths[0], paths[1]


def make_block(place: tuple[int, int], density: float) -> tuple[Image, Image]:
    """Return a block of both dates, uint16 (4, 512, 512); depends on its place alone."""
    row, col = place
    texture = np.random.default_rng(0).normal(1500, 300, (BANDS, BLOCK // 8, BLOCK // 8))
    ground = texture.astype(np.float32).repeat(8, 1).repeat(8, 2)
    ground = np.roll(ground, (row // 7, col // 5), (1, 2))
    rng = np.random.default_rng([row, col])
    dates = [ground + 12 * rng.standard_normal(ground.shape, np.float32) for _ in range(2)]
    for _ in range(rng.poisson(density * BLOCK**2 / 1e6)):
        top, left, edge = (int(v) for v in rng.integers((0, 0, 3), (480, 480, 30)))
        dates[1][:, top : top + edge, left : left + edge] += 500
    before, after = (date.clip(1, 65535).astype(np.uint16) for date in dates)
    return before, after


def repeat(path: str, size: int) -> str:
    """Write a VRT of ``size`` x ``size`` px that repeats a raster, and return its path."""
    with rasterio.open(path) as dataset:
        edge, wkt, nodata = dataset.width, dataset.crs.to_wkt(), dataset.nodata
    places = list(product(range(0, size, edge), repeat=2))
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{band}"><NoDataValue>{nodata}</NoDataValue>'
        + "".join(describe_source(path, band, edge, row, col) for row, col in places)
        + "</VRTRasterBand>"
        for band in range(1, BANDS + 1)
    )
    transform = ",".join(map(str, TRANSFORM.to_gdal()))
    vrt = Path(path).with_name(f"{Path(path).stem}-{size}.vrt")
    vrt.write_text(
        f'<VRTDataset rasterXSize="{size}" rasterYSize="{size}"><SRS>{wkt}</SRS>'
        f"<GeoTransform>{transform}</GeoTransform>{bands}</VRTDataset>"
    )
    return str(vrt)


def weigh_pair(paths: Paths, size: int) -> int:
    """Return the bytes of both files; of a repeated pair as if all of it were written."""
    folder = Path(paths[0]).parent
    times = (size / REPEATED) ** 2 if size > LARGEST_WRITTEN else 1
    return round(times * sum(file.stat().st_size for file in folder.glob("*.tif")))


def describe_source(path: str, band: int, edge: int, row: int, col: int) -> str:
    """Return the VRT element that puts a raster at a place; GDAL cuts what reaches beyond."""
    return (
        f'<SimpleSource><SourceFilename relativeToVRT="1">{Path(path).name}</SourceFilename>'
        f'<SourceBand>{band}</SourceBand><SourceProperties RasterXSize="{edge}" '
        f'RasterYSize="{edge}" DataType="UInt16" BlockXSize="{BLOCK}" BlockYSize="{BLOCK}"/>'
        f'<SrcRect xOff="0" yOff="0" xSize="{edge}" ySize="{edge}"/>'
        f'<DstRect xOff="{col}" yOff="{row}" xSize="{edge}" ySize="{edge}"/></SimpleSource>'
    )
