"""Decoded scenes in memory, as many as a budget holds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from geochange.evaluation.counts import UNKNOWN
from geochange.tiles import Window
from geochange.training.scenes.scene import Sample, TrainingScene

LARGEST_SHARE = 0.25
"""A scene that would take more than this share of the budget is read window by window."""
COMPACT = (np.uint8, np.uint16, np.int16)


class SceneCache:
    """Read windows of scenes; small scenes are decoded once and kept, last used last dropped.

    Pixels are the same whether they come from memory or from the files. Several threads may read.

    Parameters
    ----------
    scenes : sequence of TrainingScene
    budget_mb : float
        Memory for decoded scenes in MiB; 0 keeps none.

    Attributes
    ----------
    used_bytes : int
        Memory taken by now.
    """

    def __init__(self, scenes: Sequence[TrainingScene], budget_mb: float) -> None:
        self.scenes = scenes
        self.budget_bytes = int(budget_mb * 2**20)
        self.used_bytes = 0
        self._kept: OrderedDict[int, tuple[Any, ...]] = OrderedDict()
        self._lock = threading.Lock()
        self._decoding = [threading.Lock() for _ in scenes]

    def read(self, index: int, window: Window) -> Sample:
        """Read a window of scene ``index``; see :meth:`TrainingScene.read`."""
        scene = self.scenes[index]
        height, width = scene.shape
        bands = sum(len(names) for names in scene.bands)
        if height * width * (4 * bands + 2) > LARGEST_SHARE * self.budget_bytes:
            return scene.read(window)
        return _cut(self._decoded(index), window, scene.shape)

    def _decoded(self, index: int) -> tuple[Any, ...]:
        with self._decoding[index]:
            with self._lock:
                if index in self._kept:
                    self._kept.move_to_end(index)
                    return self._kept[index]
            scene = self.scenes[index]
            sample = scene.read(Window(0, 0, *scene.shape))
            dates = _compact(sample.before), _compact(sample.after)
            arrays = (*dates, sample.label, sample.valid)
            with self._lock:
                self._keep(index, arrays)
            return arrays

    def _keep(self, index: int, arrays: tuple[Any, ...]) -> None:
        self._kept[index] = arrays
        self.used_bytes += _size(arrays)
        while self.used_bytes > self.budget_bytes and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self.used_bytes -= _size(dropped)


def _size(arrays: tuple[Any, ...]) -> int:
    return sum(array.nbytes for array in arrays)


def _compact(image: Any) -> Any:
    """Return whole numbers in the smallest type that holds them; other pixels as they are."""
    if not np.array_equal(image, np.rint(image)):
        return image
    low, high = float(image.min()), float(image.max())
    for kind in COMPACT:
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return image.astype(kind)
    return image


def _cut(arrays: tuple[Any, ...], window: Window, shape: tuple[int, int]) -> Sample:
    """Pixels in a window that may leave the scene; nothing is known outside."""
    before, after, label, valid = arrays
    parts = []
    for array, kind, fill in (
        (before, np.float32, 0.0),
        (after, np.float32, 0.0),
        (label, np.uint8, UNKNOWN),
        (valid, np.bool_, False),
    ):
        part = np.full(array.shape[:-2] + window.shape, fill, kind)
        common = Window(0, 0, *shape).intersect(window)
        if common is not None:
            source = array[(..., *common.slices_in(Window(0, 0, *shape)))]
            part[(..., *common.slices_in(window))] = source
        parts.append(part)
    return Sample(*parts)
