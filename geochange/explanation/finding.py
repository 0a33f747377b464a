"""What was found out about a part of a map, before it is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from geochange.blocks import FloatArray, PairBlock
from geochange.explanation.methods import Attributed
from geochange.explanation.occlusion import ALL, Occlusion
from geochange.tiles import Tile


@dataclass(frozen=True)
class Finding:
    """Scores, importances and attributions of the pixels that were read.

    Attributes
    ----------
    method : str
    block : PairBlock
        The box is its core.
    score : float32 (H, W)
        NaN where invalid.
    occlusions : list of Occlusion
    attributed : Attributed
    """

    method: str
    block: PairBlock
    score: FloatArray
    occlusions: list[Occlusion]
    attributed: Attributed

    def crop(self) -> Finding:
        """Leave out the surroundings that were only read because scores depend on them."""
        inner, core = self.block.tile.core_in_read, self.block.tile.core
        before, after = (date[:, *inner] for date in (self.block.before, self.block.after))
        block = PairBlock(before, after, self.block.valid[inner], Tile(0, core, core))
        layers = [replace(one, values=one.values[inner]) for one in self.attributed.layers]
        return Finding(
            self.method,
            block,
            self.score[inner],
            self.occlusions,
            Attributed(layers, self.attributed.facts),
        )

    @property
    def mean_score(self) -> float:
        """Mean score of the valid pixels of a cropped finding."""
        return float(np.nanmean(self.score, dtype=np.float64))

    @property
    def bands(self) -> list[dict[str, Any]]:
        """One row a band and date: ``date, band, score_without, importance``, whole dates last."""
        rows = sorted(self.occlusions, key=lambda o: o.band == ALL)
        return [
            {
                "date": o.date,
                "band": o.band,
                "score_without": o.score,
                "importance": o.importance,
            }
            for o in rows
        ]
