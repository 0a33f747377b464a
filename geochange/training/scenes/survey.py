"""What the labels hold and where: counted once, before any image is read."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.errors import DataWarning, InputError
from geochange.io.rasters.masks import is_vector
from geochange.io.rasters.rasterfile import open_dataset
from geochange.tiles import TilePlan, Window
from geochange.training.scenes.layouts import SceneFiles
from geochange.training.scenes.scene import TrainingScene

BLOCK_PX, MAX_BLOCKS = 16, 1024
"""Labels are counted in blocks of this edge, at most so many along a side of a scene."""
THREADS = 8
BINARY_255 = {0.0, 255.0}
MAX_CODES = 20


@dataclass(frozen=True)
class Survey:
    """Labelled pixels of one scene, counted in square blocks.

    Attributes
    ----------
    block_px : int
        Edge of a block.
    changed, known : int64 (rows, cols)
        Pixels of each block that changed, and whose label says anything at all.
    """

    block_px: int
    changed: NDArray[np.int64]
    known: NDArray[np.int64]

    def changed_share(self, window: Window) -> float:
        """Share of changed pixels among the known ones of the blocks that a window touches."""
        size = self.block_px
        rows = slice(max(0, window.row // size), max(0, -(-window.stop_row // size)))
        cols = slice(max(0, window.col // size), max(0, -(-window.stop_col // size)))
        return float(self.changed[rows, cols].sum() / max(1, self.known[rows, cols].sum()))


def survey_scene(scene: TrainingScene) -> Survey:
    """Count a scene's labels; every pixel of a scene without labels counts as known.

    Examples
    --------
    >>> survey_scene(open_scene(files, data)).changed.sum()  # doctest: +SKIP
    3051
    """
    block = max(BLOCK_PX, -(-max(scene.shape) // MAX_BLOCKS))
    rows, cols = (-(-n // block) for n in scene.shape)
    changed, known = np.zeros((rows, cols), np.int64), np.zeros((rows, cols), np.int64)
    for tile in TilePlan(scene.shape, size=block * 64):
        label = scene.read_label(tile.core)
        place = tile.core.row // block, tile.core.col // block
        counted = label != 255 if scene.label is not None else np.ones(label.shape, bool)
        _add(known, place, counted, block)
        _add(changed, place, label == 1, block)
    return Survey(block, changed, known)


def _add(
    counts: NDArray[np.int64], place: tuple[int, int], mask: NDArray[np.bool_], block: int
) -> None:
    """Add the pixels of a mask to the blocks from ``place`` on."""
    per_row = np.add.reduceat(mask, np.arange(0, mask.shape[0], block), axis=0, dtype=np.int64)
    blocks = np.add.reduceat(per_row, np.arange(0, mask.shape[1], block), axis=1)
    row, col = place
    counts[row : row + blocks.shape[0], col : col + blocks.shape[1]] += blocks


def survey_scenes(scenes: Sequence[TrainingScene]) -> list[Survey]:
    """Count the labels of many scenes, several at a time."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(survey_scene, scenes))


def require_classes(
    scenes: Sequence[TrainingScene], surveys: Sequence[Survey], purpose: str
) -> None:
    """Refuse labels that hold one class only, or none.

    Parameters
    ----------
    purpose : str
        ``training`` or ``validation``.

    Raises
    ------
    InputError
        One line with what was counted.
    """
    pairs = zip(scenes, surveys, strict=True)
    labelled = [survey for scene, survey in pairs if scene.label is not None]
    changed = sum(int(s.changed.sum()) for s in labelled)
    unchanged = sum(int(s.known.sum()) for s in labelled) - changed
    missing = [n for n, count in (("changed", changed), ("unchanged", unchanged)) if not count]
    if missing:
        msg = (
            f"the {purpose} labels hold no {' and no '.join(missing)} pixel ({len(labelled)} "
            f"scenes with labels, {changed} changed, {unchanged} unchanged px); check which label "
            "values mean change (changed) and which say nothing (ignore; 255 does unless changed "
            "names it)"
        )
        raise InputError(msg)


def choose_changed(files: Sequence[SceneFiles]) -> tuple[int, ...] | None:
    """Return the label values that mean change for scenes of one source, None for all but 0.

    Where the source names none, benchmark folders whose labels hold 0 and 255 only mean change by
    255, which elsewhere says nothing.

    Warns
    -----
    DataWarning
        The labels hold several values, all of which will count as change.
    """
    source = files[0].source
    if source.changed or source.ignore:
        return source.changed or None
    values = _find_values([file.label for file in files if file.label])
    if files[0].parallel and values == BINARY_255:
        return (255,)
    codes = sorted(values - BINARY_255)
    if 1 < len(codes) <= MAX_CODES:
        listed = ", ".join(f"{code:g}" for code in codes)
        msg = f"labels of {source.path or files[0].label} hold the values {listed}, which all "
        msg += "count as change; name those that do in changed"
        warnings.warn(msg, DataWarning, stacklevel=2)
    return None


def _find_values(paths: Iterable[str]) -> set[float]:
    """Values that label rasters hold but for nodata; polygons hold none."""
    rasters = [path for path in paths if not is_vector(path)]
    with ThreadPoolExecutor(THREADS) as pool:
        return set().union(*pool.map(_read_values, rasters))


def _read_values(path: str) -> set[float]:
    values: set[float] = set()
    with open_dataset(path) as dataset:
        for _, window in dataset.block_windows(1):
            found = np.unique(dataset.read(1, window=window))
            values |= {float(value) for value in found[np.isfinite(found)]}
        values.discard(dataset.nodata)
    return values
