"""Several methods as one: their scores fused while a tile is scored."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.detectors.base import Detector
from geochange.detectors.wrappers.broadcast import broadcast
from geochange.errors import UsageError, suggest
from geochange.fusion.rules import Fuser, check_weights
from geochange.fusion.scales import (
    bend,
    find_knots,
    quantize,
    rarity,
    share_above,
    typical_share,
)
from geochange.io.stores.score import SCORE_LEVELS, decode_score, encode_score

RULES = ("mean", "rank-mean", "max", "min")
FLOOR = 0.5
"""Score that counts as a member's threshold where that is a rule, not a number: most rules call
nothing below it change."""
SAMPLE_PIXELS = 1_000_000
"""Of the pixels that members are fitted on, those that are scored to learn how rare scores are."""

Counts = NDArray[np.int64]


class EnsembleDetector:
    """Fuses the scores of several detectors, as :func:`geochange.fuse` fuses finished runs.

    Members learn from the same pass over the blocks, each in a thread of its own. For ``rank-mean``
    a bounded, seeded choice of blocks is then scored by all, which tells how rare each score is in
    the scene and how many pixels reach the members' own thresholds. A member's threshold is its
    number, as of networks, or else 0.5: a rule such as ``auto`` needs the whole scene.

    Parameters
    ----------
    members : sequence of Detector
        Two or more.
    rule : {'mean', 'rank-mean', 'max', 'min'}
        See :func:`geochange.fuse`.
    weights : sequence of float, optional
        Of the members.

    Attributes
    ----------
    members_ : list of Detector
    fuser_ : Fuser

    Examples
    --------
    >>> from geochange.detectors.methods.cva import CVA
    >>> from geochange.detectors.methods.sfa import SFA
    >>> EnsembleDetector([CVA(), SFA(window=3)]).halo
    1
    """

    def __init__(
        self,
        members: Sequence[Detector],
        *,
        rule: str = "mean",
        weights: Sequence[float] | None = None,
    ) -> None:
        if rule not in RULES:
            msg = f"unknown rule '{rule}'{suggest(rule, RULES)}"
            raise UsageError(msg)
        check_weights(weights, len(members))
        self.members = list(members)
        self.rule = rule
        self.weights = weights
        self.halo = max(member.halo for member in members)
        self.step = math.lcm(*(int(getattr(member, "step", 1)) for member in members))
        self.threshold = "0.5"

    @property
    def device(self) -> str:
        """A GPU where any member is on one."""
        devices = [str(getattr(member, "device", "cpu")) for member in self.members]
        return next((device for device in devices if device.startswith("cuda")), "cpu")

    @property
    def provenance(self) -> dict[str, Any]:
        """What ``run.json`` says of the members beside their names."""
        facts: dict[str, Any] = {}
        for member in self.members:
            facts |= getattr(member, "provenance", {})
        return facts

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Fit the members side by side, then learn how their scores are spread."""
        members = [copy.copy(member) for member in self.members]
        kept = KeptBlocks(SAMPLE_PIXELS)
        broadcast(blocks, [member.fit for member in members] + [kept.take])
        self.members_ = members
        self.fuser_ = self._learn(kept.blocks)
        return self

    def _learn(self, blocks: Sequence[PairBlock]) -> Fuser:
        weights = check_weights(self.weights, len(self.members))
        limits = [read_limit(member.threshold) for member in self.members]
        if self.rule != "rank-mean":
            tables = np.stack([bend(limit) for limit in limits])
            return Fuser(tables, weights, self.rule)
        histograms = np.zeros((len(limits), SCORE_LEVELS), np.int64)
        for levels in self._sample(blocks):
            histograms += [count(row) for row in levels]
        fuser = Fuser(np.stack([rarity(own) for own in histograms]), weights)
        top = float(np.nanmax(fuser.tables)) or 1.0
        fused = np.zeros(SCORE_LEVELS, np.int64)
        for levels in self._sample(blocks):
            fused += count(quantize(fuser.combine(levels), top))
        shares = [share_above(own, limit) for own, limit in zip(histograms, limits, strict=True)]
        share = typical_share(np.array(shares), weights)
        return replace(fuser, knots=find_knots(fused, top, share))

    def _sample(self, blocks: Sequence[PairBlock]) -> Iterator[NDArray[np.uint16]]:
        """Yield the stored scores of all members on the owned pixels of each block, (M, n)."""
        for block in blocks:
            dates = block.before[None], block.after[None], block.valid[None]
            yield self._score_members(*dates)[:, 0][:, block.owned]

    def _score_members(
        self, before: FloatArray, after: FloatArray, valid: BoolArray
    ) -> NDArray[np.uint16]:
        scores = (member.score(before, after, valid) for member in self.members_)
        return np.stack([encode_score(score) for score in scores])

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        return decode_score(self.fuser_(self._score_members(before, after, valid)))


class KeptBlocks:
    """An even, seeded choice of blocks with at most so many owned pixels; at least one.

    Parameters
    ----------
    most_pixels : int
    """

    def __init__(self, most_pixels: int) -> None:
        self.most_pixels = most_pixels
        self.blocks: list[PairBlock] = []

    def take(self, blocks: Iterable[PairBlock]) -> None:
        """Choose among blocks as they come; those with the lowest lots stay."""
        rng = np.random.default_rng(0)
        drawn: list[tuple[float, int, PairBlock]] = []
        for number, block in enumerate(blocks):
            drawn.append((float(rng.random()), number, block))
            drawn.sort(key=lambda one: one[:2])
            while len(drawn) > 1 and sum(b.tile.core.size for _, _, b in drawn) > self.most_pixels:
                drawn.pop()
        self.blocks = [block for _, _, block in sorted(drawn, key=lambda one: one[1])]


def count(levels: NDArray[np.uint16]) -> Counts:
    """Return the histogram of stored levels, int64 (SCORE_LEVELS,); nodata is left out."""
    return np.bincount(levels.ravel(), minlength=SCORE_LEVELS + 1)[:SCORE_LEVELS]


def read_limit(spec: str) -> float:
    """Return the score that a threshold rule stands for: itself, where it is a number.

    Examples
    --------
    >>> read_limit("0.38"), read_limit("auto"), read_limit("hysteresis")
    (0.38, 0.5, 0.5)
    """
    try:
        return float(spec.removeprefix("fixed:"))
    except ValueError:
        return FLOOR
