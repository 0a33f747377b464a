"""What the checkpoint of a network for series says of itself."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

from geochange.alignment.grid import gsd_m
from geochange.nn.checkpoints.card import Card, Metric, TrainingData
from geochange.nn.normalization import Normalization
from geochange.training.cards import (
    SAME_GSD,
    describe_bands,
    limit_threshold,
    list_metrics,
    make_title,
)
from geochange.training.series.stacks import Stack, StackSplit
from geochange.training.settings.config import TrainConfig
from geochange.training.validation import Findings


def describe_series_network(
    config: TrainConfig,
    split: StackSplit,
    normalization: Normalization,
    found: Findings,
    dated: float,
) -> Card:
    """Return the card of a trained network for series.

    Parameters
    ----------
    config : TrainConfig
    split : StackSplit
    normalization : Normalization
    found : Findings
    dated : float
        Share of the found changes that are dated within one date.
    """
    series = split.training.scenes[0].series
    bands = describe_bands(series.bands, series.roles)
    names = sorted({source.path for source in config.data.train})
    kind = "validation" if split.is_separate else "training"
    least, most = config.series.dates
    where = (
        f"{len(split.validation.scenes)} {kind} series of {least} to {most} dates, threshold "
        "chosen on the same pixels"
    )
    metrics = list_metrics(found.scores, where)
    if math.isfinite(dated):
        metrics += (Metric("dated_within_one", dated, where),)
    terms = config.card.data_terms or "not stated"
    card = Card(
        title=make_title(config, names),
        bands_before=bands,
        bands_after=bands,
        normalization=normalization,
        gsd_m=_gsd_range(split.training.scenes, config),
        threshold=limit_threshold(found.threshold),
        temperature=found.temperature,
        training=tuple(TrainingData(name, terms) for name in names),
        metrics=metrics,
        created=datetime.now(UTC).date().isoformat(),
        automatic=False,
    )
    return replace(card, task="series")


def _gsd_range(stacks: tuple[Stack, ...], config: TrainConfig) -> tuple[float, float] | None:
    if config.card.gsd_m:
        return config.card.gsd_m[0], config.card.gsd_m[1]
    known = [size for size in (gsd_m(stack.series.geobox) for stack in stacks) if size]
    return (min(known) / SAME_GSD, max(known) * SAME_GSD) if len(known) == len(stacks) else None
