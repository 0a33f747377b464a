"""Which scenes show the same ground: folds by place, and the check that nothing leaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import shapely
from odc.geo.crs import CRS

from geochange.alignment.grid import gsd_m
from geochange.errors import InputError, UsageError, suggest
from geochange.io.grids.pixelgrid import outline, pixel_size, transform_points
from geochange.io.provenance import describe_file
from geochange.training.scenes.scene import TrainingScene

MARGIN_PX = 0.5
"""Footprints are taken this much smaller: scenes that only touch share no ground."""
NAMED = 3
"""Offenders that an error lists by name."""


def check_leakage(training: Sequence[TrainingScene], validation: Sequence[TrainingScene]) -> None:
    """Refuse validation scenes that show ground of training scenes.

    Scenes with a CRS are compared by where they lie, others by whether they are the same files.

    Raises
    ------
    InputError
        The message lists the offenders.
    """
    found = sorted(set(find_shared_ground(validation, training)))
    if not found:
        return
    pairs = [f"{validation[v].name} on {training[t].name}" for v, t in found[:NAMED]]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    msg = (
        f"{len({v for v, _ in found})} validation scenes show ground that is trained on: "
        f"{', '.join(pairs)}{more}; move them to one side, or use only a part of each (rows, cols)"
    )
    raise InputError(msg)


def find_shared_ground(
    scenes: Sequence[TrainingScene], others: Sequence[TrainingScene], gap_m: float = 0.0
) -> Iterator[tuple[int, int]]:
    """Yield the positions of scenes of two lists that share ground, or lie within ``gap_m``."""
    systems = {str(s.geobox.crs): s.geobox.crs for s in scenes if s.geobox.crs is not None}
    placed = [i for i, other in enumerate(others) if other.geobox.crs is not None]
    for name, crs in systems.items():
        tree = shapely.STRtree([_footprint(others[i], crs) for i in placed])
        for index, scene in enumerate(scenes):
            if str(scene.geobox.crs) == name:
                shape = _footprint(scene, crs, gap_m)
                for hit in tree.query(shape, predicate="intersects"):
                    yield index, placed[int(hit)]
    yield from _find_same_files(scenes, others)


def _footprint(scene: TrainingScene, crs: CRS, gap_m: float = 0.0) -> Any:
    """Outline of a scene's used part in a CRS, a little smaller, or larger by a gap."""
    grid = scene.geobox
    height, width = grid.shape
    edge = outline(grid)
    inner = edge + MARGIN_PX * np.sign(np.array([width, height]) / 2 - edge)
    x, y = transform_points(grid.affine, inner[:, 0], inner[:, 1])
    if grid.crs is not None and grid.crs != crs:
        x, y = (np.asarray(v) for v in grid.crs.transformer_to_crs(crs)(x, y))
    finite = np.isfinite(x) & np.isfinite(y)
    hull = shapely.convex_hull(shapely.multipoints(np.column_stack([x, y])[finite]))
    if not gap_m:
        return hull
    gap_px = gap_m / (gsd_m(grid) or 1.0) + 2 * MARGIN_PX
    return hull.buffer(gap_px * pixel_size(grid))


def _find_same_files(
    scenes: Sequence[TrainingScene], others: Sequence[TrainingScene]
) -> Iterator[tuple[int, int]]:
    """Scenes without CRS that are made of the same files and overlap in their pixels."""
    bare: dict[object, list[int]] = {}
    known: dict[str, object] = {}
    for index, other in enumerate(others):
        if other.geobox.crs is None:
            bare.setdefault(_content(other, known), []).append(index)
    for index, scene in enumerate(scenes):
        if scene.geobox.crs is None and bare:
            for hit in bare.get(_content(scene, known), []):
                if scene.area.intersect(others[hit].area) is not None:
                    yield index, hit


def _content(scene: TrainingScene, known: dict[str, object]) -> object:
    """Return a key that is equal for scenes made of equal files."""
    for path in scene.pair.paths:
        if path not in known:
            file = describe_file(path)
            known[path] = file.get("sha256") or file.get("fingerprint") or path
    return tuple(sorted(str(known[path]) for path in scene.pair.paths))


def assign_folds(
    scenes: Sequence[TrainingScene],
    changed: Sequence[int],
    folds: int,
    *,
    groups: Sequence[str] = (),
    gap_m: float = 0.0,
) -> list[int]:
    """Return the fold of each scene: neighbours stay together, folds hold alike much change.

    Parameters
    ----------
    scenes : sequence of TrainingScene
    changed : sequence of int
        Changed pixels of each scene.
    folds : int
    groups : sequence of str
        Names of scenes to keep together, separated by spaces.
    gap_m : float
        Scenes nearer than this are neighbours.

    Raises
    ------
    UsageError, InputError
        A group names no scene; fewer places than folds.
    """
    roots = find_places(scenes, groups, gap_m)
    sizes = dict.fromkeys(roots, 0)
    for root, count in zip(roots, changed, strict=True):
        sizes[root] += count
    if len(sizes) < folds:
        fewer = f"lower data.folds to {len(sizes)}, " if len(sizes) > 1 else ""
        msg = (
            f"{len(scenes)} scenes lie at {len(sizes)} separate places, too few for {folds} folds; "
            f"{fewer}name validation scenes, or split scenes by rows and cols"
        )
        raise InputError(msg)
    totals, fold_of = [0] * folds, dict[int, int]()
    for root in sorted(sizes, key=lambda r: (-sizes[r], r)):
        filled = list(fold_of.values())
        load = [(totals[fold], filled.count(fold), fold) for fold in range(folds)]
        fold_of[root] = min(load)[2]
        totals[fold_of[root]] += sizes[root]
    return [fold_of[root] for root in roots]


def find_places(
    scenes: Sequence[TrainingScene], groups: Sequence[str] = (), gap_m: float = 0.0
) -> list[int]:
    """Return the place of each scene: the same number for those that must stay together.

    Parameters are those of :func:`assign_folds`.
    """
    place = list(range(len(scenes)))
    ties = [*find_shared_ground(scenes, scenes, gap_m), *_read_groups(scenes, groups)]
    for one, other in ties:
        low, high = sorted((_root(place, one), _root(place, other)))
        place[high] = low
    return [_root(place, index) for index in range(len(scenes))]


def _root(place: list[int], index: int) -> int:
    while place[index] != index:
        index = place[index]
    return index


def _read_groups(
    scenes: Sequence[TrainingScene], groups: Sequence[str]
) -> Iterator[tuple[int, int]]:
    positions = {scene.name.rpartition(":")[2]: i for i, scene in enumerate(scenes)}
    for group in groups:
        names = group.split()
        for name in names:
            if name not in positions:
                msg = f"data.groups names '{name}', which is no scene{suggest(name, positions)}"
                raise UsageError(msg)
        yield from ((positions[names[0]], positions[name]) for name in names[1:])
