"""Which window of which scene comes next: seeded, rich in change, the same for any worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.tiles import Window
from geochange.training.scenes.scene import TrainingScene
from geochange.training.scenes.survey import Survey
from geochange.training.settings.chips import ChipConfig

REAL, UNCHANGED, PATCHES = "real", "unchanged", "patches"


@dataclass(frozen=True, slots=True)
class Chip:
    """A window of a scene.

    Attributes
    ----------
    scene : int
        Index of the scene.
    window : Window
        Rows and columns from the corner of the scene's used part.
    """

    scene: int
    window: Window


@dataclass(frozen=True)
class _Blocks:
    """Blocks to draw from, flat over all scenes."""

    scene: NDArray[np.int32]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    cumulative: NDArray[np.float64]

    def draw(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """Return scene, block row and block column."""
        place = rng.random() * self.cumulative[-1]
        index = min(int(np.searchsorted(self.cumulative, place, "right")), len(self.scene) - 1)
        return int(self.scene[index]), int(self.row[index]), int(self.col[index])


class ChipSampler:
    """Draw chips from surveyed scenes.

    Parameters
    ----------
    scenes : sequence of TrainingScene
    surveys : sequence of Survey
    config : ChipConfig

    Notes
    -----
    A rich chip lies around a block with changed pixels, each such block being as likely as any
    other, and is moved about until no class covers more than ``max_class_share`` of it (as
    ``cat_max_ratio`` of mmsegmentation). An even chip lies anywhere with the same density.
    """

    def __init__(
        self, scenes: Sequence[TrainingScene], surveys: Sequence[Survey], config: ChipConfig
    ) -> None:
        self.scenes = scenes
        self.surveys = surveys
        self.config = config
        self.labelled = any(scene.label is not None for scene in scenes)
        self._rich = self._list(rich=True)
        self._even = self._list(rich=False)

    def _list(self, *, rich: bool) -> _Blocks:
        parts = []
        for index, (scene, survey) in enumerate(zip(self.scenes, self.surveys, strict=True)):
            counts = survey.changed > 0 if rich else survey.known
            rows, cols = np.nonzero(counts)
            weights = counts[rows, cols].astype(np.float64) * scene.weight
            parts.append((np.full(len(rows), index), rows, cols, weights))
        scene_of, row, col, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
        row, col = row.astype(np.int32), col.astype(np.int32)
        return _Blocks(scene_of.astype(np.int32), row, col, np.cumsum(weight))

    def draw(self, rng: np.random.Generator, size_px: int, *, rich: bool) -> Chip:
        """Draw a chip of an edge of ``size_px``; a rich one where any label shows change."""
        rich = rich and len(self._rich.scene) > 0
        index, row, col = (self._rich if rich else self._even).draw(rng)
        windows = [self._place(rng, index, row, col, size_px)]
        if not rich:
            return Chip(index, windows[0])
        survey, worst = self.surveys[index], self.config.max_class_share
        shares = [survey.changed_share(windows[0])]
        while max(shares[-1], 1 - shares[-1]) > worst and len(shares) < self.config.attempts:
            windows.append(self._place(rng, index, row, col, size_px))
            shares.append(survey.changed_share(windows[-1]))
        evenness = np.minimum(shares, 1 - np.array(shares))
        return Chip(index, windows[int(np.argmax(evenness))])

    def _place(
        self, rng: np.random.Generator, index: int, row: int, col: int, size_px: int
    ) -> Window:
        """Return a window around a block, moved about and then into the scene where it fits."""
        block = self.surveys[index].block_px
        corner = []
        for start, length in zip((row, col), self.scenes[index].shape, strict=True):
            centre = start * block + rng.random() * block + (rng.random() - 0.5) * size_px
            first = round(centre - size_px / 2)
            spare = length - size_px
            corner.append(min(max(first, 0), spare) if spare >= 0 else spare // 2)
        return Window(corner[0], corner[1], size_px, size_px)
