"""Town districts, fields and forests seen from far: for pixels of ten metres."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from canvas import Surface
from geometry import mosaic, pieces, rectangle, scatter
from objects import BOTH, Building, Presence, Tree
from scene import Scene
from settlement import BARE, FLAT_ROOFS, LAWN, NEEDLES, PAVING, TARMAC, pick_leaves, pick_roof
from shapely import affinity, contains_xy, prepare, voronoi_polygons
from shapely.geometry import LineString, MultiPoint, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

CROP = Surface(
    "cereal_green",
    "soil",
    0.12,
    mix_broad=0.05,
    mix_middle=0.04,
    mix_stripes=0.05,
    gain_broad=0.035,
    gain_middle=0.03,
    gain_stripes=0.03,
    gain_fine=0.05,
    spacing_m=18,
)
SPRING = (
    (CROP, 0.36),
    (replace(CROP, base="rapeseed", blend="cereal_green", mix=0.12), 0.13),
    (replace(CROP, base="soil", blend="soil_pale", mix=0.3, mix_broad=0.13), 0.22),
    (replace(CROP, base="soil_moist", blend="soil", mix=0.5, mix_broad=0.15), 0.13),
    (replace(CROP, base="beet", blend="soil", mix=0.55), 0.08),
)
SUMMER = (
    (replace(CROP, base="cereal_ripe", blend="stubble", mix=0.4, mix_stripes=0.15), 0.20),
    (replace(CROP, base="stubble", blend="soil_pale", mix=0.25, mix_stripes=0.15), 0.18),
    (replace(CROP, base="maize", blend="soil", mix=0.08), 0.30),
    (replace(CROP, base="beet", blend="maize", mix=0.25), 0.12),
    (replace(CROP, base="soil", blend="stubble", mix=0.3, mix_stripes=0.2), 0.10),
)
GRASS = replace(CROP, base="grass", blend="grass_dry", mix=0.3, mix_broad=0.16, mix_middle=0.1)


def cells(area: BaseGeometry, rng: np.random.Generator, *, spacing_m: float) -> list[Polygon]:
    """Cut an area into irregular cells about `spacing_m` wide."""
    points = MultiPoint(scatter(area.envelope.buffer(spacing_m), rng, spacing_m=spacing_m))
    shapes = voronoi_polygons(points, extend_to=area.envelope).geoms
    return [p for shape in shapes for p in pieces(shape.intersection(area)) if p.area > 400]


def _pick(crops: tuple[tuple[Surface, float], ...], rng: np.random.Generator) -> Surface:
    shares = np.array([share for _, share in crops])
    crop = crops[rng.choice(len(crops), p=shares / shares.sum())][0]
    mix = float(np.clip(crop.mix + rng.normal(0, 0.12), 0, 0.95))
    return replace(crop, mix=mix, gain=rng.uniform(0.86, 1.14))


def farmland(scene: Scene, area: BaseGeometry, rng: np.random.Generator) -> None:
    """Cover an area with fields, their tracks and hedges; record those whose crop changed."""
    hedges = []
    for domain in cells(area, rng, spacing_m=700):
        angle = rng.uniform(0, 90)
        target = float(np.exp(rng.uniform(np.log(1.2e4), np.log(1.2e5))))
        for piece in mosaic(domain, rng, target_m2=target, angle=angle):
            plot = piece.buffer(-rng.uniform(1.0, 3.0), join_style="mitre")
            if not plot.is_empty:
                _field(scene, plot, angle, rng)
            if rng.random() < 0.3:
                hedges.append(_longest_side(piece))
    for side in hedges:
        if rng.random() < 0.45:
            track = replace(BARE, blend="gravel", mix=0.5)
            scene.cover(side.buffer(2.0), track)
            continue
        for s in np.arange(0, side.length, 7.5):
            if rng.random() < 0.7:
                place = side.interpolate(s + rng.uniform(-3, 3))
                tree(scene, place.x, place.y, rng, radius=(2.5, 5.5))


def _longest_side(shape: Polygon) -> LineString:
    corners = list(shape.exterior.coords)
    sides = [LineString(pair) for pair in itertools.pairwise(corners)]
    return max(sides, key=lambda side: side.length)


def _field(scene: Scene, plot: BaseGeometry, angle: float, rng: np.random.Generator) -> None:
    turn = angle + 90 * int(rng.integers(2)) + rng.normal(0, 1)
    if rng.random() < 0.2:
        tone = replace(GRASS, mix=rng.uniform(0.1, 0.5), gain=rng.uniform(0.9, 1.1), angle=turn)
        scene.cover(plot, (tone, replace(tone, mix=min(tone.mix + 0.14, 1))))
        return
    first, second = replace(_pick(SPRING, rng), angle=turn), replace(_pick(SUMMER, rng), angle=turn)
    scene.cover(plot, (first, second))
    scene.change(plot, "vegetation", f"crop: {first.base} to {second.base}")
    if rng.random() < 0.3:
        half = plot.intersection(
            affinity.scale(plot.envelope, 0.5, 1.0, origin=(plot.bounds[0], 0))
        )
        scene.cover(
            half,
            (
                replace(first, gain=first.gain * 0.95),
                replace(second, gain=second.gain * rng.uniform(0.88, 1.08)),
            ),
        )


def tree(
    scene: Scene,
    x: float,
    y: float,
    rng: np.random.Generator,
    *,
    radius: tuple[float, float] = (3.0, 5.5),
    conifer: bool = False,
    present: Presence = BOTH,
    lift: float = 1.0,
) -> None:
    """Plant a tree whose crown begins about `lift` metres up."""
    size = rng.uniform(*radius)
    cover = NEEDLES[rng.integers(2)] if conifer else pick_leaves(rng)
    scene.trees.append(
        Tree(x, y, size, lift + size * rng.uniform(1.2, 2.2), cover, scene.key(), conifer, present)
    )


def forest(
    scene: Scene,
    area: BaseGeometry,
    rng: np.random.Generator,
    *,
    felled: BaseGeometry | None = None,
) -> None:
    """Grow stands of broad-leaved trees and conifers; those in `felled` are gone later."""
    floor = Surface("leaf_olive", "leaf", 0.4, mix_middle=0.2, mix_broad=0.15, gain=0.95)
    scene.cover(area, floor, height_m=8.0)
    if felled is not None:
        stumps = replace(
            BARE, base="soil", blend="litter", mix=0.45, mix_stripes=0.15, spacing_m=14
        )
        scene.cover(felled, stumps, present=(False, True), height_m=0.0)
        prepare(felled)
    for stand in cells(area, rng, spacing_m=260):
        conifers = rng.choice([0.02, 0.1, 0.5, 0.95], p=[0.45, 0.33, 0.1, 0.12])
        tone = rng.uniform(0.98, 1.3)
        for x, y in scatter(stand, rng, spacing_m=rng.uniform(7, 8.5)):
            gone = felled is not None and contains_xy(felled, x, y)
            evergreen = bool(rng.random() < conifers)
            tree(
                scene,
                x,
                y,
                rng,
                radius=(3.2, 6.2),
                conifer=evergreen,
                present=(True, not gone),
                lift=9.0,
            )
            last = scene.trees[-1]
            cover = replace(last.cover, gain=last.cover.gain * tone)
            scene.trees[-1] = replace(last, cover=cover)


def _rows(
    district: Polygon, angle: float, street_m: float, block_m: float
) -> Iterator[tuple[LineString, bool]]:
    flat = affinity.rotate(district, -angle, origin=(0, 0))
    left, top, right, bottom = flat.bounds
    for v in np.arange(top + street_m / 3, bottom, street_m):
        yield affinity.rotate(LineString([(left, v), (right, v)]), angle, origin=(0, 0)), False
    for u in np.arange(left + block_m / 3, right, block_m):
        yield affinity.rotate(LineString([(u, top), (u, bottom)]), angle, origin=(0, 0)), True


def district(
    scene: Scene, area: Polygon, kind: str, rng: np.random.Generator, *, present: Presence = BOTH
) -> None:
    """Build a part of a town.

    Parameters
    ----------
    scene : Scene
        Scene to add to.
    area : shapely.Polygon
        Where.
    kind : str
        ``centre``, ``homes``, ``slabs``, ``works`` or ``park``.
    rng : numpy.random.Generator
        Source of the plan.
    present : tuple of bool
        Whether it stands at each date.
    """
    angle = rng.uniform(0, 90)
    if kind == "park":
        scene.cover(area, replace(LAWN, mix=0.2), present=present)
        for x, y in scatter(area, rng, spacing_m=10, share=0.5):
            tree(scene, x, y, rng, present=present)
        return
    sizes = {"centre": (56, 88), "homes": (66, 190), "slabs": (110, 210), "works": (150, 230)}
    street_m, block_m = sizes[kind]
    ground = {
        "centre": replace(TARMAC, blend="grass", mix=0.3, mix_middle=0.25),
        "works": replace(TARMAC, mix=0.7),
    }.get(kind, replace(LAWN, mix=0.35))
    scene.cover(area, replace(ground, gain=ground.gain * rng.uniform(0.85, 1.05)), present=present)
    lines = list(_rows(area, angle, street_m * rng.uniform(0.93, 1.1), block_m))
    inner = area.buffer(-4)
    prepare(inner)
    paths = [line.intersection(area) for line, _ in lines]
    streets = unary_union([p.buffer(4.2 if kind != "works" else 6) for p in paths])
    crossings = unary_union([p for p, (_, cross) in zip(paths, lines, strict=True) if cross])
    for line, cross in lines:
        if not cross:
            _frontages(scene, line, kind, inner, crossings.buffer(9), rng, present)
    scene.cover(streets, replace(TARMAC, mix=0.5, gain=1.08), present=present)


def _frontages(
    scene: Scene,
    line: LineString,
    kind: str,
    inner: BaseGeometry,
    crossings: BaseGeometry,
    rng: np.random.Generator,
    present: Presence,
) -> None:
    (x0, y0), (x1, y1) = line.coords
    angle = float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))
    ux, uy = (x1 - x0) / line.length, (y1 - y0) / line.length
    prepare(crossings)
    for side in (-1, 1):
        s = 0.0
        while s < line.length:
            length, width, step, setback = _plot(kind, rng)
            middle, s = s + step / 2, s + step
            v = side * (setback + width / 2)
            x, y = x0 + middle * ux - v * uy, y0 + middle * uy + v * ux
            if not contains_xy(inner, x, y) or contains_xy(crossings, x, y):
                continue
            turn = angle + rng.normal(0, 1.5)
            _raise(scene, kind, (x, y, length, width, turn), rng, present)
            if kind == "homes":
                _yard(scene, (x, y), (ux, uy), v, step, rng, present)


def _plot(kind: str, rng: np.random.Generator) -> tuple[float, float, float, float]:
    if kind == "centre":
        length = rng.uniform(11, 24)
        return length, rng.uniform(11, 15), length + rng.choice([0.0, 0.0, 5.0]), 6.0
    if kind == "homes":
        return rng.uniform(9, 15), rng.uniform(8, 11), rng.uniform(14, 25), rng.uniform(8, 15)
    if kind == "slabs":
        length = rng.uniform(30, 70)
        return length, rng.uniform(11, 15), length + rng.uniform(15, 35), rng.uniform(13, 25)
    length = rng.uniform(28, 105)
    return length, rng.uniform(24, 50), length + rng.uniform(10, 40), rng.uniform(12, 22)


def _raise(
    scene: Scene,
    kind: str,
    place: tuple[float, float, float, float, float],
    rng: np.random.Generator,
    present: Presence,
) -> None:
    heights = {"centre": (9, 16), "homes": (3, 5.5), "slabs": (12, 24), "works": (6, 11)}
    eave = rng.uniform(*heights[kind])
    if kind in ("homes", "centre") and rng.random() < 0.9:
        cover, roof = pick_roof(rng), str(rng.choice(["gable", "hip"]))
    else:
        cover, roof = FLAT_ROOFS[rng.choice(5, p=[0.12, 0.36, 0.2, 0.28, 0.04])], "flat"
        cover = replace(cover, gain=rng.uniform(0.7, 1.1))
        x, y, length, width, turn = place
        apron = replace(PAVING if rng.random() < 0.25 else TARMAC, gain=rng.uniform(0.8, 1.15))
        pad = rectangle(x, y, length + rng.uniform(6, 30), width + rng.uniform(6, 24), turn)
        scene.cover(pad, apron, present=present)
    scene.buildings.append(
        Building(*place, eave, roof, cover, scene.key(), rng.uniform(25, 40), present)
    )


def _yard(
    scene: Scene,
    place: tuple[float, float],
    along: tuple[float, float],
    v: float,
    step: float,
    rng: np.random.Generator,
    present: Presence,
) -> None:
    x, y = place
    out = np.sign(v)
    nx, ny = -along[1] * out, along[0] * out
    if rng.random() < 0.45:
        patch = rectangle(
            x - 9 * nx,
            y - 9 * ny,
            step * rng.uniform(0.3, 0.9),
            7,
            float(np.degrees(np.arctan2(along[1], along[0]))),
        )
        scene.cover(patch, replace(PAVING, gain=rng.uniform(0.5, 0.85)), present=present)
    for _ in range(rng.poisson(2.0)):
        d, u = rng.uniform(8, 18), rng.uniform(-0.5, 0.5) * step
        tree(
            scene,
            x + d * nx + u * along[0],
            y + d * ny + u * along[1],
            rng,
            radius=(1.8, 4.2),
            present=present,
        )


def frame(scene: Scene) -> BaseGeometry:
    """Return the bounds of a scene as an area."""
    return box(*scene.bounds_m)
