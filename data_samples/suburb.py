"""A suburb with a retail park, farmland and a river, and what changed there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from canvas import Surface
from geometry import blob, curve, frontage, rectangle, scatter
from objects import AFTER_ONLY, BEFORE_ONLY, BOTH, Building, Car
from retail import YARD_AREA, retail_park
from scene import Scene
from settlement import (
    BARE,
    FLAT_ROOFS,
    LAWN,
    MEADOW,
    PAVING,
    TARMAC,
    Home,
    furnish,
    pick_paint,
    plant,
    shed,
)
from shapely.geometry import LineString, Point, Polygon, box
from shapely.ops import substring, unary_union
from shapely.strtree import STRtree
from surroundings import farmland, fell, meadows, river_valley, town_park

SIZE_M = 460.8
"""Sides of the scene."""


@dataclass
class _Plan:
    main: LineString
    streets: list[LineString]
    fresh: LineString
    river: LineString


def lay_out(seed: int) -> Scene:
    """Return the scene with everything in it and every change recorded."""
    margin = 24.0
    scene = Scene((-margin, -margin, SIZE_M + margin, SIZE_M + margin), seed)
    plan = _plan()
    scene.cover(scene.area, MEADOW)
    meadows(scene)
    farmland(scene)
    river_valley(scene, plan.river)
    town_park(scene)
    retail_park(scene)
    _streets(scene, plan)
    homes = _homes(scene, plan)
    _change_homes(scene, homes)
    _estate(scene, plan)
    _woods(scene, plan)
    _traffic(scene, plan)
    _record_cars(scene)
    return scene


def _plan() -> _Plan:
    main = curve([(-40, 186), (60, 190), (150, 203), (250, 232), (350, 282), (520, 352)])
    streets = [
        curve([(-40, 258), (60, 262), (165, 276), (262, 300)]),
        curve([(-40, 336), (70, 338), (170, 350), (285, 374)]),
        curve([(-40, 414), (70, 416), (170, 424), (290, 446)]),
        curve([(42, 187), (38, 262), (33, 338), (36, 416), (30, 500)]),
        curve([(168, 207), (166, 276), (172, 350), (169, 424), (176, 500)]),
        curve([(276, 244), (262, 300), (284, 374), (291, 446), (284, 500)]),
    ]
    fresh = curve([(262, 236), (282, 196), (318, 170), (352, 168)])
    river = curve([(322, -40), (336, 30), (372, 84), (396, 140), (442, 188), (520, 214)])
    return _Plan(main, streets, fresh, river)


def _streets(scene: Scene, plan: _Plan) -> None:
    side = replace(PAVING, gain=0.95)
    local = replace(TARMAC, mix=0.6)
    access = curve([(128, 199), (126, 180), (121, 148)])
    lanes = [street.buffer(3.2) for street in plan.streets]
    lanes += [plan.main.buffer(5.5), access.buffer(4)]
    paved = unary_union(lanes).buffer(4).buffer(-4)
    for width, cover in (
        (3.0, replace(LAWN, mix=0.45)),
        (1.7, side),
        (0.2, replace(PAVING, gain=1.05)),
    ):
        scene.cover(paved.buffer(width).difference(YARD_AREA), cover)
    scene.cover(paved, local)
    for street in plan.streets:
        scene.road(street, 6.4, local)
    scene.road(access, 8, TARMAC)
    scene.road(plan.main, 11.0, TARMAC, marked=True)
    plan.streets.append(plan.main)


def _homes(scene: Scene, plan: _Plan) -> list[Home]:
    rng = scene.random("homes")
    town = Polygon(
        [(-30, 196), (60, 200), (150, 212), (250, 240), (302, 264), (300, 500), (-30, 500)]
    )
    paved = unary_union([street.buffer(4.8) for street in plan.streets])
    taken: list[Polygon] = []
    homes: list[Home] = []
    widths = {3: (17, 24), 4: (17, 24), 5: (18, 26)}
    for number, street in enumerate(plan.streets):
        size = widths.get(number, (15.5, 22))
        offset, depths = (8.2, (21, 24)) if street is plan.main else (5.1, (27, 31))
        for parcel in frontage(street, rng, offset_m=offset, widths_m=size, depths_m=depths):
            area = parcel.area
            if not town.contains(area.centroid) or area.intersection(paved).area > 3:
                continue
            if taken and any(
                area.intersection(taken[i]).area > 6 for i in STRtree(taken).query(area)
            ):
                continue
            taken.append(area)
            homes.append(furnish(scene, parcel, rng))
    rest = town.difference(unary_union([*taken, paved]).buffer(1.2)).buffer(-2)
    for x, y in scatter(rest, rng, spacing_m=6.5, share=0.55):
        plant(scene, x, y, rng, radius=(1.4, 4.6))
    return homes


def _change_homes(scene: Scene, homes: list[Home]) -> None:
    rng = scene.random("home changes")
    inner = box(12, 205, 300, 448)
    shown = [h for h in homes if inner.contains(h.parcel.area)]
    order = rng.permutation(len(shown))
    for home in (shown[i] for i in order[:3]):
        _demolish(scene, home)
    for home in (shown[i] for i in order[3:6]):
        _extend(scene, home, rng)
    for home in (shown[i] for i in order[6:12]):
        v = min(home.parcel.depth - 3, home.v_house + home.half_house + 9)
        x, y = home.parcel.point(rng.uniform(-3, 3), v)
        hut = shed(scene, x, y, home.parcel.angle, rng, present=AFTER_ONLY)
        scene.change(hut.footprint, "appeared", "shed put up")
    for home in (shown[i] for i in order[12:14]):
        x, y = home.parcel.point(0, home.v_house + home.half_house + 5.5)
        pool = rectangle(x, y, 7.5, 3.8, home.parcel.angle)
        scene.cover(pool.buffer(1.1, join_style="mitre"), PAVING, present=AFTER_ONLY)
        water = Surface("pool", "water", 0.1, mix_middle=0.05)
        scene.cover(pool, water, present=AFTER_ONLY)
        scene.change(pool.buffer(1.1, join_style="mitre"), "appeared", "pool built")
    for home in (shown[i] for i in order[14:16]):
        house = scene.buildings[home.building_index]
        shade = replace(house.cover, gain=house.cover.gain * 0.93)
        scene.buildings[home.building_index] = replace(house, present=BEFORE_ONLY)
        scene.buildings.append(replace(house, cover=shade, present=AFTER_ONLY))
        scene.change(house.footprint, "ground", "roof cleaned, faint")
    gone = [b for b in scene.buildings if b.eave_m < 2.5 and b.present == BOTH]
    for hut in gone[3:24:5]:
        scene.buildings[scene.buildings.index(hut)] = replace(hut, present=BEFORE_ONLY)
        scene.change(hut.footprint, "vanished", "shed removed")
    _fell_in_gardens(scene, shown)


def _fell_in_gardens(scene: Scene, shown: list[Home]) -> None:
    gardens = unary_union([home.parcel.area for home in shown])
    big = [t for t in scene.trees if t.radius > 3 and gardens.contains(Point(t.x, t.y))]
    for tree in big[4:60:9]:
        fell(scene, tree)


def _demolish(scene: Scene, home: Home) -> None:
    parcel = home.parcel
    gone = []
    for index, building in enumerate(scene.buildings):
        if parcel.area.contains(Point(building.x, building.y)) and building.eave_m > 2.4:
            scene.buildings[index] = replace(building, present=BEFORE_ONLY)
            gone.append(building.footprint)
    site = unary_union(gone)
    around = site.buffer(2.2).intersection(parcel.area.buffer(-0.5))
    scene.cover(around, BARE, present=AFTER_ONLY)
    scene.change(site, "vanished", "house demolished")


def _extend(scene: Scene, home: Home, rng: np.random.Generator) -> None:
    house = scene.buildings[home.building_index]
    parcel = home.parcel
    x, y = parcel.point(rng.uniform(-2, 2), home.v_house + home.half_house + 2.2)
    cover = FLAT_ROOFS[int(rng.integers(4))]
    wing = Building(
        x,
        y,
        rng.uniform(5, 7.5),
        5.4,
        parcel.angle,
        2.9,
        "flat",
        cover,
        scene.key(),
        present=AFTER_ONLY,
    )
    scene.buildings.append(wing)
    scene.change(wing.footprint.difference(house.footprint), "grown", "house extended")


def _estate(scene: Scene, plan: _Plan) -> None:
    rng = scene.random("estate")
    fresh = plan.fresh
    site = Polygon(
        [(270, 200), (300, 150), (352, 140), (384, 168), (388, 196), (350, 216), (300, 236)]
    )
    worked = replace(BARE, mix=0.5)
    scene.cover(site, worked, present=AFTER_ONLY)
    scene.road(fresh, 6.0, replace(TARMAC, mix=0.1, gain=0.9), edge=PAVING, present=AFTER_ONLY)
    turning = fresh.interpolate(fresh.length).buffer(8.5)
    scene.cover(turning, replace(TARMAC, mix=0.1, gain=0.9), present=AFTER_ONLY)
    lane = unary_union([fresh.buffer(4.9, cap_style="flat"), turning])
    clear = lane.difference(plan.main.buffer(7.5))
    scene.change(clear, "road", "street built")
    taken: list[Polygon] = [lane.buffer(-1)]
    houses = []
    for parcel in frontage(fresh, rng, offset_m=5.2, widths_m=(17, 20), depths_m=(22, 25)):
        area = parcel.area
        busy = any(area.intersection(other).area > 8 for other in taken)
        if busy or not site.contains(area.centroid) or area.distance(plan.main) < 8:
            continue
        taken.append(area)
        first = len(scene.buildings)
        furnish(scene, parcel, rng, present=AFTER_ONLY)
        houses += [b.footprint for b in scene.buildings[first:] if b.eave_m > 2.4]
    for house in getattr(unary_union(houses), "geoms", [unary_union(houses)]):
        scene.change(house, "appeared", "house built")
    scene.change(
        site.difference(unary_union([clear.buffer(0.3), *houses])), "ground", "meadow built up"
    )
    for points in ([(358, 150), (371, 172), (360, 196)], [(312, 222), (340, 206), (372, 188)]):
        for side in (-1, 1):
            wheel = curve(points).offset_curve(side).buffer(0.4)
            scene.cover(wheel, replace(BARE, base="soil_moist", mix=0.4), present=AFTER_ONLY)
    for x, y in ((372, 180), (364, 164)):
        heap, key = blob(x, y, 5.5, rng), scene.key()
        for step in range(8):
            top = replace(BARE, mix=0.8, gain=1.05)
            inner = heap.buffer(-0.45 * step)
            scene.cover(inner, top, present=AFTER_ONLY, height_m=0.35 * step, key=key)


def _woods(scene: Scene, plan: _Plan) -> None:
    rng = scene.random("woods")
    roads = unary_union([plan.main.buffer(9), plan.fresh.buffer(9)])
    edges = plan.river.buffer(24).difference(plan.river.buffer(15.5))
    for x, y in scatter(edges.difference(roads), rng, spacing_m=5.2, share=0.55):
        plant(scene, x, y, rng, radius=(1.6, 4.8), conifers=0.03)
    wood = blob(456, 462, 62, rng, rough=0.35).difference(box(300, 300, 402, 500))
    for x, y in scatter(wood, rng, spacing_m=4.3, share=0.95):
        plant(scene, x, y, rng, radius=(2.2, 4.6), conifers=0.45)
    rough = Polygon([(310, 246), (356, 226), (430, 206), (470, 320), (440, 318), (352, 284)])
    for x, y in scatter(rough, rng, spacing_m=6, share=0.4):
        plant(scene, x, y, rng, radius=(0.6, 3.0), conifers=0.1)
    hidden = [
        i
        for i, tree in enumerate(scene.trees)
        if any(
            c.label in ("road", "appeared")
            and c.area.intersects(tree.footprint)
            and tree.present == BOTH
            for c in scene.changes
        )
    ]
    for index in hidden:
        scene.trees[index] = replace(scene.trees[index], present=BEFORE_ONLY)


def _traffic(scene: Scene, plan: _Plan) -> None:
    rng = scene.random("traffic")
    for line, lane, count in [(plan.main, 2.6, 16), *((s, 2.3, 9) for s in plan.streets[:-1])]:
        for _ in range(count):
            s, side = rng.uniform(0, line.length), rng.choice([-1, 1])
            ahead = substring(line, s, min(s + 4, line.length))
            if ahead.length < 3:
                continue
            (x0, y0), (x1, y1) = ahead.coords[0], ahead.coords[-1]
            turn = np.degrees(np.arctan2(y1 - y0, x1 - x0))
            nx, ny = -np.sin(np.radians(turn)) * lane * side, np.cos(np.radians(turn)) * lane * side
            length = 11.0 if rng.random() < 0.08 and lane > 2.5 else rng.uniform(4.0, 4.9)
            height = 3.2 if length > 6 else 1.5
            here = (AFTER_ONLY, BEFORE_ONLY)[rng.integers(2)]
            scene.cars.append(
                Car(
                    x0 + nx,
                    y0 + ny,
                    turn + (0 if side > 0 else 180),
                    pick_paint(rng),
                    length,
                    1.85,
                    height,
                    here,
                )
            )


def _record_cars(scene: Scene) -> None:
    roofs = unary_union([b.footprint for b in scene.buildings if b.present == AFTER_ONLY])
    scene.cars = [c for c in scene.cars if not (c.present[1] and c.footprint.intersects(roofs))]
    for car in scene.cars:
        if car.present != BOTH:
            gone = car.present == BEFORE_ONLY
            scene.change(car.footprint, "vehicle", "vehicle left" if gone else "vehicle arrived")
