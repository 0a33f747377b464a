"""A town edge with farmland, forest and a river, and what changed there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from canvas import Surface
from geometry import blob, curve, mosaic, rectangle, scatter
from landscape import cells, district, farmland, forest, tree
from objects import AFTER_ONLY, BEFORE_ONLY, BOTH, Building
from scene import Scene
from settlement import BARE, FLAT_ROOFS, LAWN, MEADOW, PAVING, TARMAC
from shapely import contains_xy, prepare
from shapely.geometry import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

SIZE_M = 4800.0
"""Sides of the scene."""


@dataclass
class _Plan:
    river: LineString
    motorway: LineString
    railway: LineString
    roads: list[LineString]
    bypass: LineString


def lay_out(seed: int) -> Scene:
    """Return the scene with everything in it and every change recorded."""
    margin = 160.0
    scene = Scene((-margin, -margin, SIZE_M + margin, SIZE_M + margin), seed + 1)
    rng = scene.random("land")
    plan = _plan()
    town = Polygon(
        [
            (-200, -200),
            (2350, -200),
            (2280, 420),
            (2040, 760),
            (2120, 1180),
            (1800, 1500),
            (1500, 1940),
            (1080, 2010),
            (640, 2230),
            (-200, 2300),
        ]
    )
    woods = [
        _wood(*place, rng)
        for place in (
            (4080, 2860, 700, 20),
            (560, 4380, 480, 65),
            (3020, 330, 380, 40),
            (2500, 4640, 330, 10),
            (4500, 150, 260, 55),
            (1850, 2760, 160, 30),
            (3400, 4500, 210, 75),
        )
    ]
    valley = plan.river.buffer(62)
    villages = [
        blob(3950, 950, 270, rng, rough=0.3),
        blob(1480, 4150, 240, rng, rough=0.3),
        blob(3060, 2520, 170, rng, rough=0.3),
    ]
    built = unary_union([town, *villages])
    scene.cover(scene.area, MEADOW)
    farmland(scene, scene.area.difference(unary_union([built, valley, *woods])), rng)
    _river(scene, plan, rng)
    felled = rectangle(4010, 2790, 420, 230, 24).intersection(woods[0])
    felled = unary_union([felled, rectangle(470, 4400, 170, 120, 70)])
    for wood in woods:
        area = wood.difference(
            unary_union([built, plan.river.buffer(70), plan.motorway.buffer(40)])
        )
        inside = felled.intersection(area)
        forest(scene, area, rng, felled=inside if not inside.is_empty else None)
        for part in getattr(inside, "geoms", [inside]):
            if not part.is_empty:
                scene.change(part, "clearcut", "forest felled")
    _town(scene, town, villages, rng)
    _growth(scene, rng)
    _roads(scene, plan)
    _clear(
        scene, unary_union([line.buffer(14) for line in (plan.motorway, plan.railway, *plan.roads)])
    )
    _settle_fields(scene)
    return scene


def _wood(
    x: float, y: float, radius: float, angle: float, rng: np.random.Generator
) -> BaseGeometry:
    """Return a wood whose edges are partly straight, where fields were cut out of it."""
    outline = blob(x, y, radius, rng, rough=0.3)
    plots = mosaic(outline.envelope, rng, target_m2=radius * 70, angle=angle)
    kept = [
        p for p in plots if p.intersection(outline).area > 0.55 * p.area and rng.random() < 0.93
    ]
    return unary_union(kept).buffer(14).buffer(-22).buffer(8)


def _plan() -> _Plan:
    river = curve(
        [
            (-300, 3330),
            (420, 3160),
            (960, 3060),
            (1420, 3420),
            (2040, 3330),
            (2420, 3060),
            (2900, 3330),
            (3260, 3800),
            (3800, 3760),
            (4300, 3960),
            (5100, 4160),
        ]
    )
    motorway = curve(
        [(-300, 2560), (900, 2330), (1800, 2010), (2900, 1830), (3900, 1500), (5100, 1260)]
    )
    railway = curve(
        [(420, -300), (760, 500), (1300, 1240), (2100, 1700), (3300, 2200), (5100, 2420)]
    )
    roads = [
        curve(
            [
                (-300, 900),
                (700, 960),
                (1500, 820),
                (2300, 700),
                (3200, 860),
                (3950, 950),
                (5100, 700),
            ]
        ),
        curve(
            [
                (1180, -300),
                (1210, 500),
                (1180, 1300),
                (1360, 2160),
                (1300, 3100),
                (1480, 4150),
                (1400, 5100),
            ]
        ),
        curve(
            [
                (1360, 2160),
                (2200, 2560),
                (3060, 2520),
                (3500, 2900),
                (3560, 3600),
                (3900, 4400),
                (4000, 5100),
            ]
        ),
        curve([(3950, 950), (3500, 1650), (3060, 2520)]),
        curve([(1480, 4150), (2300, 4060), (3000, 4300)]),
    ]
    bypass = curve([(2290, 690), (2500, 1050), (2440, 1480), (2240, 1930)])
    return _Plan(river, motorway, railway, roads, bypass)


def _river(scene: Scene, plan: _Plan, rng: np.random.Generator) -> None:
    scene.cover(plan.river.buffer(120), replace(MEADOW, mix=0.25, mix_broad=0.25))
    scene.cover(plan.river.buffer(48), Surface("reed", "leaf_olive", 0.5, mix_middle=0.3))
    line = plan.river
    water = unary_union(
        [
            line.interpolate(s).buffer(27 + 7 * np.sin(s / 260) + 4 * np.sin(s / 90))
            for s in np.arange(0, line.length, 9)
        ]
    )
    silt = Surface("water_silt", "soil_moist", 0.15, mix_broad=0.15, gain_broad=0.05)
    scene.cover(water, silt, height_m=-1.0)
    for step in (5, 8, 11, 15):
        tone = Surface(
            "water_silt", "water_green", 0.15 + step / 25, mix_broad=0.15, gain_fine=0.02
        )
        scene.cover(water.buffer(-step), tone)
    for x, y, size in ((1180, 3230, 60), (2330, 3300, 45), (3120, 3560, 38), (700, 3420, 80)):
        pond = blob(x, y, size, rng, rough=0.35)
        scene.cover(pond, Surface("water_green", "water", rng.uniform(0.2, 0.8), mix_broad=0.2))
    groves = unary_union(
        [
            blob(*_aside(line, s, rng.normal(0, 45)), rng.uniform(12, 48), rng, rough=0.5)
            for s in rng.uniform(0, line.length, 90)
        ]
    )
    banks = line.buffer(52).difference(water.buffer(4))
    for x, y in scatter(unary_union([groves, banks]).difference(water.buffer(2)), rng, spacing_m=8):
        if groves.contains(Point(x, y)) or rng.random() < 0.2:
            tree(scene, x, y, rng, radius=(2.5, 5.8))


def _aside(line: LineString, s: float, d: float) -> tuple[float, float]:
    a, b = line.interpolate(s - 5), line.interpolate(s + 5)
    run = max(a.distance(b), 1e-6)
    return a.x - d * (b.y - a.y) / run, a.y + d * (b.x - a.x) / run


def _town(scene: Scene, town: Polygon, villages: list[Polygon], rng: np.random.Generator) -> None:
    for part in cells(town, rng, spacing_m=270):
        x, y = part.centroid.x, part.centroid.y
        near = np.hypot(x - 850, y - 750)
        rail = abs(y - (1.25 * x - 420))
        if near < 380:
            kind = "centre"
        elif y > 1550 or rail < 190:
            kind = str(rng.choice(["works", "slabs", "homes"], p=[0.5, 0.16, 0.34]))
        else:
            kind = str(rng.choice(["homes", "slabs", "park", "works"], p=[0.68, 0.15, 0.11, 0.06]))
        district(scene, part.buffer(-4), kind, rng)
    for village in villages:
        for part in cells(village, rng, spacing_m=240):
            district(scene, part.buffer(-3), "homes", rng)


def _growth(scene: Scene, rng: np.random.Generator) -> None:
    estate = Polygon([(2230, 960), (2440, 900), (2470, 1180), (2420, 1420), (2150, 1300)])
    scene.cover(estate, BARE, present=AFTER_ONLY)
    for part in cells(estate, rng, spacing_m=240):
        shown = part.buffer(-4)
        if rng.random() < 0.75:
            district(scene, shown, "homes", rng, present=AFTER_ONLY)
    scene.change(estate, "appeared", "housing estate built")
    _works(scene, rng)
    before = blob(3340, 3210, 95, rng, rough=0.3)
    after = unary_union([before, blob(3400, 3130, 165, rng, rough=0.35)])
    for date, pit in enumerate((before, after)):
        here = (date == 0, date == 1)
        scene.cover(pit.buffer(25), replace(BARE, base="grass_dry", mix=0.5), present=here)
        rock = Surface(
            "rock", "sand", 0.4, mix_broad=0.25, mix_middle=0.15, gain_broad=0.07, gain_middle=0.06
        )
        for bench in range(4):
            tone = replace(rock, gain=0.98 - 0.09 * (bench % 2), mix=0.2 + 0.18 * bench)
            scene.cover(pit.buffer(-22.0 * bench), tone, present=here, height_m=-6.0 * bench)
        pond = blob(3330, 3220, 26 + 8 * date, rng)
        scene.cover(pond, Surface("pool", "water_silt", 0.6, mix_broad=0.1), present=here)
    _clear(scene, after.buffer(30))
    scene.change(after.difference(before), "ground", "quarry extended")
    solar = rectangle(3290, 1270, 260, 150, 12)
    scene.cover(solar, replace(MEADOW, mix=0.3), present=AFTER_ONLY)
    strips = [rectangle(*_along(3290, 1270, v, 12), 246, 4.2, 12) for v in np.arange(-68, 70, 8.5)]
    panel = Surface("panel", "glass", 0.2, gain_fine=0.04)
    scene.cover(unary_union(strips), panel, present=AFTER_ONLY)
    scene.change(solar, "appeared", "solar park built")


def _along(x: float, y: float, v: float, angle: float) -> tuple[float, float]:
    turn = np.radians(angle)
    return x - v * float(np.sin(turn)), y + v * float(np.cos(turn))


def _hall(
    scene: Scene,
    x: float,
    y: float,
    size: tuple[float, float],
    angle: float,
    roof: int,
    present: tuple[bool, bool],
) -> Polygon:
    hall = Building(x, y, *size, angle, 9.0, "flat", FLAT_ROOFS[roof], scene.key(), present=present)
    scene.buildings.append(hall)
    return hall.footprint


def _works(scene: Scene, rng: np.random.Generator) -> None:
    yard = rectangle(2620, 1640, 400, 240, -14)
    scene.cover(yard, replace(TARMAC, mix=0.4), present=AFTER_ONLY)
    scene.cover(rectangle(2480, 1690, 90, 170, -14), PAVING, present=AFTER_ONLY)
    halls = [
        _hall(scene, 2570, 1660, (170, 90), -14, 0, AFTER_ONLY),
        _hall(scene, 2740, 1600, (95, 130), -14, 2, AFTER_ONLY),
    ]
    for hall in halls:
        scene.change(hall, "appeared", "warehouse built")
    scene.change(yard.difference(unary_union(halls)), "ground", "field paved")
    apron = replace(PAVING, gain=0.8)
    for x, y, present, kind in (
        (2960, 1480, AFTER_ONLY, "barn built"),
        (620, 2900, AFTER_ONLY, "barn built"),
        (2060, 4360, AFTER_ONLY, "barn built"),
        (4380, 2120, AFTER_ONLY, "barn built"),
        (2220, 2880, BEFORE_ONLY, "barn demolished"),
        (3700, 420, BEFORE_ONLY, "barn demolished"),
        (900, 3750, BOTH, "barn extended"),
        (3600, 2060, BOTH, "barn extended"),
    ):
        angle, size = rng.uniform(0, 90), (rng.uniform(38, 70), rng.uniform(18, 28))
        scene.cover(rectangle(x, y, size[0] + 30, size[1] + 26, angle), apron)
        barn = _hall(scene, x, y, size, angle, int(rng.choice([0, 2])), present)
        if kind.endswith("extended"):
            u = size[0] / 2 + 14
            ex, ey = x + u * np.cos(np.radians(angle)), y + u * np.sin(np.radians(angle))
            wing = _hall(scene, ex, ey, (28, size[1]), angle, 2, AFTER_ONLY)
            scene.change(wing, "grown", kind)
        else:
            label = "appeared" if present == AFTER_ONLY else "vanished"
            scene.change(barn, label, kind)
    lot = rectangle(1290, 1890, 90, 60, 30)
    scene.cover(lot, (replace(TARMAC, mix=0.75), replace(TARMAC, mix=0.45)))
    scene.change(lot, "ground", "car park resurfaced, faint")


def _roads(scene: Scene, plan: _Plan) -> None:
    verge = replace(LAWN, mix=0.4)
    scene.cover(plan.railway.buffer(13), verge)
    scene.cover(plan.railway.buffer(6.5), Surface("ballast", "soil", 0.3, mix_middle=0.15))
    for road in plan.roads:
        scene.cover(road.buffer(8), verge)
        scene.cover(road.buffer(4.2), replace(TARMAC, mix=0.8, gain=1.1))
    _carriageways(scene, plan.motorway)
    scene.cover(plan.bypass.buffer(20), BARE, present=AFTER_ONLY)
    scene.cover(plan.bypass.buffer(8), replace(TARMAC, mix=0.3), present=AFTER_ONLY)
    ring = plan.bypass.interpolate(plan.bypass.length).buffer(38)
    scene.cover(ring.difference(ring.buffer(-10)), replace(TARMAC, mix=0.3), present=AFTER_ONLY)
    scene.change(
        unary_union([plan.bypass.buffer(20), ring]).difference(plan.motorway.buffer(22)),
        "road",
        "bypass built",
    )
    for side in (-1, 1):
        ramp = curve([(1250, 2215 - 60 * side), (1370, 2150 + 85 * side), (1560, 2095 + 30 * side)])
        scene.cover(ramp.buffer(5), replace(TARMAC, mix=0.7))


def _carriageways(scene: Scene, line: LineString) -> None:
    scene.cover(line.buffer(26), replace(LAWN, mix=0.45))
    for side in (-9.5, 9.5):
        scene.cover(line.offset_curve(side).buffer(6.2), replace(TARMAC, mix=0.75, gain=1.15))
        scene.cover(line.offset_curve(side * 1.45).buffer(1.6), replace(TARMAC, mix=0.2))


def _clear(scene: Scene, area: BaseGeometry) -> None:
    prepare(area)
    scene.trees = [t for t in scene.trees if not contains_xy(area, t.x, t.y)]
    scene.buildings = [
        b for b in scene.buildings if b.present != BOTH or not contains_xy(area, b.x, b.y)
    ]


def _settle_fields(scene: Scene) -> None:
    """Take from the changed fields what was built on, so that no two changes overlap."""
    built = unary_union([c.area for c in scene.changes if c.label != "vegetation"]).buffer(6)
    settled = []
    for change in scene.changes:
        area = change.area.difference(built) if change.label == "vegetation" else change.area
        if area.area > 1500 or change.label != "vegetation":
            settled.append(replace(change, area=area))
    scene.changes = settled
