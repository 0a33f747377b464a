"""Cross-validation by place: every fold trained, what they find pooled."""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from geochange.engine.stages import Progress as OnProgress
from geochange.engine.stages import report_nothing
from geochange.errors import OutputExistsError, UsageError
from geochange.evaluation.ranking import ScoreHistogram
from geochange.io.files.outputs import write_json
from geochange.nn.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from geochange.training.calibration import calibrate, fit_temperature
from geochange.training.cards import limit_threshold, list_metrics
from geochange.training.histograms import HISTOGRAM, read_histogram
from geochange.training.loop import MODEL
from geochange.training.run import train
from geochange.training.settings.config import TrainConfig, load_config
from geochange.training.settings.toml import to_table

SUMMARY = "folds.json"
REFITTED = "all"
"""Folder of the network that is trained on the scenes of all folds."""


@dataclass(frozen=True)
class FoldsResult:
    """All folds of a cross-validation.

    Attributes
    ----------
    path : Path
        Folder with one folder per fold and ``folds.json``.
    run : dict
        What ``folds.json`` holds: pooled counts and scores, the threshold of each fold, and what
        each fold's own validation found.
    """

    path: Path
    run: Mapping[str, Any]

    def __str__(self) -> str:
        pooled, mean = self.run["pooled"], self.run["mean"]
        refitted = f"{self.path / REFITTED / MODEL}\n" if "refitted" in self.run else ""
        return (
            f"{self.path / SUMMARY}\n{refitted}{len(self.run['folds'])} folds pooled: F1 "
            f"{pooled['f1']:.4f}, IoU {pooled['iou']:.4f}; mean average precision "
            f"{mean['average_precision']:.4f}"
        )


def cross_validate(
    config: TrainConfig | Mapping[str, Any] | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    refit: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress = report_nothing,
) -> FoldsResult:
    """Train each fold in turn; see :func:`geochange.training.run.train` for the parameters.

    Counts are pooled over the folds' validation scenes. The threshold of a fold is the one that
    is best on the scenes of all *other* folds, so that no scene has a say in its own figures; with
    ``validation.keep = "last"`` that holds for the weights as well.

    With ``refit`` a network is then trained on the scenes of all folds, into the folder ``all``;
    its threshold, temperature and figures are those that the folds found on scenes they had not
    seen. It takes all steps: no scene is left to tell when to stop.

    Raises
    ------
    UsageError
        The config names validation scenes, so there are no folds.
    OutputExistsError
        The folder is there and neither ``resume`` nor ``overwrite`` is asked for.

    Examples
    --------
    >>> cross_validate("oscd.toml", "runs/oscd").run["pooled"]["f1"]  # doctest: +SKIP
    0.55
    """
    chosen = {} if output is None else {"output": os.fspath(output)}
    config = load_config(config, {**(settings or {}), **chosen})
    if config.data.validation or not config.output:
        msg = "folds need an output folder and a config without [[data.validation]]"
        raise UsageError(msg)
    folder = Path(config.output).resolve()
    if folder.exists() and not (resume or overwrite):
        msg = (
            f"{folder} exists; go on with --resume, replace it with --overwrite, or choose another"
        )
        raise OutputExistsError(msg)
    folds: list[dict[str, Any]] = []
    histograms: list[ScoreHistogram] = []
    job = functools.partial(
        train, config, resume=resume, overwrite=overwrite, on_progress=on_progress
    )
    for fold in range(config.data.folds):
        result = job(folder / f"fold-{fold}", settings={"data.fold": fold})
        folds.append({"validation": result.run["validation"]["scenes"], **result.run["best"]})
        histograms.append(read_histogram(result.path / HISTOGRAM))
    summary = _pool(folds, histograms)
    summary |= {"kind": "folds", "folds": folds, "config": to_table(config)}
    if refit:
        settings = {"data.fold": -1, "validation.keep": "last", "validation.patience": 0}
        result = job(folder / REFITTED, settings=settings)
        summary |= {"refitted": _sign(result.checkpoint, summary, histograms)}
    write_json(folder / SUMMARY, summary)
    return FoldsResult(folder, summary)


def _sign(
    checkpoint: Path, summary: Mapping[str, Any], histograms: list[ScoreHistogram]
) -> dict[str, Any]:
    """Write what the folds found into the card of the network that all scenes trained."""
    whole = functools.reduce(operator.add, histograms)
    temperature = fit_temperature(whole)
    threshold = limit_threshold(calibrate(whole.best_threshold, temperature))
    where = f"{len(histograms)} folds by place, scenes unseen in training"
    scores = dict(summary["pooled"])
    scores["mean_average_precision"] = summary["mean"]["average_precision"]
    network, card = load_checkpoint(checkpoint)
    metrics = list_metrics(scores, where)
    signed = replace(card, threshold=threshold, temperature=temperature, metrics=metrics)
    save_checkpoint(checkpoint, network, signed)
    return {"threshold": threshold, "temperature": temperature, "scores": scores}


def _pool(folds: list[dict[str, Any]], histograms: list[ScoreHistogram]) -> dict[str, Any]:
    """Sum the counts of all folds, each at the threshold of the others; average their scores."""
    whole = functools.reduce(operator.add, histograms)
    thresholds = [_without(whole, own).best_threshold for own in histograms]
    at_others = [own.counts_at(t) for own, t in zip(histograms, thresholds, strict=True)]
    counts = functools.reduce(operator.add, at_others)
    scores = {name: [fold["scores"][name] for fold in folds] for name in folds[0]["scores"]}
    names = ("f1", "iou", "precision", "recall")
    return {
        "pixels": asdict(counts),
        "pooled": {
            **{name: getattr(counts, name) for name in names},
            "average_precision": whole.average_precision,
        },
        "thresholds": thresholds,
        "mean": {name: float(np.mean(values)) for name, values in scores.items()},
    }


def _without(whole: ScoreHistogram, part: ScoreHistogram) -> ScoreHistogram:
    return ScoreHistogram(whole.changed - part.changed, whole.unchanged - part.unchanged)
