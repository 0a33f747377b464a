"""Long work beside the page: one thread each, with progress, and it can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from geochange.annotation.refusals import CONFLICT, NOT_FOUND, RefusedError
from geochange.errors import GeochangeError


class StoppedError(Exception):
    """A job was told to stop."""


@dataclass
class Job:
    """One piece of work.

    Attributes
    ----------
    id : int
    kind : str
        ``levels``, ``prelabels``, ``improve`` or ``revise``.
    state : str
        ``running``, ``done``, ``failed`` or ``stopped``.
    stage : str
    done, total : int
        Of the stage.
    message : str
        What it led to, or why it failed.
    """

    id: int
    kind: str
    state: str = "running"
    stage: str = ""
    done: int = 0
    total: int = 0
    message: str = ""
    stop: threading.Event = field(default_factory=threading.Event, repr=False)
    thread: threading.Thread | None = field(default=None, repr=False)

    def report(self, stage: str, done: int, total: int) -> None:
        """Take note of progress; ends the work when it was told to stop.

        Raises
        ------
        StoppedError
        """
        self.stage, self.done, self.total = stage, done, total
        if self.stop.is_set():
            raise StoppedError

    def describe(self) -> dict[str, Any]:
        """Return it plain enough for JSON."""
        names = ("id", "kind", "state", "stage", "done", "total", "message")
        return {name: getattr(self, name) for name in names}


class Jobs:
    """All jobs of a project, one of a kind at a time.

    Examples
    --------
    >>> jobs = Jobs()
    >>> job = jobs.start("levels", lambda job: "made")
    >>> jobs.wait()
    >>> job.state, job.message
    ('done', 'made')
    """

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._lock = threading.Lock()

    def start(self, kind: str, work: Callable[[Job], str]) -> Job:
        """Run ``work`` in a thread; what it returns is told to the page.

        Raises
        ------
        RefusedError
            409: one of that kind is running.
        """
        with self._lock:
            if any(j.kind == kind and j.state == "running" for j in self._jobs.values()):
                raise RefusedError(CONFLICT, "this is being done already; wait or stop it first")
            job = Job(len(self._jobs) + 1, kind)
            self._jobs[job.id] = job
        job.thread = threading.Thread(target=_run, args=(job, work), daemon=True)
        job.thread.start()
        return job

    def list(self) -> list[dict[str, Any]]:
        """Return all jobs, the newest first."""
        return [self._jobs[n].describe() for n in sorted(self._jobs, reverse=True)]

    def stop(self, number: int) -> dict[str, Any]:
        """Tell a job to stop.

        Raises
        ------
        RefusedError
        """
        if number not in self._jobs:
            raise RefusedError(NOT_FOUND, f"there is no job {number}")
        self._jobs[number].stop.set()
        return self._jobs[number].describe()

    def wait(self) -> None:
        """Wait for all."""
        for job in list(self._jobs.values()):
            if job.thread is not None:
                job.thread.join()

    def close(self) -> None:
        """Stop all and wait."""
        for job in self._jobs.values():
            job.stop.set()
        self.wait()


def _run(job: Job, work: Callable[[Job], str]) -> None:
    try:
        job.message = work(job)
        job.state = "done"
    except StoppedError:
        job.state, job.message = "stopped", "stopped"
    except GeochangeError as error:
        job.state, job.message = "failed", str(error)
    except Exception as error:  # noqa: BLE001 - the page must learn of it; the server goes on
        job.state = "failed"
        job.message = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
