"""Which chips train, validate and test: divided by place, so that no part shows another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import shapely

from geochange.alignment.pair import Pair
from geochange.errors import InputError, UsageError
from geochange.labels.content import Labels
from geochange.labels.crops import Crop
from geochange.tiles import Window
from geochange.training.scenes.places import assign_folds, check_leakage, find_places
from geochange.training.scenes.scene import TrainingScene

PARTS = ("train", "val", "test")
FOLDS = 20
"""Places are dealt out in so many folds of alike much change, where there are as many."""


def parse_shares(text: str) -> tuple[float, ...]:
    """Return the shares of training, validation and test from ``70/15/15``.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> parse_shares("80/20"), parse_shares("100")
    ((0.8, 0.2, 0.0), (1.0, 0.0, 0.0))
    """
    try:
        numbers = [float(part) for part in str(text).split("/")]
    except ValueError:
        numbers = []
    positive = 1 <= len(numbers) <= len(PARTS) and min(numbers) >= 0 and numbers[0] > 0
    if not positive or not np.isclose(sum(numbers), 100):
        msg = f"split is shares in percent for train/val/test such as 70/15/15, got '{text}'"
        raise UsageError(msg)
    numbers += [0.0] * (len(PARTS) - len(numbers))
    return tuple(number / 100 for number in numbers)


def split_crops(
    labels: Labels, pair: Pair, crops: Sequence[Crop], shares: Sequence[float], gap_m: float = 0.0
) -> list[str]:
    """Return the part of each crop, one of :data:`PARTS`, as training splits its scenes by place.

    Crops that share a polygon stay together, and those nearer than ``gap_m``; parts hold alike
    much change for their share.

    Raises
    ------
    InputError
        Fewer places than parts.
    """
    wanted = [part for part, share in zip(PARTS, shares, strict=True) if share > 0]
    if len(wanted) == 1:
        return wanted * len(crops)
    grid = Window(0, 0, *pair.shape)
    scenes = [
        TrainingScene(crop.name, pair, None, crop.window.intersect(grid) or crop.window)
        for crop in crops
    ]
    groups = _find_shared_polygons(labels, crops)
    places = len(set(find_places(scenes, groups, gap_m)))
    if places < len(wanted):
        msg = (
            f"{len(crops)} chips lie at {places} separate places, too few for "
            f"{', '.join(wanted)}; label more tiles, or ask for fewer parts (--split)"
        )
        raise InputError(msg)
    folds = min(FOLDS, places)
    fold_of = assign_folds(
        scenes, [crop.changed_px for crop in crops], folds, groups=groups, gap_m=gap_m
    )
    part_of_fold = deal(folds, dict(zip(PARTS, shares, strict=True)))
    parts = [part_of_fold[fold] for fold in fold_of]
    _check(scenes, parts)
    return parts


def _find_shared_polygons(labels: Labels, crops: Sequence[Crop]) -> list[str]:
    """Return names of crops that a polygon spans, separated by spaces."""
    windows = [crop.window for crop in crops]
    boxes = shapely.box(
        [w.col for w in windows], [w.row for w in windows],
        [w.stop_col for w in windows], [w.stop_row for w in windows],
    )  # fmt: skip
    drawn = labels.pixels[(labels.polygons["verdict"] == "accepted").to_numpy()]
    which, crop = shapely.STRtree(boxes).query(drawn, predicate="intersects")
    shared = shapely.area(shapely.intersection(drawn[which], boxes[crop])) > 0
    groups: dict[int, list[str]] = {}
    for polygon, index in zip(which[shared], crop[shared], strict=True):
        groups.setdefault(int(polygon), []).append(crops[int(index)].name)
    return sorted({" ".join(names) for names in groups.values() if len(names) > 1})


def deal(folds: int, shares: Mapping[str, float]) -> list[str]:
    """Return the part of each fold, in turns; every part that is wanted gets one at least.

    Examples
    --------
    >>> deal(6, {"train": 0.7, "val": 0.15, "test": 0.15})
    ['train', 'train', 'val', 'train', 'test', 'train']
    """
    counts = {part: 0 for part, share in shares.items() if share > 0}
    dealt: list[str] = []
    for number in range(1, folds + 1):
        empty = [part for part, count in counts.items() if not count]
        due = empty if len(empty) > folds - number else list(counts)
        dealt.append(max(due, key=lambda part: shares[part] * number - counts[part]))
        counts[dealt[-1]] += 1
    return dealt


def _check(scenes: Sequence[TrainingScene], parts: Sequence[str]) -> None:
    for part in set(parts):
        inside = [s for s, p in zip(scenes, parts, strict=True) if p == part]
        outside = [s for s, p in zip(scenes, parts, strict=True) if p != part]
        check_leakage(outside, inside)
