"""Several finished runs of one place become one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import PairBlock
from geochange.engine.preparing import Prepared
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.errors import UsageError, suggest
from geochange.exports.runs.products import PRODUCTS
from geochange.fusion.rules import RULES, Fuser, check_weights, table_of_votes
from geochange.fusion.scales import (
    bend,
    find_knots,
    quantize,
    rarity,
    share_above,
    typical_share,
)
from geochange.fusion.stacking import Stacking, learn_stacking, to_logits
from geochange.io.stores.score import SCORE_LEVELS, SCORE_NODATA
from geochange.maps.changemap import ChangeMap
from geochange.maps.threshold import Threshold
from geochange.revision.job import Learned, Revision, Wanted, Work, revise
from geochange.revision.labels import describe_labels, open_labels
from geochange.revision.members import Member, Run, open_members, say_moved
from geochange.revision.sampling import sample_pixels
from geochange.tiles import Tile, TilePlan

Array64 = NDArray[np.float64]
TILE_PX = 1024
FEWEST = 2
HALF = Threshold(0.5, None, "fixed:0.5", "each run's own threshold became 0.5")


def fuse(
    runs: Sequence[Run],
    output: str | os.PathLike[str] | None = None,
    *,
    rule: str = "mean",
    weights: Sequence[float] | None = None,
    votes: int | None = None,
    labels: str | os.PathLike[str] | None = None,
    area: str | os.PathLike[str] | None = None,
    threshold: str | float | None = None,
    min_area: str | int | None = None,
    max_hole: str | int | None = None,
    connectivity: int | None = None,
    opening: int | None = None,
    closing: int | None = None,
    smooth: bool | None = None,
    products: Sequence[str] = PRODUCTS,
    tile_size: int | None = None,
    workers: int = 0,
    threads: int = 0,
    scheduler: str | None = None,
    memory_limit: str | int | None = None,
    overwrite: bool = False,
    resume: bool = False,
    on_progress: Progress = report_nothing,
) -> ChangeMap:
    """Make one change map of several finished runs: of other methods, networks or dates.

    Parameters
    ----------
    runs : sequence of path or ChangeMap
        Two or more output directories of one place. The first gives grid, images, dates and
        cleaning; maps on other grids are resampled to it, which the notes say. Where some runs
        have no data, the others decide.
    output : path, optional
        Directory to create, like that of :func:`geochange.detect`. Default: a temporary one.
    rule : str
        ``mean``, ``max``, ``min``: of the scores, each bent so that its own threshold is 0.5;
        ``max`` finds what any run found, ``min`` what all did. ``rank-mean``: the mean of how rare
        each score is in its map, so scales need not agree; as many pixels reach 0.5 as reach the
        runs' own thresholds, by their geometric mean: for maps that are about as good as each
        other. ``vote``: the share of the masks that say change. ``stacking``: logistic regression
        on ``labels``, judged by cross-validation over places;
        its threshold is the one with the best F1 there.
    weights : sequence of float, optional
        Of the runs, for ``rank-mean``, ``mean`` and ``vote``.
    votes : int, optional
        Masks that must say change; default more than half.
    labels, area : path, optional
        For ``stacking``: a mask raster (0 unchanged, 255 not looked at, else change), a GeoPackage
        of the labelling tool, or polygons of change with the ``area`` that was looked at.
    threshold : str or float, optional
        See :func:`geochange.threshold`. Default: 0.5, or what the rule says.
    min_area, max_hole, connectivity, opening, closing, smooth
        See :func:`geochange.detect`. Default: as the first run had them.
    products, tile_size, workers, threads, scheduler, memory_limit, overwrite, resume, on_progress
        See :func:`geochange.detect`. The result does not depend on tile size or workers.

    Returns
    -------
    ChangeMap
        ``run["learned"]`` tells what was learned, ``run["runs"]`` where each map came from.

    Raises
    ------
    UsageError
        One run only, an unknown rule, or an option that the rule does not take.
    InputError, GridError
        No runs, another place, images that are gone, too few labels.
    OutputExistsError, OutputError, ResourceError, ClusterError

    Examples
    --------
    >>> fuse(["by_network", "by_context"], "both").count  # doctest: +SKIP
    51
    """
    _check_options(rule, runs, weights=weights, votes=votes, labels=labels, area=area)
    layer = "mask" if rule == "vote" else "score"
    members = open_members(list(runs), layer)
    weighing = check_weights(weights, len(members))
    names = [str(member.run.run["method"]["name"]) for member in members]
    options = {
        "rule": rule,
        "weights": None if weights is None else weighing.tolist(),
        "votes": votes,
        "labels": None if labels is None else os.fspath(labels),
        "area": None if area is None else os.fspath(area),
    }
    described = [member.describe() for member in members]
    learners: dict[str, Learner] = {
        "rank-mean": partial(_learn_ranks, weights=weighing),
        "vote": partial(_learn_votes, weights=weighing, votes=votes),
        "stacking": partial(_learn_stack, labels=labels, area=area),
    }
    learner = learners.get(rule, partial(_learn_bends, rule=rule, weights=weighing))
    revision = Revision(
        kind="fuse",
        base=members[0].run,
        members=described,
        files=[*(facts[layer] for facts in described), *describe_labels(labels, area)],
        options=options,
        reason=f"{rule} of {len(members)} runs ({', '.join(names)})",
        learn=partial(_learn, members, learner),
    )
    wanted = Wanted(threshold, min_area, max_hole, connectivity, opening, closing, smooth, products)
    work = Work(
        output, tile_size, workers, threads, scheduler, memory_limit, overwrite, resume,
        on_progress,
    )  # fmt: skip
    return revise(revision, wanted, work)


Fusion = tuple[Fuser, Threshold, dict[str, Any]]
"""A rule made ready, its threshold, and what ``run.json`` says of both."""
Learner = Callable[[list[Member], Stages], Fusion]


def _check_options(rule: str, runs: Sequence[Run], **given: object) -> None:
    if isinstance(runs, str | os.PathLike) or len(runs) < FEWEST:
        msg = "fusing takes a list of two runs or more; give more output directories"
        raise UsageError(msg)
    if rule not in RULES:
        msg = f"unknown rule '{rule}'{suggest(rule, RULES)}"
        raise UsageError(msg)
    taken = {
        "weights": ("rank-mean", "mean", "vote"),
        "votes": ("vote",),
        "labels": ("stacking",),
        "area": ("stacking",),
    }
    for name, rules in taken.items():
        if given[name] is not None and rule not in rules:
            msg = f"rule '{rule}' takes no {name}; rules that do: {', '.join(rules)}"
            raise UsageError(msg)
    if rule == "stacking" and given["labels"] is None:
        msg = "rule 'stacking' learns from labels; give labels, or choose another rule"
        raise UsageError(msg)
    votes = given["votes"]
    if isinstance(votes, int) and not 1 <= votes <= len(runs):
        msg = f"votes must be 1 to {len(runs)}, the number of runs, got {votes}"
        raise UsageError(msg)


@dataclass(frozen=True)
class FusedScore:
    """Returns the fused score of a block."""

    members: tuple[Member, ...]
    fuser: Fuser

    def __call__(self, block: PairBlock) -> NDArray[np.uint16]:
        """Fuse the core of a block; nodata where the images have none."""
        core = block.tile.core
        stored = self.fuser(np.stack([member.read(core) for member in self.members]))
        stored[~block.valid[block.tile.core_in_read]] = SCORE_NODATA
        return stored


def _learn(members: list[Member], learner: Learner, _: Prepared, stages: Stages) -> Learned:
    fuser, threshold, facts = learner(members, stages)
    score = FusedScore(tuple(members), fuser)
    return Learned(score, threshold, facts, say_moved(members))


def _tables(tables: Sequence[Array64]) -> Array64:
    return np.stack(list(tables))


def _learn_bends(members: list[Member], _: Stages, *, rule: str, weights: Array64) -> Fusion:
    limits = [member.run.threshold for member in members]
    return Fuser(_tables([bend(limit) for limit in limits]), weights, rule), HALF, {}


def _learn_votes(
    members: list[Member], _: Stages, *, weights: Array64, votes: int | None
) -> Fusion:
    count = len(members)
    needed = votes or count // 2 + 1
    reason = f"{needed} of {count} masks say change"
    if len(set(weights.tolist())) > 1 and votes is None:
        limit, reason = 0.5 + 1e-4, "masks with more than half of the weight say change"
    else:
        limit = (needed - 0.5) / count
    fuser = Fuser(_tables([table_of_votes()] * count), weights)
    return fuser, Threshold(limit, None, f"fixed:{limit:g}", reason), {"votes": needed}


def _learn_ranks(members: list[Member], stages: Stages, *, weights: Array64) -> Fusion:
    histograms = list(count_levels(members, None, stages))
    tables = _tables([rarity(histogram) for histogram in histograms])
    top = float(np.nanmax(tables)) or 1.0
    limits = [member.run.threshold for member in members]
    shares = np.array([share_above(h, limit) for h, limit in zip(histograms, limits, strict=True)])
    share = typical_share(shares, weights)
    fuser = Fuser(tables, weights)
    (fused,) = count_levels(members, (fuser, top), stages)
    fuser = replace(fuser, knots=find_knots(fused, top, share))
    reason = f"as many pixels as reach the runs' own thresholds, {share:.3%} of them"
    return fuser, replace(HALF, reason=reason), {"shares": shares.tolist(), "share": share}


def count_levels(
    members: Sequence[Member], fused: tuple[Fuser, float] | None, stages: Stages
) -> list[NDArray[np.int64]]:
    """Return the histogram of each map, or that of the quantized fused rarity."""
    height, width = (int(n) for n in members[0].geobox.shape)
    count = len(members) if fused is None else 1
    totals = [np.zeros(SCORE_LEVELS, np.int64) for _ in range(count)]
    task = partial(_count_tile, tuple(members), fused)
    for counts in stages.run(task, TilePlan((height, width), TILE_PX)):
        for total, (levels, times) in zip(totals, counts, strict=True):
            total[levels] += times
    return totals


def _count_tile(
    members: tuple[Member, ...], fused: tuple[Fuser, float] | None, tile: Tile
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    maps = [member.read(tile.core) for member in members]
    if fused is not None:
        fuser, top = fused
        maps = [quantize(fuser.combine(np.stack(maps)), top)]
    counted = []
    for levels in maps:
        times = np.bincount(levels.ravel(), minlength=SCORE_LEVELS + 1)[:SCORE_LEVELS]
        there = np.flatnonzero(times)
        counted.append((there, times[there]))
    return counted


def _learn_stack(
    members: list[Member],
    stages: Stages,
    *,
    labels: str | os.PathLike[str] | None,
    area: str | os.PathLike[str] | None,
) -> Fusion:
    assert labels is not None  # see _check_options
    truth = open_labels(labels, members[0].geobox, area=area)
    limits = [member.run.threshold for member in members]
    tables = _tables([bend(limit) for limit in limits])
    stack = learn_stacking(sample_pixels(members, tables, truth, stages))
    logits = _as_logits(tables)
    model = stack.model
    fuser = Fuser(logits, model.coefficients, "logistic", intercept=model.intercept)
    reason = f"best F1 on left-out places, {stack.f1:.3f} by cross-validation"
    limit = Threshold(stack.threshold, None, f"fixed:{stack.threshold:.6g}", reason)
    return fuser, limit, _describe(stack)


def _as_logits(tables: Array64) -> Array64:
    logits = to_logits(tables)
    logits[:, SCORE_LEVELS] = np.nan
    return logits


def _describe(stack: Stacking) -> dict[str, Any]:
    facts = {name: value for name, value in asdict(stack).items() if name != "model"}
    coefficients = stack.model.coefficients.tolist()
    facts["singles"] = list(stack.singles)
    return {"intercept": stack.model.intercept, "coefficients": coefficients, **facts}
