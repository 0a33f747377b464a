"""From the ground to the sensor: sun, shadow, air, clouds, optics and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from canvas import Canvas
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from spectra import BANDS
from texture import FloatArray, fractal, stream

# Share of skylight in the irradiance, path reflectance of the air and its transmittance.
_SKYLIGHT = (0.32, 0.27, 0.21, 0.165, 0.15, 0.13, 0.12, 0.10, 0.095, 0.09, 0.08, 0.055, 0.05)
_PATH = (0.115, 0.080, 0.050, 0.030, 0.025, 0.020, 0.017, 0.013, 0.011, 0.009, 0.0008, 0.003, 0.002)
_PASS = (0.78, 0.82, 0.86, 0.89, 0.90, 0.91, 0.92, 0.93, 0.93, 0.28, 0.002, 0.94, 0.93)


@dataclass(frozen=True)
class Cloud:
    """A cloud above (x, y) and the height that decides where its shadow falls.

    Parameters
    ----------
    x, y : float
        Centre in metres.
    radius : float
        Mean radius in metres.
    base_m : float
        Height above the ground.
    thickness : float
        Largest opacity, 0 to 1; thin ones are cirrus.
    key : int
        Picks the shape.
    """

    x: float
    y: float
    radius: float
    base_m: float
    thickness: float
    key: int

    def opacity(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the opacity at places in metres, 0 to 1."""
        rng = stream(self.key, "cloud")
        noise = fractal(256, rng, outer_px=90, inner_px=1.2, slope=1.75)
        dx, dy = (x - self.x) / self.radius, (y - self.y) / self.radius
        envelope = np.full(np.broadcast_shapes(x.shape, y.shape), -9.0, np.float32)
        for _ in range(9):
            cx, cy = rng.normal(0, 0.3, 2)
            size = rng.uniform(0.4, 0.75)
            lobe = 1.3 - ((dx - cx) ** 2 + (dy - cy) ** 2) / size**2
            envelope = np.maximum(envelope, lobe)
        at = np.array(np.broadcast_arrays(dy * 45 + 128, dx * 45 + 128))
        rough = map_coordinates(noise, at, order=1, mode="grid-wrap")
        density = np.clip((envelope + 0.5 * rough - 0.1) / 2.2, 0, 1)
        return (self.thickness * density * density * (3 - 2 * density)).astype(np.float32)


@dataclass(frozen=True)
class Acquisition:
    """One look at the scene.

    Parameters
    ----------
    sun_azimuth, sun_elevation : float
        Degrees; azimuth clockwise from north.
    shift_m : tuple of float
        How far the content lies from where the georeference says, (x, y).
    haze : float
        Factor on the path reflectance.
    haze_slope : float
        Relative rise of the haze from left to right.
    clouds : tuple of Cloud
        Clouds at that time.
    brightness : tuple of float
        Gain of the whole image, one a band or one for all.
    skylight : float
        Factor on the share of skylight; low suns have more.
    """

    sun_azimuth: float
    sun_elevation: float
    shift_m: tuple[float, float] = (0.0, 0.0)
    haze: float = 1.0
    haze_slope: float = 0.2
    clouds: tuple[Cloud, ...] = ()
    brightness: tuple[float, ...] = (1.0,)
    skylight: float = 1.0

    def shadow_offset(self, height_m: float) -> tuple[float, float]:
        """Return where the shadow of a point at a height falls, (x, y) in metres."""
        length = height_m / np.tan(np.radians(self.sun_elevation))
        azimuth = np.radians(self.sun_azimuth)
        return -length * float(np.sin(azimuth)), length * float(np.cos(azimuth))

    def cloud_opacity(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the opacity of all clouds at places in metres."""
        clear = np.ones(np.broadcast_shapes(x.shape, y.shape), np.float32)
        for cloud in self.clouds:
            clear *= 1 - cloud.opacity(x, y)
        return 1 - clear

    def cloud_shadow(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the share of sunlight that clouds take away at places in metres."""
        clear = np.ones(np.broadcast_shapes(x.shape, y.shape), np.float32)
        for cloud in self.clouds:
            dx, dy = self.shadow_offset(cloud.base_m)
            clear *= 1 - cloud.opacity(x - dx, y - dy)
        return 1 - clear


@dataclass(frozen=True)
class Light:
    """Sunlight and skylight on a canvas, relative to open, level ground."""

    sun: FloatArray
    sky: FloatArray
    skylight: float = 1.0

    def on(self, band: int) -> FloatArray:
        """Return the irradiance factor of a band."""
        share = _SKYLIGHT[band] * self.skylight
        return self.sun * (1 - share) + self.sky * share


def illuminate(canvas: Canvas, look: Acquisition) -> Light:
    """Work out sun and sky on every pixel of a canvas.

    Parameters
    ----------
    canvas : Canvas
        Ground with its heights.
    look : Acquisition
        Position of the sun and the clouds.

    Returns
    -------
    Light
        Factors around 1 on open, level ground.
    """
    height, res = canvas.height_m, canvas.resolution_m
    azimuth, elevation = np.radians(look.sun_azimuth), np.radians(look.sun_elevation)
    lit = 1 - _cast_shadow(height, res, azimuth, elevation)
    slope_y, slope_x = np.gradient(height, res)
    wall = np.hypot(slope_x, slope_y) > 3.0
    slope_x, slope_y = np.where(wall, 0, slope_x), np.where(wall, 0, slope_y)
    toward = -slope_x * np.sin(azimuth) + slope_y * np.cos(azimuth)
    facing = (np.sin(elevation) + toward * np.cos(elevation)) / np.sqrt(1 + slope_x**2 + slope_y**2)
    facing = np.clip(facing / np.sin(elevation), 0, 2.0)
    x, y = canvas.coordinates(slice(0, canvas.shape[0]), slice(0, canvas.shape[1]))
    sun = lit * facing
    if look.clouds:
        sun *= 1 - 0.92 * look.cloud_shadow(x, y)
    around = gaussian_filter(height, 2.5 / res)
    sky = 1 - 0.45 * np.clip((around - height) / 5, 0, 1)
    return Light(sun.astype(np.float32), sky.astype(np.float32), look.skylight)


def _cast_shadow(height: FloatArray, res: float, azimuth: float, elevation: float) -> FloatArray:
    step_x, step_y = np.sin(azimuth), -np.cos(azimuth)
    drop = res * np.tan(elevation)
    highest = np.full_like(height, -1e3)
    rows, cols = height.shape
    for k in range(1, int(float(height.max()) / drop) + 2):
        dr, dc = round(k * step_y), round(k * step_x)
        to_r, from_r = _overlap(rows, dr)
        to_c, from_c = _overlap(cols, dc)
        part = highest[to_r, to_c]
        np.maximum(part, height[from_r, from_c] - np.float32(k * drop), out=part)
    return np.clip((highest - height) / max(0.25, 0.3 * res), 0, 1)


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    if shift >= 0:
        return slice(0, max(size - shift, 0)), slice(min(shift, size), size)
    return slice(min(-shift, size), size), slice(0, max(size + shift, 0))


def observe(
    canvas: Canvas,
    light: Light,
    look: Acquisition,
    band: int,
    x: FloatArray,
    y: FloatArray,
    *,
    pixel_m: float,
    blur: float = 0.55,
) -> FloatArray:
    """Return the reflectance that a sensor sees at places in metres, without noise.

    Parameters
    ----------
    canvas : Canvas
        Ground.
    light : Light
        Light on it.
    look : Acquisition
        Shift, haze and clouds.
    band : int
        Column of `spectra.REFLECTANCE`.
    x, y : ndarray
        Pixel centres, in metres of the canvas.
    pixel_m : float
        Size of a pixel on the ground.
    blur : float
        Width (standard deviation) of the point spread, in pixels.

    Returns
    -------
    ndarray
        float32, as large as x and y broadcast.
    """
    ground = canvas.reflectance(band) * light.on(band)
    ground = gaussian_filter(ground, blur * pixel_m / canvas.resolution_m, truncate=3)
    x, y = np.broadcast_arrays(x - look.shift_m[0], y - look.shift_m[1])
    at = np.array([y - canvas.top, x - canvas.left]) / canvas.resolution_m - 0.5
    seen = map_coordinates(ground, at, order=1, mode="nearest")
    width = canvas.shape[1] * canvas.resolution_m
    across = (x - canvas.left) / width
    path = _PATH[band] * (look.haze + look.haze_slope * (across - 0.5))
    seen = path + _PASS[band] * seen
    if look.clouds:
        seen = _behind_clouds(seen, look, band, x, y)
    return (seen * look.brightness[band % len(look.brightness)]).astype(np.float32)


def _behind_clouds(
    seen: FloatArray, look: Acquisition, band: int, x: FloatArray, y: FloatArray
) -> FloatArray:
    opacity = look.cloud_opacity(x, y)
    radius = look.clouds[0].radius
    dx, dy = look.shadow_offset(1.0)
    reach = 0.12 * radius / max(np.hypot(dx, dy), 1e-6)
    toward = opacity - look.cloud_opacity(x + dx * -reach, y + dy * -reach)
    white = (0.37 + 0.12 * opacity + 0.40 * toward) * (0.5 if band > 10 else 1.0)
    if BANDS[band] == "B10":
        white = white * 0.02
    return seen * (1 - opacity) + white * opacity


def add_noise(
    image: FloatArray, rng: np.random.Generator, *, read: float, shot: float
) -> FloatArray:
    """Add sensor noise: a constant part, one that grows with the signal, and faint columns.

    Parameters
    ----------
    image : ndarray
        float32 (H, W) in the unit of `read`.
    rng : numpy.random.Generator
        Source of the noise.
    read : float
        Standard deviation in the dark.
    shot : float
        Variance per unit of signal.

    Returns
    -------
    ndarray
        float32 (H, W).
    """
    spread = np.sqrt(read**2 + shot * np.maximum(image, 0))
    columns = 1 + 0.0012 * rng.standard_normal(image.shape[1]).astype(np.float32)
    return (image * columns + spread * rng.standard_normal(image.shape)).astype(np.float32)


def mask_clouds(
    look: Acquisition, x: FloatArray, y: FloatArray, threshold: float = 0.12
) -> NDArray[np.uint8]:
    """Return 0 clear, 1 cloud, 2 cloud shadow at places in metres."""
    x, y = x - look.shift_m[0], y - look.shift_m[1]
    shadow = look.cloud_shadow(x, y) > threshold
    cloud = look.cloud_opacity(x, y) > threshold
    return np.where(cloud, 1, np.where(shadow, 2, 0)).astype(np.uint8)
