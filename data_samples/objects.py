"""Things that stand on the ground: buildings, trees and cars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from canvas import Canvas, Surface
from geometry import rectangle
from numpy.typing import NDArray
from shapely.geometry import Point, Polygon
from texture import FloatArray, stream

Presence = tuple[bool, bool]
_Block = Callable[[float, float, tuple[float, float], float, Surface], None]
BOTH: Presence = (True, True)
BEFORE_ONLY: Presence = (True, False)
AFTER_ONLY: Presence = (False, True)


@dataclass(frozen=True)
class Building:
    """A block with a roof.

    Parameters
    ----------
    x, y : float
        Centre.
    length, width : float
        Size; the ridge runs along the length.
    angle : float
        Direction of the length, degrees.
    eave_m : float
        Height of the walls.
    roof : str
        ``gable``, ``hip``, ``flat`` or ``shed``.
    cover : Surface
        Roof covering.
    key : int
        Picks details and textures.
    pitch : float
        Slope of the roof, degrees.
    present : tuple of bool
        Whether it stands at each date.
    """

    x: float
    y: float
    length: float
    width: float
    angle: float
    eave_m: float
    roof: str
    cover: Surface
    key: int
    pitch: float = 32.0
    present: Presence = BOTH

    @property
    def footprint(self) -> Polygon:
        """Outline on the ground."""
        return rectangle(self.x, self.y, self.length, self.width, self.angle)

    def draw(self, canvas: Canvas) -> None:
        """Paint the roof and set the heights; where a taller wing stands, it stays."""
        rows, cols = canvas.window(self.footprint.bounds)
        if rows.start == rows.stop or cols.start == cols.stop:
            return
        u, v = _turned(canvas, rows, cols, self.x, self.y, self.angle)
        to_gable, to_eave = self.length / 2 - np.abs(u), self.width / 2 - np.abs(v)
        inside = (to_gable > 0) & (to_eave > 0)
        rise = np.tan(np.radians(self.pitch))
        to_edge = np.minimum(to_gable, to_eave)
        if self.roof == "hip":
            height = self.eave_m + to_edge * rise
        elif self.roof == "gable":
            height = self.eave_m + to_eave * rise
        elif self.roof == "shed":
            height = self.eave_m + (v + self.width / 2) * 0.12
        else:
            height = self.eave_m + 0.6 * (to_edge < 0.45)
        inside &= height > canvas.height_m[rows, cols]
        shade = self._shade(u, v, to_gable, to_eave, canvas)
        canvas.cover(rows, cols, inside, self.cover, key=self.key, shade=shade)
        canvas.height_m[rows, cols][inside] = height[inside]
        if canvas.resolution_m < 0.6:
            self._draw_details(canvas)

    def _shade(
        self, u: FloatArray, v: FloatArray, gable: FloatArray, eave: FloatArray, canvas: Canvas
    ) -> FloatArray:
        rng = stream(self.key, "roof")
        shade = np.ones(np.broadcast_shapes(u.shape, v.shape), np.float32)
        stain = canvas.textures.stripes(v * 0.9 + 50, self.key) * rng.uniform(0.01, 0.035)
        panel = canvas.textures.stripes(u / rng.uniform(0.9, 2.2) + 90, self.key + 5)
        shade = shade * (1 + stain + panel * rng.uniform(0.008, 0.03))
        if self.roof in ("gable", "hip"):
            shade = shade * (
                1 + 0.14 * (np.abs(v) < 0.22) - 0.16 * (np.minimum(gable, eave) < 0.25)
            )
        elif self.roof == "flat":
            rim = np.minimum(gable, eave)
            shade = shade * (1 + 0.22 * (rim < 0.45) - 0.10 * ((rim > 0.45) & (rim < 1.1)))
        return shade.astype(np.float32)

    def _draw_details(self, canvas: Canvas) -> None:
        rng = stream(self.key, "details")
        turn = np.radians(self.angle)
        ux, uy = np.cos(turn), np.sin(turn)

        def block(
            u: float, v: float, size: tuple[float, float], rise: float, cover: Surface
        ) -> None:
            x, y = self.x + u * ux - v * uy, self.y + u * uy + v * ux
            shape = rectangle(x, y, *size, self.angle)
            rows, cols, inside = canvas.mask(shape)
            if not inside.any():
                return
            top = float(canvas.height_m[rows, cols][inside].max())
            canvas.cover(rows, cols, inside, cover, key=self.key)
            if rise:
                canvas.height_m[rows, cols][inside] = top + rise

        if self.roof == "flat" and self.width > 9:
            _equip(block, rng, self.length / 2, self.width / 2)
        elif self.roof != "flat" and self.width > 6:
            _fit_out(block, rng, self.length / 2, self.width / 2)


_EQUIPMENT = (
    Surface("tile_brown", "concrete", mix=0.4),
    Surface("metal", "concrete", mix=0.3, gain=1.2),
    Surface("metal", "paint", mix=0.3),
    Surface("glass", "membrane", mix=0.15),
)
_PANEL = Surface("panel", "glass", mix=0.2, gain_fine=0.06)


def _equip(block: _Block, rng: np.random.Generator, half_u: float, half_v: float) -> None:
    for _ in range(int(rng.integers(2, 4 + int(half_u * half_v / 40)))):
        u, v = rng.uniform(-0.8, 0.8) * half_u, rng.uniform(-0.75, 0.75) * half_v
        size = (rng.uniform(0.9, 3.2), rng.uniform(0.9, 2.2))
        block(u, v, size, rng.uniform(0.5, 1.4), _EQUIPMENT[rng.integers(3)])
    if rng.random() < 0.6:
        step = rng.uniform(5, 8)
        for u in np.arange(-half_u + step, half_u - 2, step):
            for v in (-half_v * 0.45, half_v * 0.45):
                block(u, v, (1.3, 2.4), 0.25, Surface("membrane", "glass", mix=0.25))


def _fit_out(block: _Block, rng: np.random.Generator, half_u: float, half_v: float) -> None:
    if rng.random() < 0.7:
        v = rng.uniform(-0.35, 0.35) * half_v
        block(rng.uniform(-0.7, 0.7) * half_u, v, (0.9, 0.7), 0.9, _EQUIPMENT[0])
    for _ in range(int(rng.integers(0, 4))):
        v = rng.choice([-1, 1]) * half_v * rng.uniform(0.3, 0.7)
        block(rng.uniform(-0.8, 0.8) * half_u, v, (0.8, 1.0), 0, _EQUIPMENT[3])
    if rng.random() < 0.22:
        v = rng.choice([-1, 1]) * half_v * 0.5
        block(rng.uniform(-0.3, 0.3) * half_u, v, (half_u * 0.9, half_v * 0.6), 0, _PANEL)


@dataclass(frozen=True)
class Tree:
    """A crown of leaves.

    Parameters
    ----------
    x, y : float
        Centre.
    radius : float
        Radius of the crown.
    height_m : float
        Height of its top.
    cover : Surface
        Leaves.
    key : int
        Picks the shape.
    conifer : bool
        Pointed and evergreen.
    present : tuple of bool
        Whether it stands at each date.
    """

    x: float
    y: float
    radius: float
    height_m: float
    cover: Surface
    key: int
    conifer: bool = False
    present: Presence = BOTH

    @property
    def footprint(self) -> Polygon:
        """Crown seen from above."""
        return Point(self.x, self.y).buffer(self.radius, quad_segs=6)

    def draw(self, canvas: Canvas, *, bare: bool = False) -> None:
        """Paint the crown; a bare one lets the ground show through."""
        reach = self.radius * 1.2
        bounds = (self.x - reach, self.y - reach, self.x + reach, self.y + reach)
        rows, cols = canvas.window(bounds)
        if rows.start == rows.stop or cols.start == cols.stop:
            return
        x, y = canvas.coordinates(rows, cols)
        dx, dy = x - self.x, y - self.y
        rng = stream(self.key, "tree")
        if self.radius < 4 * canvas.resolution_m:
            height, tint = self._dome(dx, dy), np.float32(rng.uniform(0.85, 1.15))
        elif self.conifer:
            height, tint = self._cone(dx, dy, rng)
        else:
            height, tint = self._clumps(dx, dy, rng)
        inside = (height > 0) & (height > canvas.height_m[rows, cols])
        if bare and not self.conifer:
            self._draw_bare(canvas, rows, cols, inside, height, rng)
            return
        shade = (0.8 + 0.35 * np.clip(height / self.height_m, 0, 1) ** 2) * tint
        shade = np.broadcast_to(shade, inside.shape).astype(np.float32)
        canvas.cover(rows, cols, inside, self.cover, key=self.key, shade=shade)
        canvas.height_m[rows, cols][inside] = height[inside]

    def _dome(self, dx: FloatArray, dy: FloatArray) -> FloatArray:
        r2 = (dx * dx + dy * dy) / self.radius**2
        return np.where(r2 < 1, self.height_m * (0.45 + 0.55 * np.sqrt(np.maximum(1 - r2, 0))), 0)

    def _clumps(
        self, dx: FloatArray, dy: FloatArray, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        shape = np.broadcast_shapes(dx.shape, dy.shape)
        height, tint = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        count = int(9 + 5 * self.radius)
        stretch = rng.uniform(0.8, 1.2)
        for _ in range(count):
            r, a = self.radius * 0.8 * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
            size = self.radius * rng.uniform(0.2, 0.42)
            cx, cy = r * np.cos(a) * stretch, r * np.sin(a) / stretch
            r2 = ((dx - cx) ** 2 + (dy - cy) ** 2) / size**2
            foot = self.height_m * (0.86 - 0.42 * (r / self.radius) ** 2) - size * 0.9
            top = np.where(r2 < 1, foot + 1.5 * size * np.sqrt(np.maximum(1 - r2, 0)), 0)
            higher = top > height
            height = np.where(higher, top, height)
            tint = np.where(higher, rng.uniform(0.82, 1.18), tint)
        return height.astype(np.float32), tint.astype(np.float32)

    def _cone(
        self, dx: FloatArray, dy: FloatArray, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        r, a = np.hypot(dx, dy), np.arctan2(dy, dx)
        spokes = int(rng.integers(7, 12))
        wave = np.cos(spokes * a + rng.uniform(0, 6)) + np.cos((spokes + 3) * a + rng.uniform(0, 6))
        edge = self.radius * (0.97 + 0.1 * wave)
        height = np.where(r < edge, self.height_m * (1 - 0.8 * r / edge + 0.04 * wave), 0)
        tint = 1 + 0.08 * wave * np.minimum(r / self.radius, 1)
        return height.astype(np.float32), tint.astype(np.float32)

    def _draw_bare(
        self,
        canvas: Canvas,
        rows: slice,
        cols: slice,
        inside: NDArray[np.bool_],
        height: FloatArray,
        rng: np.random.Generator,
    ) -> None:
        grain = canvas.textures.read("fine", rows, cols, self.key)
        grain = grain + 0.4 * canvas.textures.read("middle", rows, cols, self.key)
        branches = inside & (grain > 0.15)
        shade = np.full(inside.shape, rng.uniform(0.75, 1.05), np.float32)
        twigs = Surface("twigs", "litter", mix=0.4, mix_fine=0.2, gain=0.85)
        canvas.cover(rows, cols, branches, twigs, key=self.key, shade=shade)
        tall = inside & (grain > 1.3)
        canvas.height_m[rows, cols][tall] = 0.8 * height[tall]


@dataclass(frozen=True)
class Car:
    """A vehicle of the given length, with windows and a paint."""

    x: float
    y: float
    angle: float
    paint: str
    length: float = 4.4
    width: float = 1.8
    height_m: float = 1.4
    present: Presence = BOTH

    @property
    def footprint(self) -> Polygon:
        """Outline on the ground."""
        return rectangle(self.x, self.y, self.length, self.width, self.angle)

    def draw(self, canvas: Canvas) -> None:
        """Paint the body, then the windows."""
        rows, cols, inside = canvas.mask(self.footprint)
        if not inside.any():
            return
        canvas.cover(rows, cols, inside, Surface(self.paint, self.paint, gain_fine=0.04))
        canvas.height_m[rows, cols][inside] = self.height_m * 0.75
        u, v = _turned(canvas, rows, cols, self.x, self.y, self.angle)
        cabin = inside & (np.abs(u + 0.25) < 0.27 * self.length) & (np.abs(v) < 0.42 * self.width)
        glass = cabin & (np.abs(u + 0.25) > 0.17 * self.length)
        if self.length > 5.5:
            glass = inside & (u > 0.42 * self.length)
            cabin = inside
        canvas.cover(rows, cols, glass, Surface("glass", "glass"))
        canvas.height_m[rows, cols][cabin] = self.height_m


def _turned(
    canvas: Canvas, rows: slice, cols: slice, x: float, y: float, angle: float
) -> tuple[FloatArray, FloatArray]:
    px, py = canvas.coordinates(rows, cols)
    turn = np.radians(angle)
    dx, dy = px - x, py - y
    u = dx * np.cos(turn) + dy * np.sin(turn)
    v = -dx * np.sin(turn) + dy * np.cos(turn)
    return u.astype(np.float32), v.astype(np.float32)
