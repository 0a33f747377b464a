"""A map against a reference: one pass over tiles, counts first, scores after."""

from __future__ import annotations

import functools
import math
import operator
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from geochange.errors import DataWarning, UsageError
from geochange.evaluation.counts import UNKNOWN, Counts, count_pixels
from geochange.evaluation.layers import MapLayers, open_layers
from geochange.evaluation.objects import ObjectCounts, ObjectMatcher, TileObjects, find_objects
from geochange.evaluation.ranking import ScoreHistogram
from geochange.evaluation.reference import LabelRaster, Reference, open_reference
from geochange.maps.sweep import Runner
from geochange.tiles import Tile, TilePlan

Values = float | Iterable[float]
TILE_SIZE = 1024
SCORE_TITLES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "iou": "IoU",
    "accuracy": "overall accuracy",
    "kappa": "kappa",
    "average_precision": "average precision",
    "roc_auc": "ROC AUC",
    "best_f1": "F1 at best threshold",
    "best_threshold": "best threshold",
    "object_precision": "object precision",
    "object_recall": "object recall",
    "object_f1": "object F1",
    "prevalence": "changed in the reference",
    "mapped_share": "changed in the map",
}
"""Every score by its name in :attr:`Evaluation.scores`, and what a table calls it."""


@dataclass(frozen=True)
class Evaluation:
    """How good a map is; adding two pools their pixels and objects.

    Attributes
    ----------
    counts : Counts
        Pixels, by map and reference.
    objects : ObjectCounts
        Objects matched at the IoU asked for.
    histogram : ScoreHistogram or None
        Scores by reference class; None without a score raster (or when pooled with one such).

    Examples
    --------
    >>> pooled = Evaluation(Counts(tp=1, fn=1)) + Evaluation(Counts(tp=2, tn=4))
    >>> pooled.scores["recall"], pooled.scores["kappa"]
    (0.75, 0.75)
    """

    counts: Counts
    objects: ObjectCounts = field(default_factory=ObjectCounts)
    histogram: ScoreHistogram | None = None

    def __add__(self, other: Evaluation) -> Evaluation:
        both = None
        if self.histogram is not None and other.histogram is not None:
            both = self.histogram + other.histogram
        return Evaluation(self.counts + other.counts, self.objects + other.objects, both)

    @functools.cached_property
    def scores(self) -> dict[str, float]:
        """All scores by name, in the order of a table; nan where undefined.

        Those that rank (``average_precision``, ``roc_auc``, ``best_...``) are absent without a
        score raster.
        """
        scores = {}
        for name in SCORE_TITLES:
            if name.startswith("object_"):
                scores[name] = getattr(self.objects, name.removeprefix("object_"))
            elif hasattr(self.counts, name):
                scores[name] = getattr(self.counts, name)
            elif self.histogram is not None:
                scores[name] = getattr(self.histogram, name)
        return scores

    def to_dict(self) -> dict[str, dict[str, float | None]]:
        """Return ``pixels``, ``objects`` and ``scores`` for JSON; undefined scores are None."""
        scores = {name: None if math.isnan(v) else v for name, v in self.scores.items()}
        return {"pixels": asdict(self.counts), "objects": asdict(self.objects), "scores": scores}

    def __str__(self) -> str:
        lines = [f"{SCORE_TITLES[name]:<26}{score:>10.4f}" for name, score in self.scores.items()]
        pixels = ", ".join(f"{name} {n:,}" for name, n in asdict(self.counts).items())
        objects = ", ".join(f"{name} {n:,}" for name, n in asdict(self.objects).items())
        return "\n".join([*lines, f"pixels: {pixels}", f"objects: {objects}"])


@dataclass(frozen=True, slots=True)
class TileComparison:
    """The task of one tile: read map and reference, count."""

    layers: MapLayers
    reference: Reference
    connectivity: int

    def __call__(self, tile: Tile) -> tuple[Counts, TileObjects, ScoreHistogram | None]:
        """Count one tile."""
        mask, levels = self.layers.read(self.reference.geobox, tile.core)
        truth, ids = self.reference.read(tile.core)
        compared = (mask != UNKNOWN) & (truth != UNKNOWN)
        mapped, changed = compared & (mask == 1), compared & (truth == 1)
        objects = find_objects(tile, mapped, changed, ids, self.connectivity)
        histogram = None
        if levels is not None:
            histogram = ScoreHistogram.count(levels, np.where(compared, truth, UNKNOWN))
        return count_pixels(mask, truth), objects, histogram


def evaluate(
    result: str | os.PathLike[str],
    reference: str | os.PathLike[str],
    *,
    changed: Values | None = None,
    ignore: Values | None = None,
    threshold: float = 0.5,
    iou: float = 0.5,
    connectivity: int = 8,
    tile_size: int = TILE_SIZE,
    run: Runner = map,
) -> Evaluation:
    """Compare a change map with a reference, pixel by pixel and object by object.

    The map's grid is the grid of comparison: a label raster of another CRS, resolution or extent is
    read by nearest pixel, polygons are burnt where they hold a pixel's centre. Memory does not grow
    with the raster's height, but with the number of objects.

    Parameters
    ----------
    result : path
        Output directory of a run, a mask raster (non-zero is change, nodata unknown) or a score
        raster from 0 to 1.
    reference : path
        A label raster, or polygons of change (GeoPackage, GeoJSON, Shapefile ...).
    changed : number or iterable of numbers, optional
        Label values that mean change; by default every value but 0 and the ignored.
    ignore : number or iterable of numbers, optional
        Label values that say nothing; by default the file's nodata value and 255.
        What ``changed`` names is never ignored.
    threshold : float
        Score from which on a pixel is change, for a score raster alone.
    iou : float
        Intersection over union from which on a mapped and a reference object are one, in (0, 1].
    connectivity : {4, 8}
        Neighbours that make pixels one object.
    tile_size : int
        Edge of the tiles read, in pixels; the answer does not depend on it.
    run : callable
        Applies a task to tiles and yields the results in order; default one after the other.

    Returns
    -------
    Evaluation
        Add several, or use :func:`pool`, to pool pairs.

    Raises
    ------
    InputError, GridError
        Files missing, unreadable, not overlapping, or without CRS and of different shapes.
    UsageError
        An ``iou`` or ``connectivity`` that cannot be.

    Warns
    -----
    DataWarning
        The values of the label leave one class empty, or nothing to compare.

    Examples
    --------
    >>> evaluation = evaluate("out", "label.tif", changed=1, ignore=0)  # doctest: +SKIP
    >>> evaluation.counts.f1  # doctest: +SKIP
    0.79
    """
    if not 0 < iou <= 1 or connectivity not in (4, 8):
        msg = f"iou {iou:g} must be in (0, 1] and connectivity {connectivity} must be 4 or 8"
        raise UsageError(msg)
    layers = open_layers(result, threshold)
    truth = open_reference(
        os.fspath(reference), layers.geobox, list_values(changed), list_values(ignore)
    )
    height, width = (int(n) for n in truth.geobox.shape)
    plan = TilePlan((height, width), tile_size)
    matcher = ObjectMatcher(width, connectivity)
    counts, histogram = Counts(), None
    for tile_counts, objects, scores in run(TileComparison(layers, truth, connectivity), plan):
        counts += tile_counts
        matcher.add(objects)
        histogram = scores if histogram is None or scores is None else histogram + scores
    warn_of_empty(counts, truth, plan)
    return Evaluation(counts, matcher.match(iou), histogram)


def pool(evaluations: Iterable[Evaluation]) -> Evaluation:
    """Sum the counts of many pairs: every pixel weighs the same, whichever pair it is of."""
    return functools.reduce(operator.add, evaluations)


def mean_scores(evaluations: Sequence[Evaluation]) -> dict[str, float]:
    """Mean of each score over the pairs where it is defined: every pair weighs the same.

    Examples
    --------
    >>> pairs = [Evaluation(Counts(tp=1, fn=1)), Evaluation(Counts(tp=1)), Evaluation(Counts(tn=9))]
    >>> mean_scores(pairs)["recall"]
    0.75
    """
    names = [name for name in SCORE_TITLES if all(name in pair.scores for pair in evaluations)]
    return {name: mean_defined(pair.scores[name] for pair in evaluations) for name in names}


def mean_defined(scores: Iterable[float]) -> float:
    """Mean of what is not nan; nan when all is."""
    defined = [score for score in scores if not math.isnan(score)]
    return math.fsum(defined) / len(defined) if defined else float("nan")


def list_values(values: Values | None) -> list[float] | None:
    """Let one value stand for a list of one."""
    if values is None:
        return None
    return list(values) if isinstance(values, Iterable) else [values]


def warn_of_empty(counts: Counts, reference: Reference, plan: TilePlan) -> None:
    """Warn when the codes of a label raster are probably not what the defaults take them for."""
    if not isinstance(reference, LabelRaster):
        return
    name, silent = reference.reader.file.path, sorted(reference.ignore)
    if not counts.compared:
        warn(f"{name} and the map have no known pixel in common")
        return
    for pixels, kind, option in (
        (counts.tp + counts.fn, "changed", "changed"),
        (counts.fp + counts.tn, "unchanged", "ignore"),
    ):
        if not pixels and reference.holds_ignored(tile.core for tile in plan):
            warn(f"{name} has no {kind} pixel; if an ignored value {silent} is, name `{option}`")


def warn(message: str) -> None:
    """Warn about the data at the caller of :func:`evaluate`."""
    warnings.warn(message, DataWarning, stacklevel=4)
