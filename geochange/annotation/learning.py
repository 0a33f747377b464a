"""What a network can learn from a project: the tiles that people are done with."""

from __future__ import annotations

from pathlib import Path

from geochange.annotation.labels import read_labels
from geochange.annotation.project import Project
from geochange.engine.stages import Progress, report_nothing
from geochange.improvement.improve import Improvement, Labelled, OnFigures, improve
from geochange.improvement.recipe import Recipe
from geochange.improvement.start import choose_start
from geochange.labels.content import LOOKED
from geochange.labels.mask import LabelMask

ROLES = "held_out.json"
"""File of a project that keeps which places judge networks and never teach them."""


def labelled_tiles(project: Project) -> list[int]:
    """Return the numbers of the tiles that a network can learn from."""
    rows = project.database.read().execute(
        f"SELECT id FROM tile WHERE state IN {LOOKED!r} AND probe_of IS NULL ORDER BY id"
    )
    return [int(row[0]) for row in rows]


def collect(project: Project) -> Labelled:
    """Return what people have labelled so far, as training takes it."""
    mask = LabelMask(read_labels(project), binary=True)
    return Labelled(
        project.pair, mask.read, project.plan, labelled_tiles(project), project.folder / ROLES
    )


def learn(
    project: Project,
    folder: Path,
    *,
    start: Path | None = None,
    recipe: Recipe | None = None,
    overwrite: bool = False,
    on_progress: Progress = report_nothing,
    on_figures: OnFigures = lambda step, figures: None,
) -> Improvement:
    """Train a network on the labels of a project; see :func:`geochange.improvement.improve`.

    Parameters
    ----------
    project : Project
    folder : Path
        To make.
    start : Path, optional
        Checkpoint; that of the project's newest run when None, else the nearest that is shipped,
        else random weights.
    recipe : Recipe, optional
    overwrite : bool
    on_progress, on_figures : callable

    Examples
    --------
    >>> found = learn(project, Path("better"))  # doctest: +SKIP
    >>> found.f1, found.before_f1  # doctest: +SKIP
    (0.71, 0.52)
    """
    present = project.newest_result()
    if present is not None and "score" not in present.layers:
        present = None
    if start is None:
        start = choose_start(None if present is None else present.run, project.pair)
    return improve(
        collect(project),
        folder,
        start=start,
        present=present,
        recipe=recipe,
        overwrite=overwrite,
        on_progress=on_progress,
        on_figures=on_figures,
    )
