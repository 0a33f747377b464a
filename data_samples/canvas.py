"""A finely sampled picture of the ground: materials, brightness and height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import from_origin
from shapely.geometry.base import BaseGeometry
from spectra import REFLECTANCE, material_code
from texture import FloatArray, Textures


@dataclass(frozen=True)
class Surface:
    """How a piece of ground looks: a blend of two materials under several textures.

    Parameters
    ----------
    base, blend : str
        The two materials.
    mix : float
        Share of `blend`, before the textures.
    mix_broad, mix_middle, mix_fine, mix_ridges, mix_stripes : float
        Strength of each texture in the share.
    gain : float
        Brightness factor.
    gain_broad, gain_middle, gain_fine, gain_stripes : float
        Strength of each texture in the brightness.
    angle : float
        Direction across the stripes, degrees.
    spacing_m : float
        Width of a stripe.
    """

    base: str
    blend: str
    mix: float = 0.3
    mix_broad: float = 0.0
    mix_middle: float = 0.0
    mix_fine: float = 0.0
    mix_ridges: float = 0.0
    mix_stripes: float = 0.0
    gain: float = 1.0
    gain_broad: float = 0.0
    gain_middle: float = 0.0
    gain_fine: float = 0.05
    gain_stripes: float = 0.0
    angle: float = 0.0
    spacing_m: float = 3.0


class Canvas:
    """Layers of a scene on a fine grid; x grows to the right, y grows downwards.

    Parameters
    ----------
    bounds_m : tuple of float
        Left, top, right and bottom in metres.
    resolution_m : float
        Size of a canvas pixel.
    textures : Textures
        Random fields of the scene.
    """

    def __init__(
        self,
        bounds_m: tuple[float, float, float, float],
        resolution_m: float,
        textures: Textures,
    ) -> None:
        self.left, self.top, right, bottom = bounds_m
        self.resolution_m = resolution_m
        self.textures = textures
        self.shape = (
            round((bottom - self.top) / resolution_m),
            round((right - self.left) / resolution_m),
        )
        self.base = np.zeros(self.shape, np.uint8)
        self.blend = np.zeros(self.shape, np.uint8)
        self.mix = np.zeros(self.shape, np.float32)
        self.gain = np.ones(self.shape, np.float32)
        self.height_m = np.zeros(self.shape, np.float32)

    def window(self, bounds: tuple[float, float, float, float]) -> tuple[slice, slice]:
        """Return the rows and columns that cover bounds in metres, cut to the canvas."""
        res = self.resolution_m
        left, top, right, bottom = bounds
        row0 = int(np.clip(np.floor((top - self.top) / res), 0, self.shape[0]))
        row1 = int(np.clip(np.ceil((bottom - self.top) / res), row0, self.shape[0]))
        col0 = int(np.clip(np.floor((left - self.left) / res), 0, self.shape[1]))
        col1 = int(np.clip(np.ceil((right - self.left) / res), col0, self.shape[1]))
        return slice(row0, row1), slice(col0, col1)

    def coordinates(self, rows: slice, cols: slice) -> tuple[FloatArray, FloatArray]:
        """Return x (1, W) and y (H, 1) of the pixel centres of a window."""
        x = (
            self.left
            + (np.arange(cols.start, cols.stop, dtype=np.float32) + 0.5) * self.resolution_m
        )
        y = (
            self.top
            + (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * self.resolution_m
        )
        return x[None, :], y[:, None]

    def mask(self, geometry: BaseGeometry) -> tuple[slice, slice, NDArray[np.bool_]]:
        """Return the window of a geometry and the pixels inside it."""
        rows, cols = self.window(geometry.bounds)
        shape = (rows.stop - rows.start, cols.stop - cols.start)
        if 0 in shape:
            return rows, cols, np.zeros(shape, bool)
        res = self.resolution_m
        # Rows grow downwards and so does y: a transform with a positive row step.
        origin_x, origin_y = self.left + cols.start * res, self.top + rows.start * res
        transform = from_origin(origin_x, origin_y, res, -res)
        inside = rasterize([geometry], out_shape=shape, transform=transform, dtype="uint8")
        return rows, cols, inside.astype(bool)

    def paint(
        self,
        geometry: BaseGeometry,
        surface: Surface,
        *,
        key: int = 0,
        height_m: float | None = None,
    ) -> None:
        """Cover a geometry with a surface.

        Parameters
        ----------
        geometry : shapely geometry
            Area to cover, in metres.
        surface : Surface
            What to cover it with.
        key : int
            Picks the part of the textures, so that two surfaces never look alike.
        height_m : float, optional
            New height of the area; by default the height stays.
        """
        if geometry.is_empty:
            return
        rows, cols, inside = self.mask(geometry)
        if not inside.any():
            return
        self.cover(rows, cols, inside, surface, key=key)
        if height_m is not None:
            self.height_m[rows, cols][inside] = height_m

    def cover(
        self,
        rows: slice,
        cols: slice,
        inside: NDArray[np.bool_],
        surface: Surface,
        *,
        key: int = 0,
        shade: FloatArray | None = None,
    ) -> None:
        """Cover the pixels `inside` a window with a surface, times an optional brightness."""
        mix = self._textured(rows, cols, key, surface, "mix")
        gain = self._textured(rows, cols, key + 17, surface, "gain")
        value = np.clip(surface.mix + mix, 0, 1)
        brightness = surface.gain * np.clip(1 + gain, 0.3, 2.0)
        if shade is not None:
            brightness = brightness * shade
        self.base[rows, cols][inside] = material_code(surface.base)
        self.blend[rows, cols][inside] = material_code(surface.blend)
        shape = inside.shape
        self.mix[rows, cols][inside] = np.broadcast_to(value, shape)[inside]
        self.gain[rows, cols][inside] = np.broadcast_to(brightness, shape)[inside]

    def _textured(
        self, rows: slice, cols: slice, key: int, surface: Surface, prefix: str
    ) -> FloatArray:
        total = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.float32)
        names = (
            ("broad", "middle", "fine", "ridges")
            if prefix == "mix"
            else ("broad", "middle", "fine")
        )
        for number, name in enumerate(names):
            strength = getattr(surface, f"{prefix}_{name}")
            if strength:
                total += strength * self.textures.read(name, rows, cols, key + 3 * number)
        strength = getattr(surface, f"{prefix}_stripes")
        if strength:
            x, y = self.coordinates(rows, cols)
            angle = np.radians(surface.angle)
            across = (x * np.cos(angle) + y * np.sin(angle)).astype(np.float32)
            total += strength * self.textures.stripes(across / surface.spacing_m, key)
        return total

    def stain(self, stains: dict[str, str]) -> None:
        """Turn materials into others wherever they are."""
        table = np.arange(len(REFLECTANCE), dtype=np.uint8)
        for old, new in stains.items():
            table[material_code(old)] = material_code(new)
        self.base, self.blend = table[self.base], table[self.blend]

    def reflectance(self, band: int) -> FloatArray:
        """Return the surface reflectance of a band, float32 (H, W)."""
        table = REFLECTANCE[:, band]
        low = table[self.base]
        low += self.mix * (table[self.blend] - low)
        low *= self.gain
        return low
