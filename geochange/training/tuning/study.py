"""``gc.tune``: many short trainings with other settings, and the best of them as a config."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from geochange.engine.runner import count_processors
from geochange.engine.stages import Progress as OnProgress
from geochange.engine.stages import report_nothing
from geochange.errors import TrainingError, UsageError
from geochange.nn.checkpoints.shipped import locate_model
from geochange.training.settings.config import TrainConfig, load_config
from geochange.training.tuning.campaign import Campaign
from geochange.training.tuning.folder import lock_folder, make_tuning_folder
from geochange.training.tuning.space import read_space
from geochange.training.tuning.table import BEST, Row
from geochange.training.tuning.trials import require_optuna


@dataclass(frozen=True)
class TuneResult:
    """A tuning.

    Attributes
    ----------
    path : Path
        Folder with ``best.toml`` (a whole config), ``trials.csv``, ``trials.png``, the journal and
        a folder for each trial.
    trials : tuple of Row
        In the order of their numbers.
    best : Row
        The one of highest validation F1. It is the best of many on these validation scenes, so
        others will find it somewhat worse.
    """

    path: Path
    trials: tuple[Row, ...]
    best: Row

    @property
    def config(self) -> Path:
        """The config of the best trial, for ``geochange train``."""
        return self.path / BEST

    def __str__(self) -> str:
        chosen = ", ".join(f"{name} = {value}" for name, value in self.best.settings.items())
        states = [row.state for row in self.trials]
        return (
            f"{self.config}\nbest of {len(self.trials)} trials ({states.count('pruned')} pruned, "
            f"{states.count('failed')} failed): number {self.best.number}, F1 {self.best.f1:.4f} "
            f"with {chosen}"
        )


def tune(
    config: TrainConfig | Mapping[str, Any] | str | os.PathLike[str],
    space: Mapping[str, Any] | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    trials: int,
    settings: Mapping[str, object] | None = None,
    seed: int = 0,
    resume: bool = False,
    jobs: int = 1,
    on_progress: OnProgress = report_nothing,
) -> TuneResult:
    """Search settings of a training for the highest F1 on its validation scenes.

    Settings are drawn at random first, then by the tree-structured Parzen estimator of Optuna
    (Akiba et al. 2019, doi:10.1145/3292500.3330701). A training that is worse at a validation than
    the median of the others at that step is stopped. Every trial trains with the config's seed.

    Parameters
    ----------
    config : path, mapping or TrainConfig
    space : path or mapping
        TOML file, or table: dotted names of settings to ``{low, high, log}``, ``{low, high, step}``
        or ``{choices}``; see :mod:`geochange.training.tuning.space`.
    output : path
        Folder to make.
    trials : int
        In all, those of an earlier call that is resumed included.
    settings : mapping of str to object, optional
        Single settings of the config to replace.
    seed : int
        Of the choice of settings. The same trials come of it when ``jobs`` is 1, resumed or not.
    resume : bool
        Go on: unfinished trainings where they stopped, then new trials.
    jobs : int
        Trainings at once, in processes of their own.
    on_progress : callable
        Called with ``"trials"``, trials done and trials in all.

    Raises
    ------
    UsageError
        Optuna is not installed, a space that does not fit, or a resumed tuning of another config.
    OutputExistsError
        The folder is there and is not to be resumed.
    TrainingError
        Every trial failed; the message says why the first did.

    Examples
    --------
    >>> space = {"optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
    >>> tune("town.toml", space, "runs/tuned", trials=20).best.f1  # doctest: +SKIP
    0.72
    """
    require_optuna()
    if trials < 1 or jobs < 1:
        msg = f"trials and jobs must be 1 or more, got {trials} and {jobs}"
        raise UsageError(msg)
    base = _settle(load_config(config, settings), jobs)
    dimensions = read_space(space, base)
    folder = make_tuning_folder(Path(output).resolve(), base, dimensions, resume=resume)
    with lock_folder(folder):
        campaign = Campaign(folder, base, dimensions, seed, trials, on_progress)
        try:
            campaign.run(jobs)
        except KeyboardInterrupt as error:
            error.add_note(f"{folder} holds the trials so far; go on with --resume")
            raise
        return _sum_up(folder, campaign.list_rows())


def _settle(config: TrainConfig, jobs: int) -> TrainConfig:
    """Make the config independent of where it is read, and share processors among jobs."""
    root, checkpoint = os.path.abspath(config.data.root), config.start.checkpoint
    start = replace(config.start, checkpoint=locate_model(checkpoint) if checkpoint else "")
    compute = config.compute
    if jobs > 1 and not compute.threads:
        share = max(1, count_processors() // (jobs * compute.processes))
        compute = replace(compute, threads=share)
    data = replace(config.data, root=root)
    return replace(config, output="", data=data, start=start, compute=compute)


def _sum_up(folder: Path, rows: list[Row]) -> TuneResult:
    """Return the result, or say that no trial came to its end."""
    done = [row for row in rows if row.state == "complete"]
    if not done:
        reason = next((row.message for row in rows if row.message), "all were pruned")
        msg = f"none of {len(rows)} trials came to its end; the first: {reason}"
        raise TrainingError(msg)
    best = max(done, key=lambda row: (row.f1, -row.number))
    return TuneResult(folder, tuple(rows), best)
