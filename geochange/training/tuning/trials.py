"""Trials of a tuning: Optuna asks for settings and is told what they gave, through a journal.

The journal is lines of JSON that are only ever appended, so a tuning that was killed goes on from
it. Optuna pickles snapshots for Redis alone, never beside a file.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from filelock import FileLock

from geochange.errors import InputError, UsageError
from geochange.training.tuning.space import Dimension

if TYPE_CHECKING:
    from optuna import Study, Trial

STUDY = "geochange"
STARTUP_TRIALS = 8
"""Random trials before earlier ones are looked at."""
PRUNING_TRIALS = 4
"""Finished trials before one is stopped for being worse than their median."""


class _Lock:
    """The lock of a journal; the system lets it go when a process dies, however it dies."""

    def __init__(self, journal: Path) -> None:
        self.lock = FileLock(journal.with_name(f".{journal.name}.lock"))

    def acquire(self) -> bool:
        """Wait for the lock."""
        self.lock.acquire()
        return True

    def release(self) -> None:
        """Give it back."""
        self.lock.release()


def require_optuna() -> Any:
    """Return the module.

    Raises
    ------
    UsageError
        It is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        msg = "tuning needs optuna, which is not installed; run: pip install 'geochange[tune]'"
        raise UsageError(msg) from error
    logging.getLogger("optuna").setLevel(logging.ERROR)
    return optuna


def open_study(journal: Path, *, warmup_steps: int) -> Study:
    """Open the study of a journal, or begin one.

    Parameters
    ----------
    journal : Path
    warmup_steps : int
        Training steps before which no trial is stopped.

    Raises
    ------
    InputError
        The journal is damaged.
    """
    optuna = require_optuna()
    _trim(journal)
    backend = optuna.storages.journal.JournalFileBackend(str(journal), cast("Any", _Lock(journal)))
    try:
        study: Study = optuna.create_study(
            study_name=STUDY,
            storage=optuna.storages.JournalStorage(backend),
            sampler=optuna.samplers.RandomSampler(),
            pruner=optuna.pruners.MedianPruner(PRUNING_TRIALS, warmup_steps),
            direction="maximize",
            load_if_exists=True,
        )
    except (ValueError, KeyError) as error:
        msg = f"{journal} is no journal of a tuning ({error}); choose another output folder"
        raise InputError(msg) from error
    return study


def _trim(journal: Path) -> None:
    """Drop a last line that a kill cut short; Optuna would append to it."""
    if journal.exists():
        text = journal.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:
            journal.write_bytes(whole)


def begin_trial(study: Study, dimensions: Sequence[Dimension], seed: int, limit: int) -> Any:
    """Return the next trial with its settings chosen: one that was left unfinished, or a new one.

    Parameters
    ----------
    study : Study
    dimensions : sequence of Dimension
    seed : int
        With it and the number of a trial its random numbers are fixed.
    limit : int
        Trials in all.

    Returns
    -------
    Trial or None
        None when there are enough.
    """
    optuna = require_optuna()
    trials = study.get_trials(deepcopy=False)
    if len(trials) >= limit:
        return None
    return _seed_and_choose(study, study.ask, len(trials), dimensions, seed, optuna)


def resume_trials(study: Study, dimensions: Sequence[Dimension], seed: int) -> list[Trial]:
    """Return the trials that were begun and never finished, to go on with."""
    optuna = require_optuna()
    running = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
    return [
        _seed_and_choose(
            study,
            lambda frozen=frozen: optuna.trial.Trial(study, frozen._trial_id),
            frozen.number,
            dimensions,
            seed,
            optuna,
        )
        for frozen in running
    ]


def _seed_and_choose(
    study: Study, make: Any, number: int, dimensions: Sequence[Dimension], seed: int, optuna: Any
) -> Any:
    state = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP_TRIALS, seed=state)
    trial = make()
    for dimension in dimensions:
        _choose(trial, dimension)
    return trial


def _choose(trial: Trial, dimension: Dimension) -> None:
    if dimension.choices:
        trial.suggest_categorical(dimension.name, [json.dumps(v) for v in dimension.choices])
    elif dimension.whole:
        ends, step = (int(dimension.low), int(dimension.high)), int(dimension.step or 1)
        trial.suggest_int(dimension.name, *ends, step=step, log=dimension.log)
    else:
        low, high = float(dimension.low), float(dimension.high)
        trial.suggest_float(dimension.name, low, high, step=dimension.step, log=dimension.log)


def read_settings(params: Mapping[str, Any], dimensions: Sequence[Dimension]) -> dict[str, Any]:
    """Return the settings of a trial from what Optuna keeps of them."""
    chosen = {dimension.name for dimension in dimensions if dimension.choices}
    return {name: json.loads(v) if name in chosen else v for name, v in params.items()}


@dataclass(frozen=True)
class Watch:
    """An ``on_validation`` callable that stops a trial which is worse than the median of others.

    It pickles into other processes.

    Attributes
    ----------
    journal : Path
    number : int
        Of the trial.
    warmup_steps : int
    """

    journal: Path
    number: int
    warmup_steps: int

    def __call__(self, step: int, scores: Mapping[str, float]) -> str:
        """Tell F1 at a step; returns why the trial should stop, or nothing."""
        optuna = require_optuna()
        study = open_study(self.journal, warmup_steps=self.warmup_steps)
        frozen = study.get_trials(deepcopy=False)[self.number]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = optuna.trial.Trial(study, frozen._trial_id)
            if step not in frozen.intermediate_values:
                trial.report(scores["f1"], step)
            prune = trial.should_prune()
        return f"pruned: F1 {scores['f1']:.4f} is below the median of other trials" if prune else ""
