"""``gc.train``: a config in, a folder with a checkpoint out."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from geochange.engine.stages import Progress as OnProgress
from geochange.engine.stages import peak_memory_bytes, report_nothing
from geochange.errors import GeochangeError
from geochange.nn.learning.losses import build_loss
from geochange.training.folder import (
    check_folder,
    drop_folder,
    make_folder,
    read_summary,
    write_summary,
)
from geochange.training.loop import MODEL, STATE, OnValidation, let_go_on
from geochange.training.processes import build_fabric, launch
from geochange.training.settings.config import TrainConfig, load_config
from geochange.training.settings.toml import to_table
from geochange.training.start import settle_start
from geochange.training.state import Progress
from geochange.training.tasks import TASKS
from geochange.version import __version__


@dataclass(frozen=True)
class TrainResult:
    """A finished training run.

    Attributes
    ----------
    path : Path
        Folder with ``model.safetensors``, ``config.toml``, ``metrics.csv``, ``curve.png``,
        ``run.json`` and TensorBoard's ``logs``.
    run : dict
        What ``run.json`` holds.
    """

    path: Path
    run: Mapping[str, Any]

    @property
    def checkpoint(self) -> Path:
        """The weights that validated best, with their card."""
        return self.path / MODEL

    @property
    def scores(self) -> dict[str, float]:
        """Figures of the change class on the validation scenes."""
        return dict(self.run["best"]["scores"])

    def __str__(self) -> str:
        best, scores = self.run["best"], self.scores
        return (
            f"{self.checkpoint}\nbest at step {best['step']} of {self.run['steps']}: F1 "
            f"{scores['f1']:.4f}, IoU {scores['iou']:.4f}, average precision "
            f"{scores['average_precision']:.4f} at threshold {best['threshold']:.3f}"
        )


def train(
    config: TrainConfig | Mapping[str, Any] | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress = report_nothing,
    on_validation: OnValidation = let_go_on,
) -> TrainResult:
    """Train a network.

    Parameters
    ----------
    config : path, mapping or TrainConfig
        TOML file, nested tables, or the config itself:
        :mod:`geochange.training.settings.config`.
    output : path, optional
        Folder to make, instead of the config's.
    settings : mapping of str to object, optional
        Single settings to replace: ``{"optimizer.learning_rate": 1e-3}``.
    resume : bool
        Go on with what the folder holds, exactly as if nothing had stopped it; start when it holds
        nothing.
    overwrite : bool
        Replace what the folder holds.
    on_progress : callable
        Called with stage, steps done and steps in all.
    on_validation : callable
        Called after each validation with the step and the scores by name; training stops when it
        returns a reason. Both callables must pickle when several processes train.

    Returns
    -------
    TrainResult

    Raises
    ------
    InputError, UsageError, OutputExistsError, OutputError, ResourceError, TrainingError
        One line: what came, what was expected, what to do. What fails before the first validation
        leaves no folder.

    Examples
    --------
    >>> result = train("building.toml", "runs/building")  # doctest: +SKIP
    >>> result.scores["f1"]  # doctest: +SKIP
    0.65
    """
    chosen = {} if output is None else {"output": os.fspath(output)}
    config = settle_start(load_config(config, {**(settings or {}), **chosen}))
    build_loss(config.loss.name, class_weights=config.loss.class_weights or None)
    folder = check_folder(config, resume=resume, overwrite=overwrite)
    summary = read_summary(folder) if resume else None
    if summary is None:
        started = time.perf_counter()
        task = TASKS[config.task]
        split = task.open_split(config)
        start = task.check(config, split)
        fabric = build_fabric(config)
        make_folder(folder, config, resume=resume)
        job = task.job(
            config,
            split,
            folder,
            resume=resume,
            on_progress=on_progress,
            on_validation=on_validation,
        )
        try:
            progress = launch(job, fabric)
        except KeyboardInterrupt as error:
            kept = "keeps the state of the last validation" if (folder / STATE).exists() else ""
            error.add_note(f"{folder} {kept or 'holds no state yet'}; go on with --resume")
            raise
        except GeochangeError:
            drop_folder(folder)
            raise
        summary = _summarise(config, split, progress) | {
            "seconds": round(time.perf_counter() - started, 1),
            "peak_memory_bytes": peak_memory_bytes(),
        }
        summary |= {"start": start} if start else {}
        if split.unlabelled is not None:
            summary["unlabelled"] = {"scenes": [s.name for s in split.unlabelled.scenes]}
        write_summary(folder, summary)
    return TrainResult(folder, summary)


def _summarise(config: TrainConfig, split: Any, progress: Progress) -> dict[str, Any]:
    return {
        "kind": "train",
        "task": config.task,
        "version": __version__,
        "torch": torch.__version__,
        "model": config.model.name,
        "steps": progress.step,
        "stopped": progress.stopped or "all steps done",
        "best": progress.best,
        "training": split.training.describe(),
        "validation": split.validation.describe(),
        "config": to_table(config),
    }
