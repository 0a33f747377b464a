"""A village with meadows, fields and a wood, and what changed there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from canvas import Surface
from geometry import Parcel, blob, curve, frontage, mosaic, rectangle, scatter
from objects import AFTER_ONLY, BEFORE_ONLY, BOTH, Building, Car
from scene import Scene
from settlement import (
    BARE,
    FLAT_ROOFS,
    GRAVEL,
    LAWN,
    LEAVES,
    MEADOW,
    PAVING,
    ROOFS,
    TARMAC,
    furnish,
    pick_paint,
    pick_roof,
    plant,
    shed,
)
from shapely.geometry import LineString, Point, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union
from shapely.strtree import STRtree


def lay_out(seed: int) -> Scene:
    """Return the scene with everything in it and every change recorded."""
    scene = Scene((-70, -70, 590, 590), seed + 2)
    street = curve(
        [(-80, 330), (40, 318), (140, 270), (232, 262), (330, 300), (420, 292), (600, 236)]
    )
    lane = curve([(232, 262), (248, 190), (228, 110), (250, 20), (244, -80)])
    back = curve([(330, 300), (352, 372), (334, 452), (352, 600)])
    brook = curve(
        [
            (-80, 180),
            (30, 196),
            (110, 160),
            (168, 196),
            (196, 150),
            (300, 84),
            (420, 118),
            (600, 60),
        ]
    )
    scene.cover(scene.area, MEADOW)
    _meadows(scene)
    _fields(scene)
    _brook(scene, brook)
    roads = _roads(scene, [street, lane, back])
    _homes(scene, [street, lane, back], roads)
    _farm(scene)
    _church(scene)
    _new_lane(scene)
    _woods(scene, roads, brook)
    _traffic(scene, [street, lane])
    return scene


def _meadows(scene: Scene) -> None:
    rng = scene.random("meadows")
    area = Polygon(
        [(-80, -80), (600, -80), (600, 300), (330, 310), (232, 270), (140, 280), (-80, 370)]
    )
    for number, piece in enumerate(mosaic(area, rng, target_m2=7000, angle=14)):
        mown = replace(
            MEADOW,
            mix=rng.uniform(0.1, 0.55),
            mix_ridges=rng.uniform(0, 0.14),
            mix_broad=rng.uniform(0.04, 0.12),
            mix_stripes=rng.choice([0.02, 0.06, 0.13]),
            gain=rng.uniform(0.92, 1.08),
            angle=14 + 90 * (number % 2) + rng.normal(0, 3),
            spacing_m=rng.uniform(2.2, 4.5),
        )
        scene.cover(piece, mown)
        if rng.random() < 0.3:
            edge = LineString(piece.exterior.coords[:2])
            scene.hedge(edge, LEAVES[int(rng.integers(4))], rng, height_m=3, gaps=0.35)
    worn = replace(BARE, blend="grass_dry", mix=0.5, mix_fine=0.2)
    for points in (
        [(232, 200), (180, 150), (140, 120), (60, 150), (-70, 120)],
        [(338, 296), (352, 200), (420, 150), (590, 140)],
        [(96, 290), (60, 210), (30, 120), (40, -70)],
    ):
        line = curve(points)
        for side in (-0.8, 0.8):
            scene.cover(line.offset_curve(side).buffer(0.35), worn)


def _fields(scene: Scene) -> None:
    rng = scene.random("fields")
    crop = Surface(
        "cereal_green",
        "soil",
        0.1,
        mix_broad=0.08,
        mix_middle=0.05,
        mix_fine=0.07,
        mix_stripes=0.06,
        gain_broad=0.05,
        gain_stripes=0.03,
        gain_fine=0.07,
        spacing_m=3,
    )
    plough = replace(
        BARE,
        base="soil_moist",
        blend="soil",
        mix=0.4,
        mix_broad=0.25,
        mix_stripes=0.12,
        gain_stripes=0.06,
        spacing_m=1.6,
    )
    stubble = replace(crop, base="stubble", blend="soil", mix=0.45, mix_stripes=0.18, spacing_m=5)
    ripe = replace(crop, base="cereal_ripe", blend="stubble", mix=0.25)
    maize = replace(
        crop, base="maize", blend="soil_moist", mix=0.15, mix_stripes=0.1, spacing_m=1.5
    )
    sown = replace(crop, base="cereal_green", blend="soil_moist", mix=0.55, mix_stripes=0.12)
    turns = [(ripe, plough), (maize, stubble), (ripe, sown), (maize, plough), (ripe, sown)]
    south = Polygon(
        [(-80, 372), (60, 366), (150, 340), (300, 360), (322, 450), (330, 600), (-80, 600)]
    )
    east = Polygon([(440, 340), (600, 290), (600, 600), (404, 600), (400, 420)])
    number = 0
    for area, angle in ((south, 8), (east, -24)):
        for piece in mosaic(area, rng, target_m2=9000, angle=angle):
            first, second = turns[number % len(turns)]
            number += 1
            turn = angle + 90 * int(rng.random() < 0.3) + rng.normal(0, 1.5)
            pair = tuple(
                replace(
                    s, angle=turn, gain=rng.uniform(0.86, 1.1), mix=s.mix * rng.uniform(0.6, 1.6)
                )
                for s in (first, second)
            )
            plot = piece.buffer(-1.2, join_style="mitre")
            scene.crop(plot, pair, turn, headland_m=8, tramline_m=18)
            scene.change(plot, "vegetation", f"crop: {first.base} to {second.base}")
            if rng.random() < 0.3:
                x0, y0, _x1, y1 = piece.bounds
                side = LineString([(x0, y0 + 4), (x0 + 3, y1 - 4)]).intersection(piece.buffer(3))
                if side.geom_type == "LineString" and side.length > 12:
                    scene.hedge(side, LEAVES[1], rng, height_m=3.0, gaps=0.3)


def _brook(scene: Scene, brook: LineString) -> None:
    scene.cover(
        brook.buffer(5.5),
        Surface("reed", "grass", 0.5, mix_broad=0.2, mix_middle=0.3, mix_fine=0.15),
    )
    scene.cover(
        brook.buffer(3.2), Surface("water_silt", "soil_moist", 0.35, mix_middle=0.2), height_m=-0.8
    )
    scene.cover(brook.buffer(2.0), Surface("water_green", "water_silt", 0.5, mix_middle=0.2))
    key = scene.key()
    pond = blob(96, 96, 34, scene.random("pond"), rough=0.16)
    scene.cover(pond.buffer(3), Surface("reed", "soil_moist", 0.4, mix_middle=0.3, mix_fine=0.1))
    scene.cover(pond, Surface("water_silt", "soil_moist", 0.25, mix_broad=0.15), height_m=-0.8)
    for step in (1.5, 3, 4.5, 6):
        tone = Surface("water_silt", "water_green", step / 7, mix_broad=0.2, gain_fine=0.03)
        scene.cover(pond.buffer(-step), tone, key=key)


def _roads(scene: Scene, lines: list[LineString]) -> BaseGeometry:
    paved = unary_union([line.buffer(3.1) for line in lines]).buffer(3).buffer(-3)
    scene.cover(paved.buffer(2.4), replace(LAWN, mix=0.5))
    scene.cover(paved.buffer(0.9), replace(GRAVEL, gain=0.85))
    scene.cover(paved, replace(TARMAC, mix=0.6))
    for line in lines:
        scene.road(line, 6.0, replace(TARMAC, mix=0.65))
    return paved


def _homes(scene: Scene, streets: list[LineString], paved: BaseGeometry) -> None:
    rng = scene.random("homes")
    village = Polygon(
        [
            (-40, 262),
            (60, 254),
            (150, 204),
            (196, 186),
            (200, 20),
            (300, 20),
            (300, 210),
            (400, 236),
            (470, 226),
            (480, 330),
            (392, 350),
            (390, 500),
            (300, 500),
            (296, 346),
            (150, 326),
            (40, 356),
            (-40, 370),
        ]
    )
    taken: list[Polygon] = [rectangle(286, 236, 62, 46, 20), rectangle(158, 310, 96, 74, -20)]
    homes = []
    for street in streets:
        for parcel in frontage(street, rng, offset_m=5.0, widths_m=(17, 27), depths_m=(30, 46)):
            area = parcel.area
            hit = any(area.intersection(taken[i]).area > 8 for i in STRtree(taken).query(area))
            if hit or not village.contains(area.centroid) or area.intersection(paved).area > 3:
                continue
            taken.append(area)
            present = AFTER_ONLY if rng.random() < 0.08 else BOTH
            first = len(scene.buildings)
            homes.append(furnish(scene, parcel, rng, present=present))
            if present == AFTER_ONLY:
                house = unary_union(
                    [b.footprint for b in scene.buildings[first:] if b.eave_m > 2.4]
                )
                scene.change(house, "appeared", "house built")
            elif rng.random() < 0.35 and parcel.depth > 38:
                _barn(scene, parcel, rng)
    fields = [c.area for c in scene.changes if c.label == "vegetation"]
    rest = village.buffer(12).difference(unary_union([*taken, *fields, paved.buffer(4)]))
    rest = rest.buffer(-1.5)
    for x, y in scatter(rest, rng, spacing_m=8.5, share=0.42):
        plant(scene, x, y, rng, radius=(1.4, 4.6))
    order = [homes[i] for i in rng.permutation(len(homes))]
    kept = [h for h in order if scene.buildings[h.building_index].present == BOTH]
    for home in kept[:2]:
        _demolish(scene, home.parcel)
    for home in kept[2:4]:
        x, y = home.parcel.point(1.5, home.v_house + home.half_house + 2.6)
        wing = Building(
            x, y, 8, 6, home.parcel.angle, 3, "flat", FLAT_ROOFS[1], scene.key(), present=AFTER_ONLY
        )
        scene.buildings.append(wing)
        old = scene.buildings[home.building_index].footprint
        scene.change(wing.footprint.difference(old), "grown", "house extended")
    for home in kept[4:8]:
        x, y = home.parcel.point(
            -2.5, min(home.v_house + home.half_house + 10, home.parcel.depth - 3)
        )
        hut = shed(scene, x, y, home.parcel.angle, rng, present=AFTER_ONLY)
        scene.change(hut.footprint, "appeared", "shed put up")


def _barn(scene: Scene, parcel: Parcel, rng: np.random.Generator) -> None:
    x, y = parcel.point(rng.choice([-1, 1]) * parcel.width * 0.22, parcel.depth - 9)
    scene.buildings.append(
        Building(
            x,
            y,
            rng.uniform(12, 17),
            8,
            parcel.angle + 90,
            3.6,
            "gable",
            pick_roof(rng),
            scene.key(),
            34,
        )
    )


def _demolish(scene: Scene, parcel: Parcel) -> None:
    gone = []
    for index, building in enumerate(scene.buildings):
        if parcel.area.contains(building.footprint.centroid) and building.eave_m > 2.4:
            scene.buildings[index] = replace(building, present=BEFORE_ONLY)
            gone.append(building.footprint)
    site = unary_union(gone)
    scene.cover(site.buffer(2).intersection(parcel.area), BARE, present=AFTER_ONLY)
    scene.change(site, "vanished", "house demolished")


def _farm(scene: Scene) -> None:
    rng = scene.random("farm")
    yard = unary_union([blob(158, 310, 36, rng, rough=0.15), rectangle(158, 308, 74, 50, -20)])
    scene.cover(yard.buffer(3), replace(BARE, blend="grass_dry", mix=0.5, mix_middle=0.3))
    scene.cover(yard, replace(GRAVEL, gain=0.68, mix=0.5))
    scene.cover(rectangle(150, 306, 50, 26, -20), replace(PAVING, gain=0.62))
    for x, y, length, width, turn, present in (
        (136, 324, 46, 15, -20, BOTH),
        (176, 330, 15, 34, -20, BEFORE_ONLY),
        (152, 290, 40, 12, -20, BOTH),
        (188, 296, 22, 18, -20, AFTER_ONLY),
    ):
        cover = ROOFS[1][0] if present != AFTER_ONLY else FLAT_ROOFS[2]
        long_side = (length, width, turn) if length > width else (width, length, turn + 90)
        hall = Building(x, y, *long_side, 4.5, "gable", cover, scene.key(), 24, present)
        scene.buildings.append(hall)
        if present == AFTER_ONLY:
            scene.change(hall.footprint, "appeared", "barn built")
        elif present == BEFORE_ONLY:
            scene.cover(hall.footprint.buffer(2), BARE, present=AFTER_ONLY)
            scene.change(hall.footprint, "vanished", "barn demolished")
    for number in range(9):
        x, y = 150 + 4.2 * (number % 5) + rng.normal(0, 0.5), 309 + 9 * (number // 5)
        bale = rectangle(x, y, 2.6, 1.6, rng.uniform(0, 90))
        present = (BOTH, BEFORE_ONLY, AFTER_ONLY)[rng.integers(3)]
        scene.cover(
            bale, Surface("membrane", "stubble", rng.uniform(0, 1)), present=present, height_m=1.3
        )


def _church(scene: Scene) -> None:
    scene.cover(rectangle(286, 236, 58, 42, 20), replace(LAWN, mix=0.2))
    scene.cover(rectangle(284, 236, 40, 21, 20), replace(GRAVEL, gain=0.75))
    slate = ROOFS[2][0]
    nave = Building(288, 236, 24, 11, 20, 8.5, "gable", slate, scene.key(), 48)
    tower = Building(273.5, 230.7, 6.5, 6.5, 20, 19, "hip", slate, scene.key(), 62)
    scene.buildings += [nave, tower]
    rng = scene.random("church")
    for x, y in ((304, 222), (310, 244), (268, 246), (282, 218), (300, 254)):
        plant(scene, x, y, rng, radius=(3, 5), conifers=0)


def _new_lane(scene: Scene) -> None:
    lane = curve([(402, 294), (410, 250), (440, 212), (466, 176), (471, 150)])
    for x, y, roof in ((429, 176, 1), (478, 212, 3)):
        cover = replace(FLAT_ROOFS[roof], gain=0.95)
        hall = Building(x, y, 42, 22, -54, 7, "flat", cover, scene.key(), present=AFTER_ONLY)
        pad = hall.footprint.buffer(7, join_style="mitre")
        scene.cover(pad, replace(PAVING, gain=0.55), present=AFTER_ONLY)
        scene.buildings.append(hall)
        scene.change(hall.footprint, "appeared", "hall built")
        scene.change(
            pad.difference(unary_union([hall.footprint, lane.buffer(3.4)])), "ground", "yard paved"
        )
    scene.cover(lane.buffer(5.5), BARE, present=AFTER_ONLY)
    scene.road(lane, 6.0, replace(TARMAC, mix=0.15), present=AFTER_ONLY)
    scene.change(lane.buffer(3.4, cap_style="flat"), "road", "lane built")
    pit = blob(374, 224, 11, scene.random("pit"))
    scene.cover(pit, replace(BARE, mix=0.7), present=AFTER_ONLY)
    scene.change(pit, "ground", "meadow excavated")
    drain = curve([(338, 142), (362, 160), (384, 166), (398, 188)]).buffer(1.5)
    scene.cover(drain, replace(MEADOW, mix=0.62), present=AFTER_ONLY)
    scene.change(drain, "ground", "drain laid, faint")
    patch = rectangle(60, 308, 22, 5.5, -24)
    scene.cover(patch, replace(TARMAC, mix=0.5), present=AFTER_ONLY)
    scene.change(patch, "ground", "street resurfaced")


def _woods(scene: Scene, paved: BaseGeometry, brook: LineString) -> None:
    rng = scene.random("woods")
    keep_off = unary_union(
        [
            paved.buffer(6),
            *(c.area.buffer(4) for c in scene.changes if c.label in ("road", "appeared", "ground")),
        ]
    )
    wood = Polygon(
        [(300, -80), (600, -80), (600, 40), (520, 66), (470, 52), (420, 84), (352, 62), (316, 20)]
    )
    felled = rectangle(430, 18, 62, 44, 12)
    scene.cover(
        wood, Surface("litter", "leaf_olive", 0.35, mix_middle=0.2, mix_fine=0.15, gain=0.8)
    )
    scene.cover(felled, replace(BARE, blend="litter", mix=0.6), present=AFTER_ONLY)
    scene.change(felled.intersection(wood), "clearcut", "wood felled")
    pines = blob(380, 10, 70, rng)
    floor = Surface("conifer", "leaf_olive", 0.4, mix_middle=0.2, mix_fine=0.15, gain=0.75)
    scene.cover(pines.intersection(wood).difference(felled), floor)
    for x, y in scatter(wood, rng, spacing_m=3.3):
        needles = pines.contains(Point(x, y))
        if not needles and rng.random() < 0.5:
            continue
        share = 0.97 if needles else 0.1
        tree = plant(scene, x, y, rng, radius=(2.3, 4.8), conifers=share)
        if felled.contains(Point(x, y)):
            scene.trees[-1] = replace(tree, present=BEFORE_ONLY)
    edges = brook.buffer(10).difference(brook.buffer(3.4)).difference(unary_union([keep_off, wood]))
    for x, y in scatter(edges, rng, spacing_m=4.8, share=0.62):
        plant(scene, x, y, rng, radius=(1.6, 4.4), conifers=0.02)
    orchard = rectangle(76, 240, 70, 46, -22).difference(keep_off)
    turn = np.radians(-22)
    for u in np.arange(-32, 34, 7.0):
        for v in np.arange(-20, 22, 7.0):
            x, y = (
                66 + u * np.cos(turn) - v * np.sin(turn),
                228 + u * np.sin(turn) + v * np.cos(turn),
            )
            if orchard.buffer(8).contains(Point(x, y)) and rng.random() < 0.88:
                plant(scene, x, y, rng, radius=(1.7, 2.6), conifers=0)
    meadow = unary_union([box(-60, -60, 215, 150), box(310, 110, 560, 250)]).difference(keep_off)
    for x, y in scatter(meadow.difference(blob(96, 96, 40, rng)), rng, spacing_m=13, share=0.28):
        plant(scene, x, y, rng, radius=(0.8, 4.6), conifers=0.15)
    single = [t for t in scene.trees if t.radius > 3.2 and t.present == BOTH and t.x < 290]
    for tree in single[5:90:9]:
        scene.trees[scene.trees.index(tree)] = replace(tree, present=BEFORE_ONLY)
        scene.change(tree.footprint, "vegetation", "tree felled")


def _traffic(scene: Scene, lines: list[LineString]) -> None:
    rng = scene.random("traffic")
    for line in lines:
        for _ in range(11):
            s, side = rng.uniform(0, line.length - 5), rng.choice([-1, 1])
            a, b = line.interpolate(s), line.interpolate(s + 4)
            turn = float(np.degrees(np.arctan2(b.y - a.y, b.x - a.x)))
            nx, ny = -np.sin(np.radians(turn)) * 1.7 * side, np.cos(np.radians(turn)) * 1.7 * side
            here = (AFTER_ONLY, BEFORE_ONLY)[rng.integers(2)]
            scene.cars.append(Car(a.x + nx, a.y + ny, turn, pick_paint(rng), present=here))
    for car in scene.cars:
        if car.present != BOTH:
            gone = car.present == BEFORE_ONLY
            scene.change(car.footprint, "vehicle", "vehicle left" if gone else "vehicle arrived")
