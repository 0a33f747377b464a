"""What a tuning tells of its trials: a CSV table, a picture, and the best one's config."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geochange.io.files.atomic import replace_atomically
from geochange.training.folder import CONFIG
from geochange.training.settings.config import read_config
from geochange.training.tuning.space import Dimension
from geochange.training.tuning.trials import read_settings
from geochange.viz.figures import figure_png
from geochange.viz.trials import plot_trials

if TYPE_CHECKING:
    from optuna import Study

TABLE, PICTURE, BEST = "trials.csv", "trials.png", "best.toml"
COLUMNS = ("number", "state", "f1", "best_step", "steps", "seconds")
STATES = {"FAIL": "failed"}


@dataclass(frozen=True)
class Row:
    """One trial.

    Attributes
    ----------
    number : int
        From 0.
    state : str
        ``complete``, ``pruned``, ``failed`` or ``running``.
    f1 : float
        Highest of its validations.
    best_step, steps : int
        Step of that validation, and steps trained.
    seconds : float
    settings : dict
        What was chosen.
    message : str
        Why it failed.
    """

    number: int
    state: str
    f1: float
    best_step: int
    steps: int
    seconds: float
    settings: dict[str, Any]
    message: str = ""


def read_rows(study: Study, dimensions: Sequence[Dimension]) -> list[Row]:
    """Return all trials of a study in the order of their numbers."""
    rows = []
    for trial in study.get_trials(deepcopy=False):
        told, state = trial.user_attrs, trial.state.name
        rows.append(
            Row(
                number=trial.number,
                state=STATES.get(state, state.lower()),
                f1=float(told.get("f1", 0.0)),
                best_step=int(told.get("best_step", 0)),
                steps=int(told.get("steps", 0)),
                seconds=float(told.get("seconds", 0.0)),
                settings=read_settings(trial.params, dimensions),
                message=str(told.get("message", "")),
            )
        )
    return rows


def write_results(folder: Path, rows: Sequence[Row], dimensions: Sequence[Dimension]) -> None:
    """Write table, picture and best config, each whole or not at all."""
    names = [dimension.name for dimension in dimensions]
    with replace_atomically(folder / TABLE) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*COLUMNS, *names, "message"])
        for row in rows:
            chosen = [_cell(row.settings.get(name, "")) for name in names]
            writer.writerow([*(getattr(row, column) for column in COLUMNS), *chosen, row.message])
    done = [row for row in rows if row.state in ("complete", "pruned")]
    if done:
        points = [{"number": r.number, "state": r.state, "f1": r.f1, **r.settings} for r in done]
        axes = [(dimension.name, dimension.log) for dimension in dimensions]
        with replace_atomically(folder / PICTURE) as temporary:
            temporary.write_bytes(figure_png(plot_trials(points, axes)))
    complete = [row for row in done if row.state == "complete"]
    if complete:
        best = max(complete, key=lambda row: (row.f1, -row.number))
        config = read_config(folder / f"trial-{best.number:03d}" / CONFIG)
        with replace_atomically(folder / BEST) as temporary:
            temporary.write_text(replace(config, output="").to_toml(), encoding="utf-8")


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
