"""Where a run's loop is built and run: in this process, or in several new ones."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from geochange.engine.stages import Progress as OnProgress
from geochange.engine.stages import report_nothing
from geochange.errors import GeochangeError, ResourceError, UsageError
from geochange.nn.inference.precision import choose_device
from geochange.nn.inference.predictor import is_out_of_memory
from geochange.training.arithmetic import exact_arithmetic
from geochange.training.chips.batches import ChipMaker
from geochange.training.chips.sampling import ChipSampler
from geochange.training.chips.views import ViewMaker
from geochange.training.learner import build_learner
from geochange.training.loop import STATE, Loop, OnValidation, let_go_on
from geochange.training.scenes.cache import SceneCache
from geochange.training.scenes.normalization import measure, settle
from geochange.training.settings.config import TrainConfig
from geochange.training.start import open_start
from geochange.training.state import Progress
from geochange.training.validation import Validator

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}
VALIDATION_SHARE = 0.2
"""Share of the cache that is for the validation scenes."""


class Job:
    """A training run, described: it pickles into other processes and trains there.

    Parameters
    ----------
    config : TrainConfig
    split : Split or StackSplit
    folder : Path
        Of the outputs.
    resume : bool
        Go on from the state in the folder, where there is one.
    on_progress : callable
    on_validation : callable
        Both are called in the first process.
    """

    def __init__(
        self,
        config: TrainConfig,
        split: Any,
        folder: Path,
        *,
        resume: bool = False,
        on_progress: OnProgress = report_nothing,
        on_validation: OnValidation = let_go_on,
    ) -> None:
        self.config = config
        self.split = split
        self.folder = folder
        self.resume = resume
        self.on_progress = on_progress
        self.on_validation = on_validation

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrive in a new process, where Fabric would introduce itself on stderr."""
        self.__dict__ = state
        _silence_fabric()

    def __call__(self, fabric: Fabric) -> Progress | GeochangeError:
        """Train in one process of several; what all of them refuse is returned, not raised."""
        if not fabric.is_global_zero:
            self.on_progress = report_nothing
        try:
            return self.train(fabric)
        except GeochangeError as error:
            return error

    def train(self, fabric: Fabric) -> Progress:
        """Train in this process."""
        state = self.folder / STATE
        with exact_arithmetic(self.config):
            try:
                loop = self._build_loop(fabric)
                there = self.resume and state.exists()
                return loop.run(loop.learner.load(state) if there else Progress())
            except (RuntimeError, MemoryError) as error:
                if not (isinstance(error, MemoryError) or is_out_of_memory(error)):
                    raise
                raise ResourceError(self._say_full(fabric)) from error

    def _say_full(self, fabric: Fabric) -> str:
        chips = self.config.chips
        owner = "the GPU's memory" if fabric.device.type == "cuda" else "memory"
        return (
            f"{chips.batch_size} chips of {chips.size_px} px do not fit into {owner}; lower "
            "chips.batch_size and raise optimizer.accumulate"
        )

    def _build_loop(self, fabric: Fabric) -> Loop:
        """Read what is needed of the images and build the network."""
        config, training, validation = self.config, self.split.training, self.split.validation
        unlabelled = self.split.unlabelled
        share = (1 - VALIDATION_SHARE) / (1 if unlabelled is None else 2)
        budget = config.data.cache_mb
        cache = SceneCache(training.scenes, budget * share)
        kept = SceneCache(validation.scenes, budget * VALIDATION_SHARE)
        self.on_progress("read", 0, 1)
        start, kind = open_start(config.start, training.scenes[0]), config.data.normalization
        kind = kind if start is None else start.measured_as(kind)
        normalization = measure(cache, kind, config.seed)
        normalization = normalization if start is None else start.normalize(normalization)
        sampler = ChipSampler(training.scenes, training.surveys, config.chips)
        chips = ChipMaker(cache, sampler, settle(cache, normalization), config)
        views = None
        if unlabelled is not None:
            more = SceneCache(unlabelled.scenes, budget * share)
            sampler = ChipSampler(unlabelled.scenes, unlabelled.surveys, config.chips)
            views = ViewMaker(more, sampler, settle(more, normalization), config)
        scalings = settle(kept, normalization)
        validator = Validator(
            kept,
            scalings,
            config.validation,
            config.compute.workers,
            config.image if config.task == "image" else None,
            config.chips.size_px,
        )
        self.on_progress("read", 1, 1)
        before, after = training.scenes[0].bands
        learner = build_learner(config, (len(before), len(after)), fabric, start)
        return Loop(
            learner,
            chips,
            validator,
            self.split,
            normalization,
            self.folder,
            self.on_progress,
            start=start,
            views=views,
            on_validation=self.on_validation,
        )


def launch(job: Job, fabric: Fabric) -> Progress:
    """Train in this process, or in several new ones."""
    if job.config.compute.processes == 1:
        return job.train(fabric)
    found: Progress | GeochangeError = fabric.launch(job)
    if isinstance(found, GeochangeError):
        raise found
    return found


def build_fabric(config: TrainConfig) -> Fabric:
    """Choose device, precision and processes.

    Raises
    ------
    UsageError
        Devices that are not there.
    """
    _silence_fabric()
    compute = config.compute
    device = choose_device(compute.accelerator)
    count = torch.cuda.device_count() if device.type == "cuda" else compute.processes
    if count < compute.processes:
        msg = (
            f"'compute.processes' is {compute.processes}, but there are {count} GPUs; lower it, "
            "or set compute.accelerator to 'cpu'"
        )
        raise UsageError(msg)
    unused = config.loss.deep == 0
    strategy = DDPStrategy(start_method="spawn", find_unused_parameters=unused)
    return Fabric(
        accelerator=device.type,
        devices=compute.processes,
        strategy=strategy if compute.processes > 1 else "auto",
        precision=PRECISIONS[compute.precision],  # type: ignore[arg-type]
    )


def _silence_fabric() -> None:
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
