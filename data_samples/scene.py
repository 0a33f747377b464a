"""A scene: what lies where at each of two dates, and what changed between them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from canvas import Canvas, Surface
from objects import BOTH, Building, Car, Presence, Tree
from shapely import affinity
from shapely.geometry import LineString, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import substring, unary_union
from texture import Textures, stream

CLASSES = {
    "appeared": 1,
    "vanished": 1,
    "grown": 1,
    "road": 1,
    "ground": 1,
    "clearcut": 1,
    "vegetation": 0,
    "vehicle": 0,
}
"""Class of a change and whether it is relevant (1) or not (0)."""


@dataclass(frozen=True)
class Change:
    """A change on the ground.

    Parameters
    ----------
    area : shapely geometry
        Where, in metres of the scene.
    label : str
        One of `CLASSES`.
    kind : str
        What happened, in words.
    """

    area: BaseGeometry
    label: str
    kind: str


@dataclass(frozen=True)
class Ground:
    """A covered area; a surface of None leaves what lies below."""

    area: BaseGeometry
    surfaces: tuple[Surface | None, Surface | None]
    key: int
    height_m: float | None = None


@dataclass
class Scene:
    """Everything in a scene, in the order of painting.

    Parameters
    ----------
    bounds_m : tuple of float
        Left, top, right and bottom of the canvas.
    seed : int
        Seed of the scene.
    """

    bounds_m: tuple[float, float, float, float]
    seed: int
    grounds: list[Ground] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    cars: list[Car] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    _last_key: int = 0

    @property
    def area(self) -> BaseGeometry:
        """The whole canvas."""
        return box(*self.bounds_m)

    def random(self, name: str) -> np.random.Generator:
        """Return the generator for one part of the scene."""
        return stream(self.seed, name)

    def key(self) -> int:
        """Return a number that no other object has."""
        self._last_key += 1
        return self.seed * 1_000_003 + self._last_key

    def cover(
        self,
        area: BaseGeometry,
        surface: Surface | tuple[Surface | None, Surface | None],
        *,
        present: Presence = BOTH,
        height_m: float | None = None,
        key: int | None = None,
    ) -> None:
        """Cover an area with a surface, or with one at each date.

        Areas with the same `key` share their textures, so that no seam shows.
        """
        pair = surface if isinstance(surface, tuple) else (surface, surface)
        shown = (pair[0] if present[0] else None, pair[1] if present[1] else None)
        self.grounds.append(Ground(area, shown, self.key() if key is None else key, height_m))

    def change(self, area: BaseGeometry, label: str, kind: str) -> None:
        """Record a change."""
        self.changes.append(Change(area, label, kind))

    def road(
        self,
        line: LineString,
        width: float,
        surface: Surface,
        *,
        present: Presence = BOTH,
        marked: bool = False,
        edge: Surface | None = None,
        worn: bool = True,
    ) -> None:
        """Lay a road: edge, tarmac, wheel tracks and, if `marked`, its lines."""
        if edge is not None:
            self.cover(line.buffer(width / 2 + 1.9, cap_style="flat"), edge, present=present)
        self.cover(line.buffer(width / 2, cap_style="flat"), surface, present=present)
        if worn:
            track = Surface(
                surface.base,
                surface.blend,
                surface.mix * 0.6,
                mix_middle=0.12,
                gain=surface.gain * 0.93,
                gain_middle=0.05,
                gain_fine=0.06,
            )
            for share in (-0.34, -0.16, 0.16, 0.34):
                wheel = line.offset_curve(share * width).buffer(0.4, cap_style="flat")
                self.cover(wheel, track, present=present)
            self._patch(line, width, surface, present)
        if marked:
            self._mark(line, width, present)

    def _patch(self, line: LineString, width: float, surface: Surface, present: Presence) -> None:
        rng = stream(self.key(), "patches")
        for _ in range(int(line.length / 45)):
            start, lane = rng.uniform(0, line.length), rng.choice([-0.25, 0.25])
            strip = substring(line, start, start + rng.uniform(3, 25)).offset_curve(lane * width)
            tone = Surface(
                surface.base,
                surface.blend,
                rng.uniform(0, 1),
                gain=surface.gain * rng.uniform(0.82, 1.12),
                gain_middle=0.04,
                gain_fine=0.06,
            )
            patch = strip.buffer(rng.uniform(0.12, 0.24) * width, cap_style="flat")
            self.cover(patch, tone, present=present)

    def _mark(self, line: LineString, width: float, present: Presence) -> None:
        white = Surface("paint", "asphalt_old", mix=0.3, mix_middle=0.15, mix_fine=0.2)
        dashes = [substring(line, s, s + 3.0) for s in np.arange(0, line.length, 9.0)]
        edges = [line.offset_curve(side * (width / 2 - 0.35)) for side in (-1, 1)]
        lines = unary_union([part.buffer(0.11, cap_style="flat") for part in dashes + edges])
        self.cover(lines, white, present=present)

    def hedge(
        self,
        line: LineString,
        cover: Surface,
        rng: np.random.Generator,
        *,
        height_m: float = 2.2,
        present: Presence = BOTH,
        gaps: float = 0.08,
    ) -> None:
        """Plant a row of bushes along a line."""
        for position in np.arange(0.5, line.length, 1.1):
            if rng.random() < gaps:
                continue
            place = line.interpolate(position)
            self.trees.append(
                Tree(
                    place.x + rng.normal(0, 0.15),
                    place.y + rng.normal(0, 0.15),
                    rng.uniform(0.7, 1.2),
                    height_m * rng.uniform(0.8, 1.2),
                    cover,
                    self.key(),
                    present=present,
                )
            )

    def crop(
        self,
        area: BaseGeometry,
        surfaces: tuple[Surface, Surface],
        angle: float,
        *,
        headland_m: float = 12.0,
        tramline_m: float = 24.0,
    ) -> None:
        """Lay a field: its surface at each date, headlands and tramlines across `angle`."""
        self.cover(area, surfaces)
        core = area.buffer(-headland_m)
        turned = tuple(replace(s, angle=s.angle + 90, gain=s.gain * 0.96) for s in surfaces)
        self.cover(area.difference(core), turned)
        if core.is_empty or not tramline_m:
            return
        pale = tuple(replace(s, gain=s.gain * 1.04, mix=min(s.mix + 0.22, 1)) for s in surfaces)
        flat = affinity.rotate(core, -angle, origin=(0, 0))
        left, top, right, bottom = flat.bounds
        lines = [
            LineString([(u + gap, top - 1), (u + gap, bottom + 1)])
            for u in np.arange(left + tramline_m / 3, right, tramline_m)
            for gap in (0.0, 2.0)
        ]
        tracks = affinity.rotate(unary_union(lines), angle, origin=(0, 0)).intersection(core)
        self.cover(tracks.buffer(0.25), pale)

    def draw(
        self,
        date: int,
        textures: Textures,
        resolution_m: float,
        *,
        bare: bool = False,
        stains: dict[str, str] | None = None,
    ) -> Canvas:
        """Paint the scene of one date (0 before, 1 after) on a new canvas.

        Parameters
        ----------
        date : int
            0 or 1.
        textures : Textures
            Random fields of the scene.
        resolution_m : float
            Size of a canvas pixel.
        bare : bool
            Whether broad-leaved trees have lost their leaves.
        stains : dict, optional
            Ground materials that look like another one in that season.

        Returns
        -------
        Canvas
            The painted ground.
        """
        canvas = Canvas(self.bounds_m, resolution_m, textures)
        for ground in self.grounds:
            surface = ground.surfaces[date]
            if surface is not None:
                canvas.paint(ground.area, surface, key=ground.key, height_m=ground.height_m)
        if stains:
            canvas.stain(stains)
        for car in self.cars:
            if car.present[date]:
                car.draw(canvas)
        for building in self.buildings:
            if building.present[date]:
                building.draw(canvas)
        for tree in self.trees:
            if tree.present[date]:
                tree.draw(canvas, bare=bare)
        return canvas
