"""Runs of a project looked at again: fused, refined, or with a threshold from the labels so far."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.annotation.jobs import Job
from geochange.annotation.labels import read_labels
from geochange.annotation.project import Project
from geochange.annotation.refusals import BAD_REQUEST, RefusedError
from geochange.errors import suggest
from geochange.evaluation.operating import OperatingPoint
from geochange.fusion.rules import RULES
from geochange.labels.fields import LOOKED
from geochange.labels.mask import LabelMask
from geochange.maps.changemap import ChangeMap
from geochange.revision.fuse import fuse
from geochange.revision.labels import UNCERTAIN
from geochange.revision.members import open_members
from geochange.revision.refine import METHODS, refine
from geochange.revision.tune import measure_threshold
from geochange.tiles import Window

KIND = "revise"
PRODUCTS = ("score", "mask", "changes")
FEWEST, MOST = 2, 20
"""How many runs are fused."""
UNTAUGHT = tuple(rule for rule in RULES if rule != "stacking")
"""Rules that need no labels: those so far would judge the tiles that they come from."""


@dataclass(frozen=True)
class LabelsSoFar:
    """What people have labelled, as :class:`geochange.revision.tune.Truth`.

    Attributes
    ----------
    mask : LabelMask
    chosen_by_model : int
    """

    mask: LabelMask
    chosen_by_model: int

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read a window, uint8 (H, W): 0 unchanged, 1 changed, 255 where nobody looked."""
        return self.mask.read(window)


def start_fusion(project: Project, runs: Sequence[int], rule: str = "mean") -> Job:
    """Fuse runs in the background and take what the new one finds as candidates.

    Raises
    ------
    RefusedError
        Fewer than two runs, one that is not there, or an unknown rule.
    """
    if not FEWEST <= len(set(runs)) == len(runs) <= MOST:
        msg = f"fusing takes {FEWEST} to {MOST} runs, each once, got {len(runs)}; choose others"
        raise RefusedError(BAD_REQUEST, msg)
    _require_known("rule", rule, UNTAUGHT)
    chosen = [project.result(run) for run in runs]
    name = f"{rule} of {', '.join(run_name(project, run) for run in runs)}"
    return _start(project, "fuse", name, partial(fuse, chosen, rule=rule))


def start_refinement(project: Project, run: int, method: str = "guided") -> Job:
    """Refine the borders of a run in the background; what is found becomes candidates.

    Raises
    ------
    RefusedError
        No such run, or an unknown method.
    """
    _require_known("method", method, tuple(METHODS))
    chosen = project.result(run)
    name = f"{run_name(project, run)}, {method}"
    return _start(project, "refine", name, partial(refine, chosen, method=method))


def measure_labels(
    project: Project, run: int, *, precision: float | None = None, recall: float | None = None
) -> dict[str, Any]:
    """Choose the threshold of a run on the labels so far; the best F1 without a goal.

    Returns
    -------
    dict
        ``threshold``, ``precision``, ``recall`` with their intervals, the ``goal``, labelled
        ``pixels`` (unchanged, changed) and ``doubts``. Pixels are counted, before cleaning.

    Raises
    ------
    RefusedError
        No such run.
    UsageError, InputError
        A goal that cannot be, no labels of one class, or a precision that nothing reaches.

    Examples
    --------
    >>> measure_labels(project, 1, precision=0.9)["threshold"]  # doctest: +SKIP
    0.62
    """
    (member,) = open_members([project.result(run)])
    db = project.database.read()
    (doubtful,) = db.execute(
        f"SELECT count(*) FROM tile WHERE state IN {LOOKED!r} AND probe_of IS NULL AND reason = ?",
        (UNCERTAIN,),
    ).fetchone()
    truth = LabelsSoFar(LabelMask(read_labels(project), binary=True), int(doubtful))
    tuned = measure_threshold(member, truth, precision=precision, recall=recall, threads=1)
    return _plain(tuned.chosen) | {
        "run": run,
        "goal": tuned.goal,
        "pixels": list(tuned.pixels),
        "doubts": list(tuned.doubts),
    }


def run_name(project: Project, run: int) -> str:
    """Return what a run is called."""
    db = project.database.read()
    return str(db.execute("SELECT name FROM model_run WHERE id = ?", (run,)).fetchone()["name"])


def _require_known(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        msg = f"there is no {what} '{name[:40]}' here{suggest(name, known)}"
        raise RefusedError(BAD_REQUEST, msg)


def _start(project: Project, kind: str, name: str, revise: Callable[..., ChangeMap]) -> Job:
    def work(job: Job) -> str:
        target = project.next_folder(kind)
        try:
            found = revise(target, products=PRODUCTS, threads=1, on_progress=job.report)
        except BaseException:
            _clear(target)
            raise
        return project.take(job, found, name)

    return project.jobs.start(KIND, work)


def _clear(target: Path) -> None:
    """Remove what a revision that did not end has left beside its place."""
    shutil.rmtree(target.with_name(f"{target.name}.partial"), ignore_errors=True)


def _plain(point: OperatingPoint) -> dict[str, Any]:
    names = ("threshold", "precision", "precision_interval", "recall", "recall_interval")
    values = {name: np.asarray(getattr(point, name), np.float64) for name in names}
    return {name: value.tolist() if np.isfinite(value).all() else None
            for name, value in values.items()}  # fmt: skip
