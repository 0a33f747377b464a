"""Houses with their gardens, car parks and the covers that they are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from canvas import Surface
from geometry import Parcel, blob, rectangle
from objects import BOTH, Building, Car, Presence, Tree
from scene import Scene
from shapely.geometry import LineString, Polygon

LAWN = Surface(
    "grass",
    "grass_dry",
    0.3,
    mix_broad=0.13,
    mix_middle=0.13,
    mix_fine=0.08,
    gain_broad=0.05,
    gain_middle=0.06,
    gain_fine=0.05,
)
MEADOW = Surface(
    "grass",
    "grass_dry",
    0.36,
    mix_broad=0.10,
    mix_middle=0.10,
    mix_fine=0.08,
    mix_ridges=0.07,
    gain_broad=0.06,
    gain_middle=0.08,
    gain_fine=0.07,
)
BARE = Surface(
    "soil",
    "soil_pale",
    0.45,
    mix_broad=0.2,
    mix_middle=0.22,
    mix_fine=0.09,
    mix_ridges=0.12,
    gain_broad=0.05,
    gain_middle=0.07,
    gain_fine=0.065,
)
TARMAC = Surface(
    "asphalt",
    "asphalt_old",
    0.5,
    mix_broad=0.14,
    mix_middle=0.12,
    mix_fine=0.08,
    gain_middle=0.04,
    gain_fine=0.06,
)
PAVING = Surface(
    "concrete",
    "gravel",
    0.5,
    mix_broad=0.12,
    mix_middle=0.15,
    gain=0.85,
    gain_middle=0.06,
    gain_fine=0.06,
)
GRAVEL = Surface(
    "gravel",
    "soil",
    0.35,
    mix_broad=0.15,
    mix_middle=0.2,
    mix_fine=0.1,
    gain_middle=0.08,
    gain_fine=0.065,
)

LEAVES = (
    Surface("leaf", "leaf_light", 0.2, mix_fine=0.18, gain=0.95, gain_fine=0.13),
    Surface("leaf", "leaf_olive", 0.5, mix_fine=0.2, gain=0.9, gain_fine=0.14),
    Surface("leaf_light", "leaf", 0.4, mix_fine=0.2, gain=1.0, gain_fine=0.13),
    Surface("leaf_olive", "leaf", 0.3, mix_fine=0.2, gain=0.95, gain_fine=0.15),
    Surface("leaf_olive", "leaf_autumn", 0.25, mix_fine=0.15, gain=1.0, gain_fine=0.14),
)
NEEDLES = (
    Surface("conifer", "conifer_light", 0.45, mix_fine=0.2, gain=1.2, gain_fine=0.15),
    Surface("conifer_light", "leaf_olive", 0.3, mix_fine=0.2, gain=1.2, gain_fine=0.15),
)
ROOFS = (
    (Surface("tile_red", "tile_brown", 0.35, mix_broad=0.05, mix_middle=0.1, mix_fine=0.05), 0.30),
    (Surface("tile_brown", "tile_red", 0.3, mix_broad=0.05, mix_middle=0.1, mix_fine=0.05), 0.22),
    (Surface("tile_dark", "shingle", 0.3, mix_middle=0.08, mix_fine=0.05, gain_fine=0.05), 0.24),
    (Surface("shingle", "tile_brown", 0.35, mix_middle=0.08, mix_fine=0.06), 0.16),
    (Surface("metal", "shingle", 0.4, mix_middle=0.06, gain_fine=0.03), 0.05),
    (Surface("metal_green", "shingle", 0.3, mix_middle=0.06, gain_fine=0.03), 0.03),
)
FLAT_ROOFS = (
    Surface("membrane", "roof_gravel", 0.25, mix_broad=0.1, mix_middle=0.06, gain_fine=0.03),
    Surface("roof_gravel", "bitumen", 0.35, mix_broad=0.12, mix_middle=0.1, gain_fine=0.05),
    Surface("metal", "membrane", 0.2, mix_broad=0.06, mix_middle=0.04, gain_fine=0.03),
    Surface("bitumen", "roof_gravel", 0.35, mix_broad=0.12, mix_middle=0.1, gain_fine=0.05),
    Surface("metal_blue", "metal", 0.35, mix_broad=0.06, mix_middle=0.04, gain_fine=0.03),
)
_PAINTS = ("car_white", "car_silver", "car_grey", "car_black", "car_red", "car_blue")
_PAINT_SHARES = (0.27, 0.2, 0.2, 0.18, 0.07, 0.08)


def pick_roof(rng: np.random.Generator) -> Surface:
    """Return a covering for a house, with its own tone and age."""
    shares = np.array([share for _, share in ROOFS])
    cover = ROOFS[rng.choice(len(ROOFS), p=shares / shares.sum())][0]
    mix = float(np.clip(cover.mix + rng.normal(0, 0.15), 0, 0.9))
    return replace(cover, mix=mix, gain=rng.uniform(0.82, 1.22))


def pick_leaves(rng: np.random.Generator) -> Surface:
    """Return the leaves of a broad-leaved tree."""
    cover = LEAVES[rng.integers(len(LEAVES))]
    return replace(cover, gain=cover.gain * rng.uniform(0.8, 1.2))


def pick_paint(rng: np.random.Generator) -> str:
    """Return the paint of a car."""
    return str(rng.choice(_PAINTS, p=_PAINT_SHARES))


def plant(
    scene: Scene,
    x: float,
    y: float,
    rng: np.random.Generator,
    *,
    radius: tuple[float, float] = (1.6, 4.2),
    conifers: float = 0.15,
    present: Presence = BOTH,
) -> Tree:
    """Plant a tree and return it."""
    size = float(np.exp(rng.uniform(np.log(radius[0]), np.log(radius[1]))))
    conifer = rng.random() < conifers
    if conifer:
        size = min(size * 0.7, 2.8)
    cover = NEEDLES[rng.integers(2)] if conifer else pick_leaves(rng)
    height = size * (rng.uniform(3.2, 4.4) if conifer else rng.uniform(1.7, 2.5))
    tree = Tree(x, y, size, height, cover, scene.key(), conifer, present)
    scene.trees.append(tree)
    return tree


@dataclass(frozen=True)
class Home:
    """What stands on a plot, for the scene to change later."""

    parcel: Parcel
    building_index: int
    v_house: float
    half_house: float


def furnish(
    scene: Scene,
    parcel: Parcel,
    rng: np.random.Generator,
    *,
    present: Presence = BOTH,
    former: Surface | None = None,
) -> Home:
    """Build a house with drive, garden, trees, shed and car on a plot.

    Parameters
    ----------
    scene : Scene
        Scene to add to.
    parcel : Parcel
        Plot of land.
    rng : numpy.random.Generator
        Source of the plan.
    present : tuple of bool
        Whether the house stands at each date; its garden follows.
    former : Surface, optional
        What covers the plot at the other date.

    Returns
    -------
    Home
        Where things stand.
    """
    lawn = replace(
        LAWN,
        mix=float(np.clip(rng.normal(0.36, 0.2), 0, 0.9)),
        gain=rng.uniform(0.88, 1.12),
        gain_stripes=rng.choice([0.0, 0.04]),
        angle=parcel.angle + rng.choice([0, 90]),
        spacing_m=1.1,
    )
    pair = tuple(lawn if here else former for here in present)
    scene.cover(parcel.area, pair)
    w, d = parcel.width, parcel.depth
    v_house, half = _house(scene, parcel, rng, present)
    index = len(scene.buildings) - 1
    side = rng.choice([-1.0, 1.0])
    pave = replace(PAVING if rng.random() < 0.6 else TARMAC, gain=rng.uniform(0.75, 1.1))
    u = side * (w / 2 - 2.2)
    scene.cover(parcel.quad(u - 1.5, u + 1.5, -1.5, v_house), pave, present=present)
    if rng.random() < 0.6:
        walk = -side * rng.uniform(0.0, 2.0)
        scene.cover(
            parcel.quad(walk - 0.6, walk + 0.6, -1, v_house - half), PAVING, present=present
        )
    terrace = rng.uniform(2.5, 4.5)
    u0 = rng.uniform(-w / 3, 0)
    v0 = v_house + half
    scene.cover(parcel.quad(u0, u0 + rng.uniform(3, 6), v0, v0 + terrace), PAVING, present=present)
    _garden(scene, parcel, rng, v0 + terrace, present)
    parked = rng.random(2) < 0.45
    here = (bool(parked[0]) and present[0], bool(parked[1]) and present[1])
    if any(here):
        x, y = parcel.point(u + rng.normal(0, 0.15), rng.uniform(2.5, max(3, v_house - 2)))
        turn = parcel.angle + 90 + rng.normal(0, 3)
        scene.cars.append(Car(x, y, turn, pick_paint(rng), present=here))
    if d > 24 and not all(present):
        return Home(parcel, index, v_house, half)
    _boundary(scene, parcel, rng, present)
    return Home(parcel, index, v_house, half)


def _house(
    scene: Scene, parcel: Parcel, rng: np.random.Generator, present: Presence
) -> tuple[float, float]:
    w = parcel.width
    length = min(rng.uniform(9.5, 14.5), w - 4.5)
    width = rng.uniform(7.5, 10)
    v = rng.uniform(5, 8) + width / 2
    turned = rng.random() < 0.2
    angle = parcel.angle + (90 if turned else 0) + rng.normal(0, 1.2)
    cover, roof = pick_roof(rng), str(rng.choice(["gable", "hip"], p=[0.6, 0.4]))
    pitch, eave = rng.uniform(22, 42), rng.uniform(2.8, 5.2)
    x, y = parcel.point(rng.uniform(-1, 1), v)
    if rng.random() < 0.55:
        reach = rng.uniform(5, 8)
        sx, sy = rng.choice([-1, 1]) * length * 0.25, rng.choice([-1, 1]) * width * 0.4
        turn = np.radians(angle)
        wx = x + sx * np.cos(turn) - sy * np.sin(turn)
        wy = y + sx * np.sin(turn) + sy * np.cos(turn)
        scene.buildings.append(
            Building(
                wx,
                wy,
                width * 0.85,
                reach,
                angle + 90,
                eave - 0.3,
                roof,
                cover,
                scene.key(),
                pitch,
                present,
            )
        )
    scene.buildings.append(
        Building(x, y, length, width, angle, eave, roof, cover, scene.key(), pitch, present)
    )
    return v, (length if turned else width) / 2


def _garden(
    scene: Scene, parcel: Parcel, rng: np.random.Generator, v0: float, present: Presence
) -> None:
    w, d = parcel.width, parcel.depth
    if d - v0 < 5:
        return
    if rng.random() < 0.3:
        u = rng.uniform(-w / 3, w / 6)
        bed = parcel.quad(u, u + rng.uniform(2, 5), d - 6, d - 1.5)
        rows = replace(
            BARE,
            base="soil_moist",
            blend="grass",
            mix=0.45,
            gain_stripes=0.2,
            angle=parcel.angle,
            spacing_m=0.6,
        )
        scene.cover(bed, rows, present=present)
    _clutter(scene, parcel, rng, v0, present)
    if rng.random() < 0.1 and d - v0 > 9:
        x, y = parcel.point(rng.uniform(-w / 5, w / 5), v0 + 3.5)
        size = (rng.uniform(6, 9), rng.uniform(3, 4))
        angle = parcel.angle + rng.choice([0, 90])
        scene.cover(rectangle(x, y, size[0] + 2.4, size[1] + 2.4, angle), PAVING, present=present)
        water = Surface("pool", "water", 0.12, mix_middle=0.05, gain_fine=0.05)
        scene.cover(rectangle(x, y, *size, angle), water, present=present)
    if rng.random() < 0.5:
        x, y = parcel.point(rng.choice([-1, 1]) * (w / 2 - 2.2), d - rng.uniform(2, 4))
        shed(scene, x, y, parcel.angle, rng, present=present)
    for _ in range(rng.poisson(5.0)):
        x, y = parcel.point(rng.uniform(-0.46, 0.46) * w, rng.uniform(min(v0 + 1, d - 2), d - 0.5))
        plant(scene, x, y, rng, radius=(0.9, 4.3), present=present)
    for _ in range(rng.poisson(1.3)):
        x, y = parcel.point(rng.uniform(-0.45, 0.45) * w, rng.uniform(0.8, 4))
        plant(scene, x, y, rng, radius=(0.7, 2.2), present=present)


def _clutter(
    scene: Scene, parcel: Parcel, rng: np.random.Generator, v0: float, present: Presence
) -> None:
    things = ("timber", "gravel", "soil_moist", "metal", "soil_pale", "grass_dry", "membrane")
    for _ in range(rng.poisson(5)):
        x, y = parcel.point(
            rng.uniform(-0.45, 0.45) * parcel.width, rng.uniform(v0 - 2, parcel.depth - 1)
        )
        base, blend = str(rng.choice(things)), str(rng.choice(things[:4]))
        tone = Surface(base, blend, 0.4, mix_fine=0.2, gain=0.8, gain_fine=0.1)
        size = (rng.uniform(0.6, 2.6), rng.uniform(0.5, 1.6))
        height = rng.choice([0.0, 0.5, 1.2])
        patch = rectangle(x, y, *size, parcel.angle + rng.normal(0, 12))
        scene.cover(patch, tone, present=present, height_m=height)


def shed(
    scene: Scene,
    x: float,
    y: float,
    angle: float,
    rng: np.random.Generator,
    *,
    present: Presence = BOTH,
) -> Building:
    """Put up a small shed and return it."""
    cover = Surface("timber", "shingle", rng.uniform(0.1, 0.9), mix_middle=0.1, gain_fine=0.05)
    if rng.random() < 0.3:
        cover = Surface("metal", "membrane", rng.uniform(0, 0.5), gain_fine=0.04)
    hut = Building(
        x,
        y,
        rng.uniform(2.8, 4.5),
        rng.uniform(2.2, 3.2),
        angle + rng.normal(0, 3),
        2.2,
        str(rng.choice(["gable", "shed"])),
        cover,
        scene.key(),
        18,
        present,
    )
    scene.buildings.append(hut)
    return hut


def _boundary(scene: Scene, parcel: Parcel, rng: np.random.Generator, present: Presence) -> None:
    w, d = parcel.width, parcel.depth
    sides = (
        ((-w / 2, 5), (-w / 2, d)),
        ((-w / 2, d), (w / 2, d)),
        ((-w / 2, 0.4), (w / 2 - 4, 0.4)),
    )
    chances = (0.45, 0.5, 0.25)
    for (start, end), chance in zip(sides, chances, strict=True):
        line = LineString([parcel.point(*start), parcel.point(*end)])
        draw = rng.random()
        if draw < chance:
            scene.hedge(
                line,
                LEAVES[rng.integers(4)],
                rng,
                height_m=rng.uniform(1.2, 2.6),
                present=present,
                gaps=rng.choice([0.05, 0.3]),
            )
        elif draw < chance + 0.35:
            wood = Surface("timber", "concrete", rng.uniform(0, 0.8), gain=0.8)
            scene.cover(line.buffer(0.15), wood, present=present, height_m=1.5)


def car_park(
    scene: Scene,
    x: float,
    y: float,
    length: float,
    rows: int,
    angle: float,
    rng: np.random.Generator,
    *,
    filled: tuple[float, float] = (0.6, 0.5),
    stay: float = 0.15,
) -> Polygon:
    """Lay a car park of double rows with other cars at each date; returns its area."""
    module = 16.5
    area = rectangle(x, y, length + 8, rows * module + 4, angle)
    scene.cover(area, replace(TARMAC, gain=rng.uniform(0.95, 1.15)))
    turn = np.radians(angle)
    ux, uy = np.cos(turn), np.sin(turn)
    white = Surface("paint", "asphalt_old", 0.3, mix_middle=0.15, mix_fine=0.15)

    def place(u: float, v: float) -> tuple[float, float]:
        return x + u * ux - v * uy, y + u * uy + v * ux

    for row in range(rows):
        middle = (row - (rows - 1) / 2) * module
        for side in (-1, 1):
            v = middle + side * (module / 2 - 2.6)
            liking = rng.uniform(0.6, 1.4)
            for u in np.arange(-length / 2, length / 2, 2.55):
                scene.cover(rectangle(*place(u, v), 0.12, 4.8, angle), white)
                _park(
                    scene,
                    place(u + 1.27, v),
                    angle + 90 * side,
                    rng,
                    (filled[0] * liking, filled[1] * liking),
                    stay,
                )
            for u in np.arange(-length / 2 - 1, length / 2 + 3, rng.uniform(22, 30)):
                if side == 1 and row + 1 < rows:
                    px, py = place(u, middle + module / 2)
                    scene.cover(blob(px, py, 1.8, rng), LAWN)
                    plant(scene, px, py, rng, radius=(1.4, 2.4), conifers=0)
    return area


def _park(
    scene: Scene,
    place: tuple[float, float],
    angle: float,
    rng: np.random.Generator,
    filled: tuple[float, float],
    stay: float,
) -> None:
    x, y = place[0] + rng.normal(0, 0.1), place[1] + rng.normal(0, 0.25)
    turn = angle + rng.normal(0, 1.5) + rng.choice([0, 180])
    size = (rng.uniform(3.9, 4.9), rng.uniform(1.7, 1.95))
    if rng.random() < stay:
        scene.cars.append(Car(x, y, turn, pick_paint(rng), *size))
        return
    for date in (0, 1):
        if rng.random() < filled[date]:
            present = (date == 0, date == 1)
            scene.cars.append(Car(x, y, turn, pick_paint(rng), *size, present=present))
