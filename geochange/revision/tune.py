"""The threshold of a finished run, tuned on labels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import PairBlock
from geochange.engine.preparing import Prepared
from geochange.engine.runner import open_runner
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.errors import DataWarning, InputError, UsageError
from geochange.evaluation.operating import (
    OperatingPoint,
    Sums,
    choose_cut,
    choose_rows,
    count_block,
    describe_points,
)
from geochange.evaluation.ranking import ScoreHistogram
from geochange.exports.runs.products import PRODUCTS
from geochange.io.stores.score import SCORE_NODATA
from geochange.maps.changemap import ChangeMap
from geochange.maps.threshold import Threshold
from geochange.revision.job import Learned, Revision, Wanted, Work, revise
from geochange.revision.labels import describe_labels, open_labels
from geochange.revision.members import Member, Run, open_members
from geochange.tiles import Tile, TilePlan, Window

TILE_PX = 1024
BLOCK_PX = 64
"""Edge of the blocks of ground that the bootstrap draws: neighbours are alike."""
FEW_PIXELS = 300
FEW_BLOCKS = 10
"""Below these, of either class, the figures are said to rest on few labels."""


class Truth(Protocol):
    """Labels on the grid of a map; :class:`~geochange.revision.labels.GroundTruth` is one.

    Attributes
    ----------
    chosen_by_model : int
        Tiles that were looked at because a model was unsure of them.
    """

    @property
    def chosen_by_model(self) -> int:
        """Tiles that a model's doubt chose."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read a window, uint8 (H, W): 0 unchanged, 1 changed, 255 where nobody looked."""


@dataclass(frozen=True)
class TunedThreshold:
    """A threshold chosen on labels, and what it does there, before the mask is cleaned.

    Attributes
    ----------
    chosen : OperatingPoint
    table : tuple of OperatingPoint
        Others, by falling threshold.
    average_precision : float
    goal : str
    pixels, blocks : tuple of int
        Labelled pixels, unchanged and changed, and the blocks of 64 px that hold any.
    doubts : tuple of str
        Why the figures may be worth less than they look.
    result : ChangeMap or None
        The run with this threshold, where one was asked for.
    """

    chosen: OperatingPoint
    table: tuple[OperatingPoint, ...]
    average_precision: float
    goal: str
    pixels: tuple[int, int]
    blocks: tuple[int, int]
    doubts: tuple[str, ...] = ()
    result: ChangeMap | None = None

    @property
    def threshold(self) -> float:
        """Score from which on a pixel is change."""
        return self.chosen.threshold

    def to_dict(self) -> dict[str, Any]:
        """Return all but the run, plain enough for JSON."""
        facts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        facts |= {"chosen": _plain(self.chosen), "table": [_plain(row) for row in self.table]}
        facts |= {name: list(facts[name]) for name in ("pixels", "blocks", "doubts")}
        facts.pop("result")
        return facts

    def __str__(self) -> str:
        lines = ["threshold  precision             recall                F1"]
        for point in sorted({self.chosen, *self.table}, key=lambda p: -p.threshold):
            mark = "*" if point.threshold == self.threshold else " "
            shown = (
                f"{value:.3f} ({low:.3f}-{high:.3f})"
                for value, (low, high) in (
                    (point.precision, point.precision_interval),
                    (point.recall, point.recall_interval),
                )
            )
            lines.append(f"{point.threshold:8.4f}{mark}  {'   '.join(shown)}   {point.f1:.3f}")
        known = f"{self.pixels[1]:,} changed and {self.pixels[0]:,} unchanged px"
        lines.append(f"* {self.goal}; on {known}, intervals of 95 % by blocks of {BLOCK_PX} px")
        return "\n".join(lines)


def _plain(point: OperatingPoint) -> dict[str, Any]:
    known = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(point).items()}
    return {k: None if np.isnan(v).any() else v for k, v in known.items()}


def tune_threshold(
    run: Run,
    labels: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    precision: float | None = None,
    recall: float | None = None,
    area: str | os.PathLike[str] | None = None,
    changed: Sequence[float] | None = None,
    ignore: Sequence[float] | None = None,
    min_area: str | int | None = None,
    max_hole: str | int | None = None,
    smooth: bool | None = None,
    products: Sequence[str] = PRODUCTS,
    threads: int = 0,
    overwrite: bool = False,
    on_progress: Progress = report_nothing,
) -> TunedThreshold:
    """Choose the threshold of a finished run on labels.

    Parameters
    ----------
    run : path or ChangeMap
    labels : path
        A mask raster (0 unchanged, 255 not looked at, else change), a GeoPackage of the labelling
        tool, or polygons of change with the ``area`` that was looked at.
    output : path, optional
        Directory to create: the run with this threshold, its mask and polygons made anew.
    precision, recall : float, optional
        What is wanted of the change class: the most recall at this precision, or the most precision
        at this recall. Default: the best F1.
    area, changed, ignore
        See :func:`geochange.fuse` and :func:`geochange.evaluate`.
    min_area, max_hole, smooth, products, threads, overwrite, on_progress
        See :func:`geochange.detect`. Default: as the run had them.

    Returns
    -------
    TunedThreshold
        With a table of thresholds; intervals are those of a bootstrap over blocks of ground.

    Warns
    -----
    DataWarning
        Labels are few, or where to look was chosen by a model.

    Raises
    ------
    UsageError
        Both goals, or one that is not between 0 and 1.
    InputError
        No labelled pixel of a class on the map, or no threshold reaches the precision.
    OutputExistsError, OutputError, ResourceError

    Examples
    --------
    >>> tuned = tune_threshold("out", "labels.tif", precision=0.9)  # doctest: +SKIP
    >>> tuned.threshold, tuned.chosen.recall  # doctest: +SKIP
    (0.62, 0.41)
    """
    _read_goal(precision, recall)
    (member,) = open_members([run])
    truth = open_labels(labels, member.geobox, area=area, changed=changed, ignore=ignore)
    tuned = measure_threshold(
        member,
        truth,
        precision=precision,
        recall=recall,
        named=os.fspath(labels),
        threads=threads,
        on_progress=on_progress,
    )
    for doubt in tuned.doubts:
        warnings.warn(doubt, DataWarning, stacklevel=2)
    if output is None:
        return tuned
    options = {
        "labels": os.fspath(labels),
        "precision": precision,
        "recall": recall,
        "area": None if area is None else os.fspath(area),
    }
    described = member.describe()
    revision = Revision(
        kind="threshold",
        base=member.run,
        members=[described],
        files=[described["score"], *describe_labels(labels, area)],
        options=options,
        reason=f"{tuned.goal} on {os.path.basename(labels)}",
        learn=partial(_keep_score, member, tuned),
    )
    wanted = Wanted(min_area=min_area, max_hole=max_hole, smooth=smooth, products=products)
    work = Work(output, threads=threads, overwrite=overwrite, on_progress=on_progress)
    return replace(tuned, result=revise(revision, wanted, work))


def measure_threshold(
    member: Member,
    truth: Truth,
    *,
    precision: float | None = None,
    recall: float | None = None,
    named: str = "the labels",
    threads: int = 0,
    on_progress: Progress = report_nothing,
) -> TunedThreshold:
    """Choose the threshold of a map on labels that are open; warns of nothing, writes nothing.

    Parameters
    ----------
    member : Member
    truth : Truth
        On the grid of the member.
    precision, recall : float, optional
        See :func:`tune_threshold`.
    named : str
        What errors call the labels.
    threads, on_progress
        See :func:`geochange.detect`.

    Raises
    ------
    UsageError, InputError
        See :func:`tune_threshold`.

    Examples
    --------
    >>> measure_threshold(member, truth, recall=0.8).doubts  # doctest: +SKIP
    ()
    """
    goal = _read_goal(precision, recall)
    with open_runner(threads=threads) as runner, Stages(runner, on_progress) as stages:
        with stages.stage("count"):
            histogram, blocks = _count(member, truth, stages)
        pixels = int(histogram.unchanged.sum()), int(histogram.changed.sum())
        _require_both(pixels, named)
        cut = choose_cut(histogram, precision=precision, recall=recall)
        rows = np.union1d(choose_rows(histogram), [cut])[::-1]
        with stages.stage("bootstrap"):
            points = describe_points(rows, _resample(member, truth, rows, stages))
    doubts = tuple(_doubt(pixels, blocks, truth))
    chosen = points[int(np.flatnonzero(rows == cut)[0])]
    table = tuple(point for point in points if point is not chosen)
    return TunedThreshold(chosen, table, histogram.average_precision, goal, pixels, blocks, doubts)


def _read_goal(precision: float | None, recall: float | None) -> str:
    if precision is not None and recall is not None:
        msg = "precision and recall exclude each other; ask for one of them"
        raise UsageError(msg)
    for name, value in (("precision", precision), ("recall", recall)):
        if value is None:
            continue
        if not 0 < value <= 1:
            msg = f"{name} must be above 0 and at most 1, got {value:g}"
            raise UsageError(msg)
        other = "recall" if name == "precision" else "precision"
        return f"most {other} at a {name} of {value:g}"
    return "best F1"


def _require_both(pixels: tuple[int, int], path: str) -> None:
    for name, count in zip(("unchanged", "changed"), pixels, strict=True):
        if not count:
            msg = f"{path} has no {name} pixel where the map has data; label some"
            raise InputError(msg)


def _plan(member: Member) -> TilePlan:
    height, width = (int(n) for n in member.geobox.shape)
    return TilePlan((height, width), TILE_PX)


def _count(member: Member, truth: Truth, stages: Stages) -> tuple[ScoreHistogram, tuple[int, int]]:
    """Return the histogram of the labelled pixels, and the blocks that hold any of each class."""
    found = stages.run(partial(_count_tile, member, truth), _plan(member))
    total, held = next(iter(found))
    for histogram, blocks in found:
        total, held = total + histogram, held + blocks
    return total, (int(held[0]), int(held[1]))


def _count_tile(
    member: Member, truth: Truth, tile: Tile
) -> tuple[ScoreHistogram, NDArray[np.int64]]:
    levels, codes = member.read(tile.core), truth.read(tile.core)
    codes = np.where(levels == SCORE_NODATA, np.uint8(255), codes)
    held = np.zeros(2, np.int64)
    for part, _ in _split(tile, codes.shape):
        held += [(codes[part] == 0).any(), (codes[part] == 1).any()]
    return ScoreHistogram.count(levels, codes), held


def _split(tile: Tile, shape: tuple[int, ...]) -> list[tuple[tuple[slice, slice], int]]:
    """Return the blocks of a tile and their numbers; tiles start at multiples of a block."""
    parts = []
    for row in range(0, shape[0], BLOCK_PX):
        for col in range(0, shape[1], BLOCK_PX):
            place = (tile.core.row + row) // BLOCK_PX, (tile.core.col + col) // BLOCK_PX
            inside = slice(row, row + BLOCK_PX), slice(col, col + BLOCK_PX)
            parts.append((inside, place[0] * 2**24 + place[1]))
    return parts


def _resample(member: Member, truth: Truth, cuts: NDArray[np.int64], stages: Stages) -> Sums:
    found = stages.run(partial(_resample_tile, member, truth, cuts), _plan(member))
    total = None
    for sums in found:
        total = sums if total is None else total if sums is None else total + sums
    assert total is not None  # there are labels
    return total


def _resample_tile(
    member: Member, truth: Truth, cuts: NDArray[np.int64], tile: Tile
) -> Sums | None:
    codes = truth.read(tile.core)
    if (codes > 1).all():
        return None
    levels = member.read(tile.core)
    total = None
    for part, number in _split(tile, codes.shape):
        if (codes[part] > 1).all():
            continue
        sums = count_block(levels[part], codes[part], cuts, number)
        total = sums if total is None else total + sums
    return total


def _doubt(pixels: tuple[int, int], blocks: tuple[int, int], truth: Truth) -> list[str]:
    doubts = []
    for name, count, places in zip(("unchanged", "changed"), pixels, blocks, strict=True):
        if count < FEW_PIXELS or places < FEW_BLOCKS:
            doubts.append(
                f"few labels: {count} {name} px in {places} places of {BLOCK_PX} px; the threshold "
                "may fit them alone"
            )
    if truth.chosen_by_model:
        doubts.append(
            f"{truth.chosen_by_model} of the tiles that were looked at were chosen by a model's "
            "uncertainty, not at random: precision and recall elsewhere will differ"
        )
    return doubts


@dataclass(frozen=True)
class KeptScore:
    """Returns the score that a run has."""

    member: Member

    def __call__(self, block: PairBlock) -> NDArray[np.uint16]:
        """Read the core of a block; nodata where the images have none."""
        stored = self.member.read(block.tile.core)
        stored[~block.valid[block.tile.core_in_read]] = SCORE_NODATA
        return stored


def _keep_score(member: Member, tuned: TunedThreshold, _: Prepared, __: Stages) -> Learned:
    point = tuned.chosen
    reason = (
        f"{tuned.goal} on labels: precision {point.precision:.3f}, recall {point.recall:.3f}, "
        f"before cleaning"
    )
    limit = Threshold(tuned.threshold, None, f"fixed:{tuned.threshold:.6g}", reason)
    return Learned(KeptScore(member), limit, tuned.to_dict(), tuned.doubts)
