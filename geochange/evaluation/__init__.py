"""Counts first, scores after: how good a change map is."""

from geochange.evaluation.assessment import Evaluation, evaluate, mean_scores, pool
from geochange.evaluation.confusion import map_confusion, plot_confusion
from geochange.evaluation.counts import Counts, confusion_codes, count_pixels
from geochange.evaluation.objects import ObjectCounts
from geochange.evaluation.ranking import ScoreHistogram

__all__ = [
    "Counts",
    "Evaluation",
    "ObjectCounts",
    "ScoreHistogram",
    "confusion_codes",
    "count_pixels",
    "evaluate",
    "map_confusion",
    "mean_scores",
    "plot_confusion",
    "pool",
]
