"""Windows of stacks, read once where all of them fit into memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray
from geochange.tiles import Window
from geochange.training.series.stacks import Stack

BYTES_PX = 4


@dataclass
class StackCache:
    """Reads windows of stacks; what fits into memory is read once.

    Attributes
    ----------
    scenes : tuple of Stack
    budget_mb : float
        Stacks are kept whole when all of them fit into it.
    """

    scenes: tuple[Stack, ...]
    budget_mb: float
    kept: dict[int, tuple[NDArray[Any], BoolArray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        need = sum(
            len(s.series) * len(s.series.bands) * s.series.shape[0] * s.series.shape[1] * BYTES_PX
            for s in self.scenes
        )
        self.keeps = need <= self.budget_mb * 2**20
        self.reading = threading.Lock()

    def read(self, index: int, window: Window) -> tuple[FloatArray, BoolArray]:
        """Read a window of all dates: float32 (T, C, H, W) and bool (T, H, W)."""
        series = self.scenes[index].series
        if not self.keeps:
            return series.read(window)
        with self.reading:
            if index not in self.kept:
                images, valid = series.read(Window(0, 0, *series.shape))
                self.kept[index] = _shrink(images), valid
        images, valid = self.kept[index]
        height, width = series.shape
        inside = window.intersect(Window(0, 0, height, width))
        shape = window.height, window.width
        pixels = np.zeros((*images.shape[:2], *shape), np.float32)
        known = np.zeros((len(valid), *shape), np.bool_)
        if inside is not None:
            here = inside.slices_in(Window(0, 0, height, width))
            there = inside.slices_in(window)
            pixels[:, :, *there] = images[:, :, *here]
            known[:, *there] = valid[:, *here]
        return pixels, known


def _shrink(images: FloatArray) -> NDArray[Any]:
    """Keep whole numbers of 16 bits as such."""
    small = images.astype(np.uint16) if images.min() >= 0 and images.max() < 65536 else None
    return small if small is not None and np.array_equal(small, images) else images
