"""GeoTIFF and GeoPackage files of a scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.transform import Affine
from scene import CLASSES, Change, Scene
from scipy.ndimage import binary_dilation
from shapely import affinity, set_precision
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry
from texture import FloatArray

UNCHANGED, RELEVANT, OTHER, INVALID = 0, 1, 2, 255
"""Values of ``truth.tif``."""


@dataclass(frozen=True)
class Grid:
    """Where the pixels of a north-up raster lie.

    Parameters
    ----------
    crs : rasterio.crs.CRS
        Coordinate reference system in metres.
    west, north : float
        Top left corner.
    pixel_m : float
        Size of a pixel.
    rows, cols : int
        Size of the raster.
    """

    crs: CRS
    west: float
    north: float
    pixel_m: float
    rows: int
    cols: int

    @property
    def transform(self) -> Affine:
        """Pixel to map coordinates."""
        return Affine(self.pixel_m, 0, self.west, 0, -self.pixel_m, self.north)

    def coordinates(self) -> tuple[FloatArray, FloatArray]:
        """Return x (1, W) and y (H, 1) of the pixel centres, in metres from the corner."""
        x = (np.arange(self.cols, dtype=np.float32) + 0.5) * self.pixel_m
        y = (np.arange(self.rows, dtype=np.float32) + 0.5) * self.pixel_m
        return x[None, :], y[:, None]

    def at(self, pixel_m: float) -> Grid:
        """Return the grid of the same area at another pixel size."""
        ratio = self.pixel_m / pixel_m
        rows, cols = round(self.rows * ratio), round(self.cols * ratio)
        return Grid(self.crs, self.west, self.north, pixel_m, rows, cols)

    def place(self, geometry: BaseGeometry) -> BaseGeometry:
        """Return a geometry in metres of the scene as one in the CRS."""
        return affinity.affine_transform(geometry, [1, 0, 0, -1, self.west, self.north])


def write_raster(
    path: Path,
    image: NDArray[np.generic],
    grid: Grid,
    names: tuple[str, ...],
    *,
    date: str | None = None,
    nodata: float | None = None,
    transform: Affine | None = None,
    crs: CRS | None = None,
    scale: float | None = None,
    offset: float = 0.0,
    tags: dict[str, str] | None = None,
) -> None:
    """Write a tiled, compressed GeoTIFF.

    Parameters
    ----------
    path : pathlib.Path
        File to write.
    image : ndarray
        (bands, rows, columns).
    grid : Grid
        Where the pixels lie.
    names : tuple of str
        Band descriptions.
    date : str, optional
        Acquisition time, ISO 8601 in UTC.
    nodata : float, optional
        Value of missing pixels.
    transform, crs : optional
        Used instead of those of the grid.
    scale, offset : float
        Turn stored values into reflectance.
    tags : dict, optional
        More metadata.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff",
        "dtype": image.dtype,
        "count": image.shape[0],
        "height": image.shape[1],
        "width": image.shape[2],
        "crs": crs or grid.crs,
        "transform": transform or grid.transform,
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "compress": "ZSTD",
        "predictor": 2,
        "zstd_level": 19,
        "interleave": "pixel",
        "nodata": nodata,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(image)
        file.descriptions = names
        if scale is not None:
            file.scales, file.offsets = (scale,) * len(names), (offset,) * len(names)
        file.update_tags(**(tags or {}))
        if date is not None:
            stamp = date.replace("-", ":").replace("T", " ").rstrip("Z")
            file.update_tags(TIFFTAG_DATETIME=stamp, ACQUISITION_DATE=date)


def write_truth(
    folder: Path, scene: Scene, grid: Grid, difference: FloatArray, *, invalid: NDArray[np.bool_]
) -> None:
    """Write ``truth.gpkg`` and ``truth.tif``.

    Parameters
    ----------
    folder : pathlib.Path
        Where to write.
    scene : Scene
        Its changes are the truth.
    grid : Grid
        Grid of the before image.
    difference : ndarray
        float32 (bands, rows, columns): noise-free after minus before, in noise sigmas.
    invalid : ndarray
        bool (rows, columns): pixels without a truth.
    """
    frame = box(0, 0, grid.cols * grid.pixel_m, grid.rows * grid.pixel_m)
    rows = []
    for change in sorted(scene.changes, key=lambda c: (-CLASSES[c.label], c.label)):
        shape = set_precision(change.area.intersection(frame), 0.01)
        size_px = shape.area / grid.pixel_m**2
        if shape.geom_type not in ("Polygon", "MultiPolygon") or size_px < 1:
            continue
        rows.append(_describe(change, shape, size_px, grid, difference, len(rows) + 1))
    table = gpd.GeoDataFrame(rows, geometry="geometry", crs=grid.crs)
    table["geometry"] = table.geometry.map(grid.place)
    path = folder / "truth.gpkg"
    path.unlink(missing_ok=True)
    table.to_file(
        path,
        layer="truth",
        engine="pyogrio",
        dataset_options={"VERSION": "1.2"},
        SPATIAL_INDEX="NO",
    )
    labels = _label(table, grid)
    labels[invalid] = INVALID
    write_raster(folder / "truth.tif", labels[None], grid, ("Truth",), nodata=INVALID)


def _describe(
    change: Change,
    shape: BaseGeometry,
    size_px: float,
    grid: Grid,
    difference: FloatArray,
    number: int,
) -> dict[str, object]:
    return {
        "id": number,
        "class": change.label,
        "kind": change.kind,
        "relevant": CLASSES[change.label],
        "contrast_sigma": round(_contrast(shape, grid, difference), 1),
        "size_px": round(size_px, 1),
        "geometry": shape,
    }


def _contrast(shape: BaseGeometry, grid: Grid, difference: FloatArray) -> float:
    ring_px = 8
    left, top, right, bottom = np.array(shape.bounds) / grid.pixel_m
    row0, row1 = max(int(top) - ring_px, 0), min(int(bottom) + ring_px + 1, grid.rows)
    col0, col1 = max(int(left) - ring_px, 0), min(int(right) + ring_px + 1, grid.cols)
    local = Affine(grid.pixel_m, 0, col0 * grid.pixel_m, 0, grid.pixel_m, row0 * grid.pixel_m)
    inside = rasterize(
        [shape],
        out_shape=(row1 - row0, col1 - col0),
        transform=local,
        all_touched=shape.area < 4 * grid.pixel_m**2,
        dtype="uint8",
    ).astype(bool)
    ring = binary_dilation(inside, iterations=ring_px) & ~binary_dilation(inside, iterations=2)
    values = difference[:, row0:row1, col0:col1]
    if not inside.any():
        return 0.0
    level = np.median(values[:, ring], axis=1) if ring.any() else 0.0
    return float(np.abs(values[:, inside].mean(axis=1) - level).max())


def _label(table: gpd.GeoDataFrame, grid: Grid) -> NDArray[np.uint8]:
    labels = np.full((grid.rows, grid.cols), UNCHANGED, np.uint8)
    for relevant, value in ((0, OTHER), (1, RELEVANT)):
        shapes = table.geometry[table["relevant"] == relevant]
        if len(shapes):
            rasterize(shapes, out=labels, transform=grid.transform, default_value=value)
    return labels
