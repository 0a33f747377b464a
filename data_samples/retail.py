"""The retail park of the suburb: halls, their yard and the car park."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from geometry import blob, rectangle
from objects import AFTER_ONLY, BEFORE_ONLY, BOTH, Building, Car, Presence
from scene import Scene
from settlement import (
    FLAT_ROOFS,
    MEADOW,
    TARMAC,
    car_park,
    plant,
)
from shapely.geometry import LineString, Polygon

_STORE = replace(FLAT_ROOFS[0], gain=0.82)
YARD_AREA = Polygon([(-30, -8), (196, -4), (192, 172), (60, 162), (-30, 160)])


def retail_park(scene: Scene) -> None:
    """Build the halls with their yard, lorries and car park."""
    rng = scene.random("retail")
    yard = Polygon([(-30, -30), (204, -30), (204, 188), (150, 190), (60, 176), (-30, 172)])
    scene.cover(yard, replace(MEADOW, mix=0.35))
    scene.cover(YARD_AREA, _YARD)
    _yard_details(scene, rng)
    scene.cover(rectangle(84, 112, 228, 84, 2), TARMAC)
    car_park(scene, 76, 112, 104, 4, 2, rng, filled=(0.55, 0.42))
    big = Building(70, 34, 92, 46, 2, 8.5, "flat", _STORE, scene.key())
    low = Building(146, 42, 40, 30, 2, 6, "flat", FLAT_ROOFS[1], scene.key())
    hall = Building(170, 108, 58, 26, 92, 7, "gable", FLAT_ROOFS[2], scene.key(), pitch=9)
    office = Building(-2, 124, 44, 15, 92, 13, "flat", FLAT_ROOFS[3], scene.key())
    scene.buildings += [big, low, hall, office]
    new = Building(145, 12, 38, 21, 2, 7, "flat", FLAT_ROOFS[4], scene.key(), present=AFTER_ONLY)
    wing = Building(
        28.5, 68.5, 30, 24, 2, 7.0, "flat", FLAT_ROOFS[2], scene.key(), present=AFTER_ONLY
    )
    scene.buildings += [new, wing]
    scene.change(new.footprint, "appeared", "warehouse built")
    scene.change(wing.footprint.difference(big.footprint), "grown", "store extended")
    scene.cover(
        rectangle(120, 62, 26, 9, 2), replace(_YARD, gain=0.98, mix=0.75), present=AFTER_ONLY
    )
    scene.change(rectangle(120, 62, 26, 9, 2), "ground", "asphalt resurfaced, faint")
    for u in np.arange(-10, 190, 8.5):
        if rng.random() < 0.75:
            plant(scene, u, 166 + u * 0.05 + rng.normal(0, 1), rng, radius=(1.4, 3), conifers=0)
        if rng.random() < 0.5:
            plant(scene, 200 + rng.normal(0, 1.5), u * 0.9, rng, radius=(1.8, 4), conifers=0.2)
    box_paint = ("car_white", "metal_blue", "clay", "metal_green", "car_grey")
    for number in range(14):
        x, y = 112 + (number % 7) * 3.1 + rng.normal(0, 0.3), 16 + (number // 7) * 14.0
        here: Presence = (BOTH, BEFORE_ONLY, BOTH, AFTER_ONLY)[rng.integers(4)]
        if x < 124:
            paint = str(rng.choice(box_paint))
            scene.cars.append(Car(x, y, 92, paint, 12.2, 2.4, 2.6, present=here))


_YARD = replace(TARMAC, mix=0.85, mix_broad=0.1, mix_middle=0.1, gain=1.05, gain_middle=0.03)


def _yard_details(scene: Scene, rng: np.random.Generator) -> None:
    """Slabs, stains and patches, so that the yard has a history."""
    for _ in range(70):
        x, y = rng.uniform(-20, 190), rng.uniform(-5, 160)
        tone = replace(_YARD, mix=rng.uniform(0.5, 1.0), gain=rng.uniform(0.93, 1.1))
        scene.cover(rectangle(x, y, rng.uniform(3, 30), rng.uniform(2, 9), 2), tone)
    dark = replace(TARMAC, mix=0.2, gain=0.85)
    for _ in range(26):
        x, y = rng.uniform(-20, 190), rng.uniform(-5, 70)
        scene.cover(blob(x, y, rng.uniform(0.5, 1.6), rng), dark)
        bend = [(x, y), (x + rng.normal(0, 20), y + rng.normal(0, 8))]
        scene.cover(LineString(bend).buffer(0.12), dark)
