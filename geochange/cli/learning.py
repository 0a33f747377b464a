"""``geochange finetune --from-labels``: a network learns from a project of labels."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import click

from geochange.cli.progress import ProgressBars

POLITENESS = 5
"""By how much a piped training steps back behind other processes."""
GONE = 130


def learn_from_labels(
    labels: str,
    output: str | None,
    *,
    model: str | None,
    seconds: float | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    piped: bool,
) -> None:
    """Train on the labels of a project and print how the network compares."""
    if output is None:
        msg = "name the folder to make: -o OUT"
        raise click.UsageError(msg)
    if piped:
        if hasattr(os, "nice"):
            os.nice(POLITENESS)
        threading.Thread(target=_end_with_parent, daemon=True).start()
    from geochange.annotation.learning import learn
    from geochange.annotation.opening import open_project
    from geochange.improvement.recipe import Recipe
    from geochange.nn.checkpoints.shipped import find_model

    progress = ProgressBars(quiet=quiet or piped, unit="step")
    project = open_project(labels)
    try:
        found = learn(
            project,
            Path(output),
            start=find_model(model) if model else None,
            recipe=Recipe(seconds=seconds) if seconds else None,
            overwrite=overwrite,
            on_progress=_tell_progress if piped else progress,
            on_figures=_tell_figures if piped else _say_nothing,
        )
    finally:
        progress.close()
        project.close()
    if not piped:
        click.echo(json.dumps(found.describe(), indent=2) if as_json else str(found))


def _tell_progress(stage: str, done: int, total: int) -> None:
    _write({"stage": stage, "done": done, "total": total})


def _tell_figures(step: int, figures: Mapping[str, float]) -> None:
    _write({"step": step, "f1": figures["f1"], "average_precision": figures["average_precision"]})


def _say_nothing(step: int, figures: Mapping[str, float]) -> None:
    """Figures come at the end."""


def _write(facts: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """End at once when whoever started this closes stdin, or dies.

    Read without a buffer: the interpreter could not end while a thread holds the buffer's lock.
    """
    while os.read(sys.stdin.fileno(), 1024):
        continue
    os._exit(GONE)
