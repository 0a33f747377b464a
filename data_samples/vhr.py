"""The very-high-resolution pair: a suburb, a retail park and farmland at 0.6 m."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from geofiles import Grid, write_raster, write_truth
from rasterio.crs import CRS
from scene import Scene
from sensor import Acquisition, Cloud, add_noise, illuminate, mask_clouds, observe
from spectra import BLUE, GREEN, NIR, RED
from suburb import lay_out
from texture import FloatArray, Textures, stream

BANDS = {"Blue": BLUE, "Green": GREEN, "Red": RED, "NIR": NIR}
SIZE_PX, PIXEL_M, OVERSAMPLING = 768, 0.6, 3
GRID = Grid(CRS.from_epsg(32632), 691_214.4, 5_334_871.2, PIXEL_M, SIZE_PX, SIZE_PX)
DATES = ("2023-06-18T10:21:07Z", "2025-08-29T10:34:52Z")
DN_PER_REFLECTANCE = (2720.0, 2740.0, 2790.0, 2000.0)
READ_NOISE_DN, SHOT_NOISE = 1.8, 0.008
_SIZE_M = SIZE_PX * PIXEL_M


def make(folder: Path, seed: int) -> None:
    """Write the scene.

    Parameters
    ----------
    folder : pathlib.Path
        Where to write.
    seed : int
        Seed of everything in it.
    """
    scene = lay_out(seed)
    looks = acquisitions(seed)
    textures = Textures(seed, PIXEL_M / OVERSAMPLING)
    x, y = GRID.coordinates()
    clean = [_photograph(scene, date, looks[date], textures, x, y) for date in (0, 1)]
    clouds = mask_clouds(looks[1], x, y)
    wedge = _wedge(x, y)
    for date, name in enumerate(("before", "after")):
        image = _digitise(clean[date], stream(seed, "noise", date))
        if date == 1:
            image[:, wedge] = 0
        write_raster(folder / f"{name}.tif", image, GRID, tuple(BANDS), nodata=0, date=DATES[date])
    write_raster(folder / "clouds_after.tif", clouds[None], GRID, ("Clouds",), date=DATES[1])
    sigma = np.sqrt(2 * (READ_NOISE_DN**2 + SHOT_NOISE * clean[0].mean(axis=(1, 2))))
    write_truth(
        folder,
        scene,
        GRID,
        (clean[1] - clean[0]) / sigma[:, None, None],
        invalid=wedge | (clouds > 0),
    )


def acquisitions(seed: int) -> tuple[Acquisition, Acquisition]:
    """Return sun, air and clouds of the two dates."""
    cloud = Cloud(376.0, 402.0, 42.0, 95.0, 0.97, seed + 23)
    before = Acquisition(148.0, 58.0, haze=0.42, haze_slope=0.08, brightness=(1.0,))
    after = Acquisition(
        161.0,
        46.0,
        shift_m=(0.19, -0.13),
        haze=0.6,
        haze_slope=0.25,
        clouds=(cloud,),
        brightness=(0.94,),
    )
    return before, after


def _photograph(
    scene: Scene, date: int, look: Acquisition, textures: Textures, x: FloatArray, y: FloatArray
) -> FloatArray:
    canvas = scene.draw(date, textures, PIXEL_M / OVERSAMPLING)
    light = illuminate(canvas, look)
    bands = [
        observe(canvas, light, look, band, x, y, pixel_m=PIXEL_M) * gain
        for band, gain in zip(BANDS.values(), DN_PER_REFLECTANCE, strict=True)
    ]
    return np.stack(bands)


def _digitise(clean: FloatArray, rng: np.random.Generator) -> np.ndarray:
    noisy = [add_noise(band, rng, read=READ_NOISE_DN, shot=SHOT_NOISE) for band in clean]
    return np.clip(np.rint(np.stack(noisy)), 1, 2047).astype(np.uint16)


def _wedge(x: FloatArray, y: FloatArray) -> np.ndarray:
    return np.broadcast_to(x - _SIZE_M > -2 - 0.085 * (_SIZE_M - y), (y.shape[0], x.shape[1]))
