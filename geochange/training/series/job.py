"""The training job of a network for series: the same loop over chips of many dates."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric

from geochange.errors import UsageError
from geochange.nn.checkpoints.card import Card
from geochange.nn.temporal.registry import build_series_model
from geochange.training.learner import build_learner
from geochange.training.loop import Loop
from geochange.training.processes import VALIDATION_SHARE, Job
from geochange.training.series.cache import StackCache
from geochange.training.series.cards import describe_series_network
from geochange.training.series.chips import SeriesChipMaker
from geochange.training.series.normalization import measure_stacks, settle_stacks
from geochange.training.series.stacks import StackSplit, open_stacks
from geochange.training.series.supervision import SeriesSupervised
from geochange.training.series.validation import SeriesValidator
from geochange.training.settings.config import TrainConfig
from geochange.training.validation import Findings


class SeriesLoop(Loop):
    """The loop of :mod:`geochange.training.loop`, with a card that speaks of dates."""

    split: StackSplit
    validator: SeriesValidator

    def describe(self, found: Findings) -> Card:
        """Return the card of the network as it is now."""
        return describe_series_network(
            self.config, self.split, self.normalization, found, self.validator.dated
        )


class SeriesTraining(Job):
    """A training run of a network for series; see :class:`geochange.training.processes.Job`."""

    split: StackSplit

    def _build_loop(self, fabric: Fabric) -> SeriesLoop:
        config, budget = self.config, self.config.data.cache_mb
        self.on_progress("read", 0, 1)
        cache = StackCache(self.split.training.scenes, budget * (1 - VALIDATION_SHARE))
        kept = StackCache(self.split.validation.scenes, budget * VALIDATION_SHARE)
        normalization = measure_stacks(cache, config.data.normalization)
        chips = SeriesChipMaker(cache, settle_stacks(cache, normalization), config)
        validator = SeriesValidator(kept, settle_stacks(kept, normalization), config)
        self.on_progress("read", 1, 1)
        count = len(self.split.training.scenes[0].series.bands)
        learner = build_learner(
            config, (count, count), fabric, build=build_series_model, supervise=SeriesSupervised
        )
        return SeriesLoop(
            learner,
            chips,
            validator,
            self.split,
            normalization,
            self.folder,
            self.on_progress,
            on_validation=self.on_validation,
        )


def open_series_split(config: TrainConfig) -> StackSplit:
    """Open the stacks of a config.

    Raises
    ------
    InputError, BandError, UsageError
        Also for settings that only networks of two dates have.
    """
    if config.start.checkpoint:
        msg = "networks for series begin with random weights; train one anew instead of finetune"
        raise UsageError(msg)
    if config.unlabelled.sources:
        msg = "'unlabelled.sources' is not for task 'series'; leave it out"
        raise UsageError(msg)
    if config.compute.precision != "fp32":
        msg = "'compute.precision' must be 'fp32' for task 'series'"
        raise UsageError(msg)
    return open_stacks(config.data)


def check_series_network(config: TrainConfig, split: StackSplit) -> None:
    """Refuse a network that cannot be built."""
    count = len(split.training.scenes[0].series.bands)
    with torch.device("meta"):
        build_series_model(config.model.name, count, **config.model.options)
