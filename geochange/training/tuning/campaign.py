"""Trials run one after the other, or several at once, each a training of its own."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geochange.engine.stages import Progress as OnProgress
from geochange.errors import ResourceError, TrainingError, UsageError
from geochange.training.run import train
from geochange.training.settings.config import TrainConfig
from geochange.training.tuning.space import Dimension
from geochange.training.tuning.table import Row, read_rows, write_results
from geochange.training.tuning.trials import (
    Watch,
    begin_trial,
    open_study,
    read_settings,
    require_optuna,
    resume_trials,
)

if TYPE_CHECKING:
    from optuna import Study, Trial

JOURNAL = "trials.journal"
WARMUP_SHARE = 0.25
"""Share of a training's steps before which it is not stopped."""


@dataclass(frozen=True)
class Outcome:
    """What one trial gave."""

    f1: float = 0.0
    best_step: int = 0
    steps: int = 0
    seconds: float = 0.0
    stopped: str = ""
    message: str = ""


class Campaign:
    """The trials of one tuning.

    Parameters
    ----------
    folder : Path
    config : TrainConfig
    dimensions : tuple of Dimension
    seed : int
        Of the choice of settings.
    trials : int
        In all.
    on_progress : callable
        Called with ``"trials"``, trials done and trials in all.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        dimensions: tuple[Dimension, ...],
        seed: int,
        trials: int,
        on_progress: OnProgress,
    ) -> None:
        self.folder = folder
        self.config = config
        self.dimensions = dimensions
        self.seed = seed
        self.trials = trials
        self.on_progress = on_progress
        self.warmup = round(config.steps * WARMUP_SHARE)
        self.study: Study = open_study(folder / JOURNAL, warmup_steps=self.warmup)

    def run(self, jobs: int) -> None:
        """Run the trials that are missing."""
        self._report()
        waiting = resume_trials(self.study, self.dimensions, self.seed)
        if jobs == 1:
            while (trial := self._next(waiting)) is not None:
                self._tell(trial, run_trial(*self._describe(trial)))
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            try:
                self._run_several(pool, jobs, waiting)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _run_several(self, pool: ProcessPoolExecutor, jobs: int, waiting: list[Trial]) -> None:
        running: dict[Future[Outcome], Trial] = {}
        while True:
            while len(running) < jobs and (trial := self._next(waiting)) is not None:
                running[pool.submit(run_trial, *self._describe(trial))] = trial
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                self._tell(running.pop(future), future.result())

    def _next(self, waiting: list[Trial]) -> Trial | None:
        if waiting:
            return waiting.pop(0)
        trial: Trial | None = begin_trial(self.study, self.dimensions, self.seed, self.trials)
        return trial

    def _describe(self, trial: Trial) -> tuple[TrainConfig, dict[str, Any], Path, Watch]:
        """Return the parameters of :func:`run_trial`."""
        chosen = read_settings(trial.params, self.dimensions)
        watch = Watch(self.folder / JOURNAL, trial.number, self.warmup)
        return self.config, chosen, self.folder / f"trial-{trial.number:03d}", watch

    def _tell(self, trial: Trial, outcome: Outcome) -> None:
        """Write down what a trial gave."""
        states = require_optuna().trial.TrialState
        for name in ("best_step", "steps", "seconds", "message", "f1"):
            trial.set_user_attr(name, getattr(outcome, name))
        if outcome.message:
            self.study.tell(trial, state=states.FAIL)
        elif outcome.stopped.startswith("pruned"):
            self.study.tell(trial, state=states.PRUNED)
        else:
            self.study.tell(trial, outcome.f1)
        self._report()

    def list_rows(self) -> list[Row]:
        """Return all trials in the order of their numbers."""
        return read_rows(self.study, self.dimensions)

    def _report(self) -> None:
        rows = self.list_rows()
        write_results(self.folder, rows, self.dimensions)
        done = sum(row.state != "running" for row in rows)
        self.on_progress("trials", done, max(self.trials, done))


def run_trial(
    config: TrainConfig, chosen: Mapping[str, Any], folder: Path, watch: Watch
) -> Outcome:
    """Train with some settings; settings that cannot be trained with are an outcome too."""
    started = time.perf_counter()
    try:
        result = train(config, folder, settings=chosen, resume=True, on_validation=watch)
    except (TrainingError, UsageError, ResourceError) as error:
        return Outcome(message=str(error), seconds=round(time.perf_counter() - started, 1))
    run = result.run
    return Outcome(
        f1=run["best"]["scores"]["f1"],
        best_step=run["best"]["step"],
        steps=run["steps"],
        seconds=run["seconds"],
        stopped=run["stopped"],
    )
