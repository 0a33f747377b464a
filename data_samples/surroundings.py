"""What lies around the suburb: meadows, fields, a river and a park."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from canvas import Surface
from geometry import blob, curve, mosaic, rectangle, scatter
from objects import BEFORE_ONLY, Tree
from scene import Scene
from settlement import (
    BARE,
    GRAVEL,
    LAWN,
    LEAVES,
    MEADOW,
    plant,
)
from shapely.geometry import LineString, Polygon
from shapely.ops import unary_union


def meadows(scene: Scene) -> None:
    """Lay meadows with tracks and tussocks."""
    rng = scene.random("meadows")
    rough = Polygon([(230, 215), (330, 60), (480, 180), (500, 330), (352, 284), (300, 262)])
    for number, piece in enumerate(mosaic(rough, rng, target_m2=5000, angle=-38)):
        angle = -38 + 90 * (number % 2)
        mown = replace(
            MEADOW,
            mix=rng.uniform(0.15, 0.65),
            mix_ridges=rng.uniform(0, 0.2),
            mix_stripes=rng.choice([0.03, 0.13]),
            gain=rng.uniform(0.93, 1.07),
            angle=angle,
            spacing_m=rng.uniform(2, 4),
        )
        scene.cover(piece, mown)
    worn = replace(BARE, blend="grass_dry", mix=0.55, mix_fine=0.2)
    for points in (
        [(300, 252), (322, 214), (366, 196), (420, 214), (480, 262)],
        [(366, 196), (372, 160), (392, 176)],
        [(322, 214), (300, 180), (288, 164)],
    ):
        line = curve([(x + rng.normal(0, 2), y + rng.normal(0, 2)) for x, y in points])
        for side in (-0.75, 0.75):
            scene.cover(line.offset_curve(side).buffer(0.28), worn)
    for _ in range(60):
        place = rng.uniform(260, 470), rng.uniform(120, 320)
        spot = blob(*place, rng.uniform(0.8, 4), rng, rough=0.4)
        base = str(rng.choice(["grass_dry", "soil", "grass_lush", "leaf_olive"]))
        scene.cover(spot, replace(MEADOW, base=base, blend="grass", mix=0.5, mix_fine=0.25))


def farmland(scene: Scene) -> None:
    """Lay fields, a farm track and hedgerows; record the fields that changed."""
    rng = scene.random("fields")
    south = Polygon([(306, 282), (352, 300), (500, 364), (500, 500), (318, 500), (304, 440)])
    wheat = Surface(
        "cereal_green",
        "soil",
        0.12,
        mix_broad=0.10,
        mix_middle=0.06,
        mix_fine=0.07,
        mix_stripes=0.05,
        gain_broad=0.06,
        gain_stripes=0.03,
        gain_fine=0.05,
        spacing_m=2.6,
    )
    ripe = replace(wheat, base="cereal_ripe", blend="stubble", mix=0.4, mix_stripes=0.12)
    cut = replace(
        wheat,
        base="stubble",
        blend="soil",
        mix=0.35,
        mix_stripes=0.2,
        gain_stripes=0.05,
        mix_broad=0.15,
        spacing_m=5.5,
    )
    ploughed = replace(
        BARE,
        base="soil_moist",
        blend="soil",
        mix=0.55,
        mix_broad=0.28,
        gain_stripes=0.07,
        mix_stripes=0.12,
        spacing_m=1.4,
    )
    maize = replace(
        wheat,
        base="maize",
        blend="soil_moist",
        mix=0.2,
        mix_stripes=0.12,
        spacing_m=1.5,
        mix_broad=0.15,
    )
    hay = replace(MEADOW, mix=0.55, mix_stripes=0.16, gain_stripes=0.05, spacing_m=3.2)
    phases = [
        (ripe, cut, "harvested"),
        (maize, maize, ""),
        (wheat, ploughed, "ploughed"),
        (ploughed, maize, "crop grown"),
        (hay, hay, ""),
    ]
    for number, piece in enumerate(mosaic(south, rng, target_m2=5200, angle=23)):
        first, second, kind = phases[number % len(phases)]
        angle = 23 + 90 * int(rng.integers(2)) + rng.normal(0, 2)
        pair = tuple(
            replace(s, angle=angle, gain=rng.uniform(0.88, 1.12), mix=s.mix * rng.uniform(0.6, 1.5))
            for s in (first, second)
        )
        field = piece.buffer(-1.6, join_style="mitre")
        scene.crop(field, pair, angle, headland_m=9)
        if kind:
            scene.change(field, "vegetation", f"field {kind}")
    north = Polygon([(378, -30), (500, -30), (500, 170), (440, 160), (408, 110), (392, 70)])
    first, second = replace(ploughed, angle=62, spacing_m=1.8), replace(maize, angle=62)
    scene.crop(north, (first, second), 62, headland_m=8, tramline_m=21)
    scene.change(north, "vegetation", "field crop grown")
    track = curve([(338, 292), (352, 352), (382, 420), (396, 500)])
    scene.cover(track.buffer(3.0), replace(MEADOW, mix=0.65))
    for side in (-0.9, 0.9):
        scene.cover(track.offset_curve(side).buffer(0.55), replace(GRAVEL, gain=0.9))
    for line in (track.offset_curve(4.2), curve([(376, -20), (392, 66), (410, 112), (446, 164)])):
        scene.hedge(line, LEAVES[1], rng, height_m=3.2, gaps=0.25)
        for position in np.arange(4, line.length, 13):
            place = line.interpolate(position + rng.uniform(-4, 4))
            if rng.random() < 0.6:
                plant(scene, place.x, place.y, rng, radius=(2, 4.6))


def river_valley(scene: Scene, line: LineString) -> None:
    """Let a river flow along a line, shallow and silty at its banks."""
    bank = Surface(
        "reed",
        "soil_moist",
        0.35,
        mix_broad=0.2,
        mix_middle=0.25,
        mix_fine=0.12,
        gain=0.9,
        gain_middle=0.08,
        gain_fine=0.1,
    )
    shallow = Surface(
        "water_silt",
        "soil_moist",
        0.3,
        mix_broad=0.22,
        mix_middle=0.12,
        gain_broad=0.06,
        gain_fine=0.03,
    )
    middle = Surface(
        "water_silt",
        "water_green",
        0.25,
        mix_broad=0.18,
        mix_middle=0.06,
        gain_broad=0.06,
        gain_fine=0.03,
    )
    river = unary_union(
        [
            line.interpolate(s).buffer(11.5 + 2.2 * np.sin(s / 31) + 1.3 * np.sin(s / 11 + 1))
            for s in np.arange(0, line.length, 1.5)
        ]
    )
    scene.cover(river.buffer(4.5), bank, height_m=0.0)
    key = scene.key()
    scene.cover(river, shallow, height_m=-1.2, key=key)
    for step in np.arange(0.5, 5, 0.5):
        tone = replace(shallow, mix=0.3 * (1 - step / 5))
        scene.cover(river.buffer(-step), tone, key=key)
    for step in np.arange(5, 9, 0.5):
        share = (step - 5) / 4
        scene.cover(river.buffer(-step), replace(middle, mix=0.15 + 0.6 * share), key=key)
    rng = scene.random("bar")
    for x, y, size in ((351, 78, 6), (356, 88, 5), (424, 188, 6)):
        bar = blob(x, y, size, rng, rough=0.4).intersection(river)
        scene.cover(bar.buffer(1.2), replace(shallow, mix=0.5), height_m=-1.0)
        scene.cover(bar, Surface("sand", "soil", 0.5, mix_middle=0.2, mix_fine=0.1, gain=0.8))


def town_park(scene: Scene) -> None:
    """Lay a park with a pond, paths, a tennis court and trees."""
    rng = scene.random("park")
    park = Polygon(
        [(214, -30), (308, -30), (318, 30), (338, 92), (288, 162), (238, 212), (212, 196)]
    )
    scene.cover(park, replace(LAWN, mix=0.22, gain_stripes=0.03, angle=70, spacing_m=2.2))
    pond = blob(268, 98, 21, rng, rough=0.3)
    scene.cover(pond.buffer(2.2), Surface("reed", "soil_moist", 0.3, mix_middle=0.3, mix_fine=0.1))
    scene.cover(pond, Surface("water_silt", "soil_moist", 0.2, mix_broad=0.2), height_m=-0.6)
    scene.cover(pond.buffer(-1.5), Surface("water_green", "water_silt", 0.4, mix_broad=0.25))
    scene.cover(pond.buffer(-5), Surface("water_green", "water", 0.4, mix_broad=0.3))
    path = replace(GRAVEL, gain=1.05)
    for points in (
        [(214, 10), (240, 40), (252, 66), (292, 70), (326, 60)],
        [(240, 40), (232, 90), (244, 136), (252, 190)],
        [(300, 71), (302, 110), (284, 140), (244, 136)],
    ):
        scene.cover(curve(points).buffer(1.1), path)
    court = rectangle(240, 8, 36, 18, 8)
    scene.cover(court, Surface("court", "court", mix_middle=0.1, gain_middle=0.04))
    scene.cover(rectangle(240, 8, 23.8, 11, 8), Surface("clay", "court", 0.15, mix_middle=0.12))
    lines = [rectangle(240, 8, 23.8, 11, 8).exterior, rectangle(240, 8, 12.8, 8.2, 8).exterior]
    scene.cover(unary_union(lines).buffer(0.06), Surface("paint", "clay", 0.3))
    free = park.difference(unary_union([pond.buffer(3), court.buffer(4)]))
    for x, y in scatter(free, rng, spacing_m=8.5, share=0.5):
        plant(scene, x, y, rng, radius=(1.6, 5.4), conifers=0.2)
    for x, y in scatter(blob(296, 22, 26, rng), rng, spacing_m=4.4, share=0.9):
        plant(scene, x, y, rng, radius=(2.4, 5.0), conifers=0.05)
    felled = [tree for tree in scene.trees if tree.radius > 1.9 and 205 < tree.y + tree.x < 345]
    for tree in felled[:: max(1, len(felled) // 7)]:
        fell(scene, tree)


def fell(scene: Scene, tree: Tree) -> None:
    """Fell a tree between the dates."""
    index = scene.trees.index(tree)
    old = scene.trees[index]
    scene.trees[index] = replace(old, present=BEFORE_ONLY)
    scene.change(old.footprint, "vegetation", "tree felled")
