"""The model of a project learns while the page goes on, in a process that steps back behind it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from geochange.annotation.jobs import Job, StoppedError
from geochange.annotation.learning import labelled_tiles
from geochange.annotation.project import Project
from geochange.annotation.refusals import BAD_REQUEST, CONFLICT, NOT_FOUND, RefusedError
from geochange.errors import GeochangeError, InputError, TrainingError

FOLDER = "models"
RESULT, USED = "improvement.json", "used"
"""How a network compares, and the mark of one whose candidates were taken."""
EVERY, LEAST = 20, 4
"""New tiles after which the page offers to improve the model, and tiles that it needs at least."""
SECONDS = 120.0
"""How long it learns."""
SETTING = "improve_every"
KIND = "improve"
LOOK_SECONDS = 0.5
POLITE_SECONDS = 5
"""What a process that was told to end is given before it is killed."""


def describe_improvement(project: Project) -> dict[str, Any]:
    """Return what the page says of it: tiles labelled, new ones, and what came last."""
    labelled = labelled_tiles(project)
    past = list_improvements(project)
    used = set(past[0]["tiles"]) | set(past[0]["held_out"]) if past else set()
    fresh = len(set(labelled) - used)
    every = read_every(project)
    return {
        "labelled": len(labelled),
        "fresh": fresh,
        "every": every,
        "least": LEAST,
        "offer": fresh >= every and len(labelled) >= LEAST,
        "last": past[0] if past else None,
    }


def list_improvements(project: Project) -> list[dict[str, Any]]:
    """Return the networks that learned from the labels, the newest first."""
    paths = sorted((project.folder / FOLDER).glob(f"*/{RESULT}"), reverse=True)
    return [
        json.loads(path.read_text(encoding="utf-8"))
        | {"number": int(path.parent.name), "used": (path.parent / USED).exists()}
        for path in paths
    ]


def read_every(project: Project) -> int:
    """Return after how many new tiles the page offers to improve the model."""
    db = project.database.read()
    row = db.execute("SELECT value FROM meta WHERE name = ?", (SETTING,)).fetchone()
    return int(row[0]) if row else EVERY


def write_every(project: Project, every: object) -> None:
    """Set after how many new tiles the page offers to improve the model.

    Raises
    ------
    RefusedError
    """
    if type(every) is not int or not 1 <= every <= 10_000:
        raise RefusedError(BAD_REQUEST, "every is a number of tiles, 1 to 10000")
    with project.database.write() as db:
        db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (SETTING, str(every)))


def start_improvement(project: Project, *, seconds: float | None = None) -> Job:
    """Train on the labels in the background, and detect anew when that made it better.

    Raises
    ------
    RefusedError
        Too few tiles are labelled, or pre-labels are being made.
    """
    count = len(labelled_tiles(project))
    if count < LEAST:
        msg = f"{count} tiles are labelled; the model needs {LEAST} at least, some with change"
        raise RefusedError(CONFLICT, msg)
    _require_quiet(project)
    return project.jobs.start(KIND, lambda job: _improve(project, job, seconds))


def use_improvement(project: Project, number: int) -> Job:
    """Detect with a network that learned from the labels, whatever the comparison says.

    Raises
    ------
    RefusedError
    """
    known = {found["number"]: found for found in list_improvements(project)}
    if number not in known:
        raise RefusedError(NOT_FOUND, f"there is no improved model {number}")
    _require_quiet(project)
    return project.jobs.start(KIND, lambda job: _detect(project, job, known[number]))


def _require_quiet(project: Project) -> None:
    busy = [job["kind"] for job in project.jobs.list() if job["state"] == "running"]
    if "prelabels" in busy:
        raise RefusedError(CONFLICT, "pre-labels are being made; wait or stop them first")


def _improve(project: Project, job: Job, seconds: float | None) -> str:
    folder = project.folder / FOLDER
    folder.mkdir(exist_ok=True)
    taken = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
    target = folder / f"{max(taken, default=0) + 1:03d}"
    found = _train(project, job, target, seconds) | {"number": int(target.name)}
    if not is_better(found):
        return (
            f"The new model is worse on the {len(found['held_out'])} tiles held out: F1 "
            f"{found['f1']:.2f}, so far {found['before_f1']:.2f}. The candidates stay as they are."
        )
    return _detect(project, job, found)


def is_better(found: Mapping[str, Any]) -> bool:
    """Tell whether a network may take the place of the one before."""
    return bool(found["better"])


def _detect(project: Project, job: Job, found: dict[str, Any]) -> str:
    name = f"labels {found['number']}"
    said = project.detect_anew(
        job,
        {"method": "auto", "model": found["checkpoint"], "normalize": "off"},
        name=name,
    )
    (project.folder / FOLDER / f"{found['number']:03d}" / USED).touch()
    before = found["before_f1"]
    so_far = "" if before is None else f", before {before:.2f}"
    helped = (
        "" if found.get("learned", True) else "; learning did not help the network on the shelf"
    )
    return f"{said}; F1 {found['f1']:.2f} on the tiles held out{so_far}{helped}"


def _train(project: Project, job: Job, target: Path, seconds: float | None) -> dict[str, Any]:
    """Run the training and follow it; ends it when the job is stopped.

    Raises
    ------
    StoppedError, TrainingError, InputError
    """
    command = [sys.executable, "-m", "geochange", "finetune", "--piped"]
    command += ["--from-labels", str(project.folder), "-o", str(target)]
    command += ["--seconds", str(seconds or SECONDS)]
    job.report("starting", 0, 1)
    try:
        _follow(command, job)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    path = target / RESULT
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _follow(command: list[str], job: Job) -> None:
    """Run a process to its end and tell the job what it says."""
    with tempfile.TemporaryFile("w+") as errors, _run(command, errors) as process:
        threading.Thread(target=_end_when_stopped, args=(process, job), daemon=True).start()
        figures = ""
        for line in process.stdout or ():
            facts = json.loads(line)
            if "f1" in facts:
                figures = f" · F1 {facts['f1']:.2f}"
            else:
                stage, done, total = facts["stage"], facts["done"], facts["total"]
                named = f"step {done} of {total}" if stage == "train" else stage
                job.report(named + figures, done, total)
        code = process.wait()
        if job.stop.is_set():
            raise StoppedError
        if code:
            errors.seek(0)
            raise _explain(errors.read(), code)


def _end_when_stopped(process: subprocess.Popen[str], job: Job) -> None:
    """End a process that may be silent for seconds."""
    while process.poll() is None:
        if job.stop.wait(LOOK_SECONDS):
            _end(process)
            return


def _end(process: subprocess.Popen[str]) -> None:
    """Ask a process to end, and kill it when it does not."""
    process.terminate()
    try:
        process.wait(POLITE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _run(command: list[str], errors: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a process that ends when this block, or this program, does."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()  # it ends when it has nobody to report to
        if process.poll() is None:
            _end(process)
        if process.stdout is not None:
            process.stdout.close()


def _explain(said: str, code: int) -> GeochangeError:
    """Return the error of a process as one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1].removeprefix("error: ") if lines else ""
    kind = InputError if code == InputError.exit_code else TrainingError
    return kind(last or f"the training ended with code {code}")
