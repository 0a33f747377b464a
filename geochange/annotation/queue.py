"""In which order tiles are looked at: the unsure first, mixed with the unlike and the random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.annotation.database import Database
from geochange.annotation.pictures import read_score
from geochange.blocks import FloatArray
from geochange.errors import UsageError, suggest
from geochange.maps.changemap import ChangeMap
from geochange.tiles import TilePlan, Window

ORDERS = ("mix", "uncertainty", "diversity", "random", "systematic")
SHARES = {"uncertainty": 6, "diversity": 2, "random": 2}
"""Tiles of each kind in every ten of the mix. The random ones also tell when the model drifts."""
LOOK_PX = 128
"""Scores are looked at in about this many pixels along a tile."""
TOP_SHARE = 0.1
BINS = 8


@dataclass(frozen=True)
class Order:
    """An order of tiles.

    Attributes
    ----------
    places : int64 (N,)
        Indices of the tiles, the first to look at first.
    reasons : tuple of str
        Why each of ``places`` stands where it does.
    """

    places: NDArray[np.int64]
    reasons: tuple[str, ...]


def order_tiles(
    uncertainty: NDArray[np.float64],
    features: NDArray[np.float64],
    *,
    order: str = "mix",
    seed: int = 0,
) -> Order:
    """Order tiles; the same scores and seed give the same order.

    Parameters
    ----------
    uncertainty : float64 (N,)
        NaN counts as none.
    features : float64 (N, F)
        What tells tiles apart; diversity takes the farthest from all taken before (k-centre
        greedy, Sener and Savarese 2018).
    order : {'mix', 'uncertainty', 'diversity', 'random', 'systematic'}
    seed : int

    Raises
    ------
    UsageError

    Examples
    --------
    >>> order_tiles(np.array([0.1, 0.9, 0.5]), np.zeros((3, 1)), order="uncertainty").places
    array([1, 2, 0])
    """
    if order not in ORDERS:
        msg = f"unknown order '{order}'{suggest(order, ORDERS)}"
        raise UsageError(msg)
    rng = np.random.default_rng(seed)
    count = len(uncertainty)
    if order == "systematic":
        return Order(np.arange(count), ("systematic",) * count)
    known = np.nan_to_num(uncertainty, nan=-1.0)
    draw: dict[str, Callable[[NDArray[np.bool_]], int]] = {
        "uncertainty": _Ranked(np.argsort(-known, kind="stable")),
        "random": _Ranked(rng.permutation(count)),
        "diversity": _Farthest(features),
    }
    pattern = [name for name, share in SHARES.items() for _ in range(share)]
    free = np.ones(count, bool)
    places: list[int] = []
    reasons: list[str] = []
    while len(places) < count:
        for kind in rng.permutation(pattern) if order == "mix" else [order]:
            if len(places) == count:
                break
            place = draw[str(kind)](free)
            free[place] = False
            places.append(place)
            reasons.append(str(kind))
    return Order(np.array(places, np.int64), tuple(reasons))


class _Ranked:
    """Takes the first that is free of a fixed ranking."""

    def __init__(self, ranking: NDArray[np.int64]) -> None:
        self.ranking = ranking
        self.at = 0

    def __call__(self, free: NDArray[np.bool_]) -> int:
        while not free[self.ranking[self.at]]:
            self.at += 1
        return int(self.ranking[self.at])


class _Farthest:
    """Takes what is farthest from all that is taken."""

    def __init__(self, features: NDArray[np.float64]) -> None:
        spread = features.std(axis=0)
        self.features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        self.distance = np.full(len(features), np.inf)
        self.seen = np.zeros(len(features), bool)

    def __call__(self, free: NDArray[np.bool_]) -> int:
        fresh = np.flatnonzero(~free & ~self.seen)
        for place in fresh:
            gap = ((self.features - self.features[place]) ** 2).sum(axis=1)
            np.minimum(self.distance, gap, out=self.distance)
        self.seen[fresh] = True
        return int(np.argmax(np.where(free, self.distance, -1.0)))


def describe_scores(
    result: ChangeMap, plan: TilePlan
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how unsure a run is in each tile, and what its scores are like there.

    Returns
    -------
    uncertainty : float64 (N,)
        0 to 1: mean entropy of the most unsure tenth of the pixels, with the threshold as
        even odds; NaN where nothing is known.
    features : float64 (N, F)
        Shares of the pixels in steps of the score.
    """
    threshold = result.threshold if result.threshold is not None else 0.5
    uncertainty = np.full(len(plan), np.nan)
    features = np.zeros((len(plan), BINS))
    scale = max(1, plan.size // LOOK_PX)
    side = plan.size // scale * scale
    for tile in plan:
        window = Window(tile.core.row, tile.core.col, side, side)
        score = read_score(result, window, (side // scale, side // scale))
        values = score[np.isfinite(score)]
        if values.size:
            uncertainty[tile.index] = measure_uncertainty(values, threshold)
            features[tile.index] = np.histogram(values, BINS, (0, 1))[0] / values.size
    return uncertainty, features


def measure_uncertainty(score: FloatArray, threshold: float) -> float:
    """Return the mean entropy in bits of the tenth of the scores that are nearest even odds.

    Examples
    --------
    >>> even = measure_uncertainty(np.full(100, 0.3, np.float32), 0.3)
    >>> sure = measure_uncertainty(np.zeros(100, np.float32), 0.3)
    >>> round(even, 3), round(sure, 3)
    (1.0, 0.0)
    """
    cut = min(max(threshold, 1e-6), 1 - 1e-6)
    odds = np.where(score < cut, 0.5 * score / cut, 0.5 + 0.5 * (score - cut) / (1 - cut))
    odds = np.clip(odds.astype(np.float64), 1e-12, 1 - 1e-12)
    entropy = -(odds * np.log2(odds) + (1 - odds) * np.log2(1 - odds))
    count = max(1, round(TOP_SHARE * entropy.size))
    return float(np.partition(entropy, -count)[-count:].mean())


def store_order(
    database: Database, order: Order, uncertainty: NDArray[np.float64] | None = None
) -> None:
    """Write the places of all tiles, and how unsure the model is where that is known."""
    rows: list[tuple[Any, ...]] = [
        (place, reason, int(index) + 1)
        for place, (index, reason) in enumerate(zip(order.places, order.reasons, strict=True))
    ]
    with database.write() as db:
        db.executemany("UPDATE tile SET place = ?, reason = ? WHERE id = ?", rows)
        if uncertainty is not None:
            known = [(None if np.isnan(u) else float(u), n + 1) for n, u in enumerate(uncertainty)]
            db.executemany("UPDATE tile SET uncertainty = ? WHERE id = ?", known)
