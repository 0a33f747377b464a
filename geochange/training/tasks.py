"""What a network can learn to do: each task with its data, its check and its job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from geochange.errors import UsageError
from geochange.nn.networks.registry import build_model
from geochange.training.processes import Job
from geochange.training.scenes.split import Split, open_split
from geochange.training.series.job import SeriesTraining, check_series_network, open_series_split
from geochange.training.settings.config import TrainConfig
from geochange.training.startcheck import check_start


@dataclass(frozen=True)
class Task:
    """How a task is begun.

    Attributes
    ----------
    open_split : callable
        Opens the data of a config; what it returns can ``describe`` its training and validation.
    check : callable
        Refuses a network that cannot be built or does not suit the data; returns what ``run.json``
        tells of a checkpoint that is started from.
    job : type of Job
    """

    open_split: Callable[[TrainConfig], Any]
    check: Callable[[TrainConfig, Any], Mapping[str, Any] | None]
    job: type[Job]


def open_scenes(config: TrainConfig) -> Split:
    """Open pairs of dates."""
    return open_split(config.data, config.unlabelled.sources)


def check_network(config: TrainConfig, split: Split) -> Mapping[str, Any] | None:
    """Refuse a network that cannot be built or does not take the chips.

    Raises
    ------
    UsageError
    """
    bands = tuple(len(names) for names in split.training.scenes[0].bands)
    with torch.device("meta"):
        network = build_model(config.model.name, (bands[0], bands[1]), **config.model.options)
    if network.task != config.task:
        msg = (
            f"task is '{config.task}', but network '{config.model.name}' is for "
            f"'{network.task}'; set task = \"{network.task}\", or choose another network"
        )
        raise UsageError(msg)
    if config.chips.size_px % network.stride:
        msg = (
            f"'chips.size_px' must be a multiple of {network.stride}, the stride of "
            f"{config.model.name}, got {config.chips.size_px}"
        )
        raise UsageError(msg)
    return check_start(config, split.training.scenes)


TASKS: Mapping[str, Task] = {
    "pixels": Task(open_scenes, check_network, Job),
    "image": Task(open_scenes, check_network, Job),
    "series": Task(open_series_split, check_series_network, SeriesTraining),
}
"""By the names that ``task`` has in a config."""
