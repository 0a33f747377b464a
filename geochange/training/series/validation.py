"""Whole stacks scored by a network and counted against their dated labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from geochange.evaluation.ranking import ScoreHistogram
from geochange.io.stores.score import SCORE_LEVELS
from geochange.nn.normalization import Scaling
from geochange.nn.temporal.network import SeriesNet, join_dates
from geochange.tiles import Tile, TilePlan, Window
from geochange.training.chips.batches import run_ahead
from geochange.training.series.cache import StackCache
from geochange.training.series.chips import DatedChip, SeriesBatch, choose_dates, cut, finish
from geochange.training.series.exchange import exchange_ground
from geochange.training.series.supervision import label_changes
from geochange.training.series.truth import UNKNOWN_DATE
from geochange.training.settings.config import TrainConfig
from geochange.training.validation import count_scores

NEAR_DATES = 1
"""A date that is this far off is near."""
SEED = 7
"""Of which dates are taken, and of what is exchanged in stacks without labels."""


@dataclass
class SeriesValidator:
    """Score validation stacks tile by tile, each with a number of dates of its own.

    Attributes
    ----------
    cache : StackCache
        Of the validation stacks.
    scalings : sequence of Scaling
    config : TrainConfig
    dated : float
        Of the changed pixels that the last validation found, the share dated within one date.
    """

    cache: StackCache
    scalings: Sequence[Scaling]
    config: TrainConfig
    dated: float = float("nan")

    def score(self, network: SeriesNet, fabric: Fabric) -> ScoreHistogram:
        """Return the histogram of scores by label over all stacks and processes."""
        tiles = self._plan(network)[fabric.global_rank :: fabric.world_size]
        totals = torch.zeros(2, SCORE_LEVELS, dtype=torch.int64, device=fabric.device)
        near = torch.zeros(2, dtype=torch.int64, device=fabric.device)
        with torch.inference_mode():
            for batch in run_ahead(self._read, tiles, self.config.compute.workers):
                there = batch.to(fabric.device)
                with fabric.autocast():
                    logits = network(there.images, there.valid, there.days)
                changed = join_dates(logits.float())[:, 0]
                count_scores(totals, changed, label_changes(there.truth))
                found = (there.truth >= 0) & (changed > 0)
                apart = (logits.argmax(dim=1) - there.truth).abs()
                near += torch.stack([(found & (apart <= NEAR_DATES)).sum(), found.sum()])
        summed: Any = fabric.all_reduce(totals, reduce_op="sum")
        dated: Any = fabric.all_reduce(near, reduce_op="sum")
        self.dated = float(dated[0]) / max(1.0, float(dated[1]))
        changed_, unchanged = summed.cpu().numpy()
        return ScoreHistogram(changed_, unchanged)

    def _plan(self, network: SeriesNet) -> list[tuple[int, Tile]]:
        """Return tiles with the context that the network looks at for the most dates."""
        dates = self.config.series.dates[1]
        halo = network.radius + network.radius_per_date * (dates - 2)
        plan = []
        for index, stack in enumerate(self.cache.scenes):
            shape = stack.window.height, stack.window.width
            size = min(self.config.validation.tile_px, max(shape))
            margin = halo if max(shape) > size else 0
            plan += [(index, tile) for tile in TilePlan(shape, size, margin)]
        return plan

    def _read(self, place: tuple[int, Tile]) -> SeriesBatch:
        """Read a tile; only the labels of its core are known."""
        index, tile = place
        stack, (least, most) = self.cache.scenes[index], self.config.series.dates
        rng = np.random.default_rng([SEED, index])
        share = index / max(1, len(self.cache.scenes) - 1)
        wanted = round(least + (most - least) * share)
        chosen = choose_dates(rng, len(stack.series), wanted)
        read, part = tile.read, stack.window
        window = Window(part.row + read.row, part.col + read.col, read.height, read.width)
        chip = cut(self.cache, index, self.scalings[index], window, chosen)
        if stack.truth is None:
            own = np.random.default_rng([SEED, index, tile.index])
            density = self.config.series.density
            exchange_ground(own, chip.images, chip.valid, chip.truth, density)
        chip = finish(chip)
        truth = np.full_like(chip.truth, UNKNOWN_DATE)
        truth[tile.core_in_read] = chip.truth[tile.core_in_read]
        return SeriesBatch.of([DatedChip(chip.images, chip.valid, chip.days, truth)])
