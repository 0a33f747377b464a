"""The hard pair: a village in summer and in winter, on grids that share nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from geofiles import Grid, write_raster, write_truth
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.transform import Affine
from scene import Scene
from sensor import Acquisition, add_noise, illuminate, observe
from spectra import BLUE, GREEN, NIR, RED
from texture import FloatArray, Textures, stream
from village import lay_out

BEFORE_BANDS = {"Blue": BLUE, "Green": GREEN, "Red": RED, "NIR": NIR}
AFTER_BANDS = {"Red": RED, "Green": GREEN, "Blue": BLUE, "NIR": NIR}
GRID = Grid(CRS.from_epsg(32633), 713_402.0, 5_397_668.0, 1.0, 512, 512)
AFTER_CRS, AFTER_PIXEL_M, AFTER_SHAPE = CRS.from_epsg(32634), 1.3, (398, 412)
AFTER_SCALE, AFTER_OFFSET, AFTER_NODATA = 1e-4, -0.1, -32_768
DATES = ("2021-07-03T09:48:30Z", "2024-01-19T11:52:04Z")
FINE_M = 1.0 / 3
DN_PER_REFLECTANCE = (2720.0, 2740.0, 2790.0, 2000.0)
BEFORE_NOISE_DN, AFTER_NOISE = 2.4, 0.0016
_SIZE_M = 512.0
_WINTER = {
    "grass_lush": "grass",
    "grass": "grass_winter",
    "grass_dry": "litter",
    "reed": "litter",
    "leaf_olive": "litter",
    "leaf": "litter",
}


def make(folder: Path, seed: int) -> None:
    """Write the scene.

    Parameters
    ----------
    folder : pathlib.Path
        Where to write.
    seed : int
        Seed of everything in it.
    """
    scene, textures = lay_out(seed), Textures(seed + 2, FINE_M)
    before = make_before(folder, scene, textures)
    winter = Acquisition(
        203.0,
        18.0,
        haze=0.55,
        haze_slope=-0.15,
        shift_m=(0.42, 0.35),
        skylight=1.7,
        brightness=(0.8,),
    )
    canvas = scene.draw(1, textures, FINE_M, bare=True, stains=_WINTER)
    light = illuminate(canvas, winter)
    x, y = GRID.coordinates()
    after = np.stack(
        [observe(canvas, light, winter, b, x, y, pixel_m=1.3) for b in BEFORE_BANDS.values()]
    )
    transform, far_x, far_y = _after_places()
    image = np.stack(
        [
            observe(canvas, light, winter, b, far_x, far_y, pixel_m=AFTER_PIXEL_M)
            for b in AFTER_BANDS.values()
        ]
    )
    _write_after(folder, image, _outside(far_x, far_y), transform, seed)
    sigma = np.hypot(BEFORE_NOISE_DN / 2500, AFTER_NOISE)
    uncovered = _outside(*np.broadcast_arrays(x, y)) | ~_covered(x, y, transform)
    write_truth(folder, scene, GRID, (after - before) / np.float32(sigma), invalid=uncovered)


def make_before(folder: Path, scene: Scene, textures: Textures) -> FloatArray:
    """Write the summer image and return its reflectance without noise.

    Parameters
    ----------
    folder : pathlib.Path
        Where to write.
    scene : Scene
        The village.
    textures : Textures
        Its random fields.

    Returns
    -------
    ndarray
        float32 (bands, rows, columns).
    """
    summer = Acquisition(141.0, 57.0, haze=0.45, haze_slope=0.1)
    canvas = scene.draw(0, textures, FINE_M)
    light = illuminate(canvas, summer)
    x, y = GRID.coordinates()
    before = np.stack(
        [observe(canvas, light, summer, b, x, y, pixel_m=1.0) for b in BEFORE_BANDS.values()]
    )
    _write_before(folder, before, scene.seed)
    return before


def _write_before(folder: Path, before: FloatArray, seed: int) -> None:
    gains = np.array(DN_PER_REFLECTANCE, np.float32)[:, None, None]
    rng = stream(seed, "before noise")
    noisy = [add_noise(band, rng, read=BEFORE_NOISE_DN, shot=0.012) for band in before * gains]
    image = np.clip(np.rint(np.stack(noisy)), 1, 2047).astype(np.uint16)
    write_raster(folder / "before.tif", image, GRID, tuple(BEFORE_BANDS), nodata=0, date=DATES[0])


def _write_after(
    folder: Path, image: FloatArray, missing: np.ndarray, transform: Affine, seed: int
) -> None:
    rng = stream(seed, "after noise")
    noisy = np.stack([add_noise(band, rng, read=AFTER_NOISE, shot=3e-6) for band in image])
    step = 4  # the sensor's own step is coarser than the stored one
    stored = step * np.rint((noisy - AFTER_OFFSET) / AFTER_SCALE / step)
    stored = stored.astype(np.int16)
    stored[:, missing] = AFTER_NODATA
    write_raster(
        folder / "after.tif",
        stored,
        GRID,
        tuple(AFTER_BANDS),
        nodata=AFTER_NODATA,
        date=DATES[1],
        transform=transform,
        crs=AFTER_CRS,
        scale=AFTER_SCALE,
        offset=AFTER_OFFSET,
    )


def _after_places() -> tuple[Affine, FloatArray, FloatArray]:
    there = Transformer.from_crs(GRID.crs, AFTER_CRS, always_xy=True)
    back = Transformer.from_crs(AFTER_CRS, GRID.crs, always_xy=True)
    east, north = there.transform(GRID.west + _SIZE_M / 2 + 9, GRID.north - _SIZE_M / 2 - 14)
    rows, cols = AFTER_SHAPE
    west = round(east - cols * AFTER_PIXEL_M / 2) + 0.37
    south = round(north - rows * AFTER_PIXEL_M / 2) + 0.81
    transform = Affine(AFTER_PIXEL_M, 0, west, 0, AFTER_PIXEL_M, south)
    col, row = np.meshgrid(np.arange(cols) + 0.5, np.arange(rows) + 0.5)
    e, n = back.transform(west + col * AFTER_PIXEL_M, south + row * AFTER_PIXEL_M)
    return transform, (e - GRID.west).astype(np.float32), (GRID.north - n).astype(np.float32)


def _covered(x: FloatArray, y: FloatArray, transform: Affine) -> np.ndarray:
    there = Transformer.from_crs(GRID.crs, AFTER_CRS, always_xy=True)
    x, y = np.broadcast_arrays(x, y)
    east, north = there.transform(GRID.west + x.astype(float), GRID.north - y.astype(float))
    col, row = (east - transform.c) / transform.a, (north - transform.f) / transform.e
    return (col >= 0) & (row >= 0) & (col < AFTER_SHAPE[1]) & (row < AFTER_SHAPE[0])


def _outside(x: FloatArray, y: FloatArray) -> np.ndarray:
    return np.asarray(x + 0.55 * y < 22.0)
