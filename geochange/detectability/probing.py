"""Score changes that are put into the after date, each alone in a window of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.alignment.pair import Pair
from geochange.blocks import FloatArray, PairBlock
from geochange.detectability.design import Design
from geochange.detectability.noise import PairNoise
from geochange.detectability.shapes import bound, footprint, render
from geochange.detectors.base import Detector, plan_tile
from geochange.engine.stages import Stages
from geochange.errors import InputError
from geochange.io.stores.score import SCORE_NODATA, encode_score
from geochange.tiles import Tile, Window

BATCH_VALUES = 2**22
"""Pixel values of one date that are scored at a time."""
MOST_LOOKS = 30
"""Places that are looked at for each one that is wanted, before a scene is taken to have none."""

Levels = NDArray[np.uint16]


@dataclass(frozen=True)
class Prober:
    """The task: read a window, put changes in, score it, return the highest score at each.

    Attributes
    ----------
    pair : Pair
        Registered.
    detector : Detector
        Fitted to the pair as it is.
    noise : PairNoise
    design : Design
    """

    pair: Pair
    detector: Detector
    noise: PairNoise
    design: Design

    def plan(self, size: int, number: int) -> Tile:
        """Return the tile of a place: its core is what the footprint touches."""
        middle = self.design.locate(size, number, self.pair.shape)
        core = bound(middle, self.design.sizes_px[size])
        index = number * len(self.design.sizes_px) + size
        return plan_tile(self.detector, core, index)

    def __call__(self, tile: Tile) -> Levels | None:
        """Return the highest stored score in the footprint, without and with each change.

        Returns
        -------
        uint16 (1 + kinds * contrasts,) or None
            None where not all of the footprint is valid.
        """
        grid = Window(0, 0, *self.pair.shape)
        if grid.intersect(tile.core) != tile.core:
            return None
        try:
            block = self.pair.read(tile)
        except InputError:
            return None
        if not block.valid[tile.core_in_read].all():
            return None
        number, size = divmod(tile.index, len(self.design.sizes_px))
        middle = self.design.locate(size, number, self.pair.shape)
        edge, shape = self.design.sizes_px[size], self.design.shape
        share = render(tile.read, middle, edge, shape=shape, blur_px=self.design.blur_px)
        touched = footprint(tile.core, middle, edge, shape=shape)
        found = [
            scores[:, touched].max(axis=1)
            for scores in self._score(block, self._changes(size, number), share)
        ]
        return np.concatenate(found)

    def _changes(self, size: int, number: int) -> FloatArray:
        """Return what is added to a pixel in full, first nothing, float32 (1 + K * N, bands)."""
        rng = np.random.default_rng((self.design.seed, size, number, 1))
        contrasts = np.array(self.design.contrasts)[:, None]
        drawn = [self.noise.draw(kind, rng) for kind in self.noise.kinds]
        nothing = np.zeros((1, len(drawn[0])))
        changes: FloatArray = np.concatenate(
            [nothing, *(contrasts * change for change in drawn)]
        ).astype(np.float32)
        return changes

    def _score(self, block: PairBlock, changes: FloatArray, share: FloatArray) -> Iterator[Levels]:
        """Yield stored scores of the core, uint16 (n, height, width), some changes at a time."""
        inner = block.tile.core_in_read
        many = max(1, BATCH_VALUES // block.after.size)
        for start in range(0, len(changes), many):
            part = changes[start : start + many]
            after = block.after + part[:, :, None, None] * share
            before = np.repeat(block.before[None], len(part), axis=0)
            valid = np.repeat(block.valid[None], len(part), axis=0)
            score = self.detector.score(before, after, valid)[:, *inner]
            stored = encode_score(score)
            stored[stored == SCORE_NODATA] = 0
            yield stored


def probe(prober: Prober, size: int, stages: Stages) -> NDArray[np.uint16]:
    """Put changes of one size in at as many places as are wanted and can be had.

    Places of which a part is invalid are passed over, so what is returned does not depend on how
    many are looked at a time.

    Returns
    -------
    uint16 (places, 1 + kinds * contrasts)
        Of :class:`Prober`.
    """
    wanted = prober.design.trials
    found: list[Levels] = []
    looked = 0
    gpu = str(getattr(prober.detector, "device", "cpu")).startswith("cuda")
    if not prober.design.fits(size, prober.pair.shape):
        wanted = 0
    while len(found) < wanted and looked < MOST_LOOKS * wanted:
        numbers = range(looked, looked + wanted)
        looked += wanted
        tiles = [prober.plan(size, number) for number in numbers]
        found += _keep(stages.run(prober, tiles, gpu=gpu, in_flight=2))
    contrasts = len(prober.noise.kinds) * len(prober.design.contrasts)
    return np.array(found[:wanted], np.uint16).reshape(-1, 1 + contrasts)


def _keep(results: Iterator[Levels | None]) -> Sequence[Levels]:
    return [levels for levels in results if levels is not None]
