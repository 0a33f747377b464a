"""The Sentinel-2-like pair: a town edge, farmland and forest in thirteen bands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from canvas import Canvas
from countryside import lay_out
from geofiles import Grid, write_raster, write_truth
from numpy.typing import NDArray
from rasterio.crs import CRS
from sensor import Acquisition, Cloud, Light, add_noise, illuminate, observe
from spectra import BANDS
from texture import FloatArray, Textures, stream

SIZE_PX, FINE_M = 480, 2.5
GRID = Grid(CRS.from_epsg(32631), 469_180.0, 5_412_340.0, 10.0, SIZE_PX, SIZE_PX)
PIXEL_M = dict.fromkeys(BANDS, 20.0) | {
    "B02": 10.0,
    "B03": 10.0,
    "B04": 10.0,
    "B08": 10.0,
    "B01": 60.0,
    "B09": 60.0,
    "B10": 60.0,
}
NOISE_DN = dict.fromkeys(BANDS, 6.0) | {"B10": 1.2, "B09": 4.0}
DATES = ("2022-05-14T10:56:21Z", "2024-07-27T10:56:19Z")
FOLDERS = ("before", "after")


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
    textures = Textures(seed + 1, FINE_M)
    clean, invalid = [], np.zeros((SIZE_PX, SIZE_PX), bool)
    for date, look in enumerate(looks):
        canvas = scene.draw(date, textures, FINE_M)
        light = illuminate(canvas, look)
        bands = {name: _sense(canvas, light, look, name) for name in BANDS}
        for name, band in bands.items():
            _write_band(folder, date, name, band, seed)
        classes = _classify(bands, look, date)
        _write(folder / FOLDERS[date] / "SCL.tif", classes, "SCL", 20.0, date)
        coarse = np.isin(classes, (0, 3, 8, 9, 10))
        invalid |= np.kron(coarse, np.ones((2, 2), bool))
        clean.append(np.stack([bands[name] for name in ("B02", "B03", "B04", "B08")]))
    sigma = np.sqrt(2 * (6.0**2 + 0.014 * 1500))
    write_truth(folder, scene, GRID, (clean[1] - clean[0]) / sigma, invalid=invalid)


def acquisitions(seed: int) -> tuple[Acquisition, Acquisition]:
    """Return sun, air and clouds of the two dates."""
    early = (
        Cloud(4330, 4230, 130, 900, 0.95, seed + 1),
        Cloud(700, 2960, 520, 3200, 0.16, seed + 2),
    )
    late = (
        Cloud(3080, 4420, 210, 1150, 0.97, seed + 3),
        Cloud(3560, 4560, 120, 1150, 0.93, seed + 4),
        Cloud(4560, 560, 160, 1250, 0.96, seed + 5),
        Cloud(4250, 330, 75, 1250, 0.85, seed + 6),
        Cloud(4480, 1750, 560, 3800, 0.14, seed + 7),
    )
    before = Acquisition(152.0, 57.0, haze=0.95, haze_slope=0.1, clouds=early)
    after = Acquisition(149.0, 56.0, shift_m=(3.1, -2.2), haze=1.12, haze_slope=0.16, clouds=late)
    return before, after


def _sense(canvas: Canvas, light: Light, look: Acquisition, name: str) -> FloatArray:
    x, y = GRID.at(PIXEL_M[name]).coordinates()
    seen = observe(canvas, light, look, BANDS.index(name), x, y, pixel_m=PIXEL_M[name], blur=0.48)
    return seen * np.float32(10_000)


def _outside(x: FloatArray, y: FloatArray, date: int) -> NDArray[np.bool_]:
    edge = x - 0.22 * y < -380.0 if date == 0 else x > 1e9
    return np.broadcast_to(edge, (y.shape[0], x.shape[1]))


def _write_band(folder: Path, date: int, name: str, band: FloatArray, seed: int) -> None:
    noisy = add_noise(band, stream(seed, name, date), read=NOISE_DN[name], shot=0.014)
    image = np.clip(np.rint(noisy), 1, 65_535).astype(np.uint16)
    grid = GRID.at(PIXEL_M[name])
    image[_outside(*grid.coordinates(), date)] = 0
    _write(folder / FOLDERS[date] / f"{name}.tif", image, name, PIXEL_M[name], date)


def _write(path: Path, image: NDArray[np.generic], name: str, pixel_m: float, date: int) -> None:
    tags = (
        {} if name == "SCL" else {"QUANTIFICATION_VALUE": "10000", "PROCESSING_LEVEL": "L1C-like"}
    )
    write_raster(
        path, image[None], GRID.at(pixel_m), (name,), nodata=0, date=DATES[date], tags=tags
    )


def _classify(bands: dict[str, FloatArray], look: Acquisition, date: int) -> NDArray[np.uint8]:
    grid = GRID.at(20.0)
    x, y = grid.coordinates()
    green, red = (_halve(bands[name]) for name in ("B03", "B04"))
    near, short = bands["B8A"], bands["B11"]
    ndvi = (near - red) / (near + red)
    classes = np.where(ndvi > 0.42, 4, 5)
    classes[(near < 900) & (short < 900)] = 2
    classes[(green - near) / (green + near) > 0.05] = 6
    sx, sy = x - look.shift_m[0], y - look.shift_m[1]
    thick = replace(look, clouds=tuple(c for c in look.clouds if c.thickness > 0.3))
    thin = replace(look, clouds=tuple(c for c in look.clouds if c.thickness <= 0.3))
    classes[thick.cloud_shadow(sx, sy) > 0.22] = 3
    classes[thin.cloud_opacity(sx, sy) > 0.05] = 10
    opacity = thick.cloud_opacity(sx, sy)
    classes[opacity > 0.08] = 8
    classes[opacity > 0.6] = 9
    classes[_outside(x, y, date)] = 0
    return classes.astype(np.uint8)


def _halve(band: FloatArray) -> FloatArray:
    rows, cols = band.shape
    return band.reshape(rows // 2, 2, cols // 2, 2).mean(axis=(1, 3))
