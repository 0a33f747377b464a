"""One pair of a batch: run, resumed, skipped or failed, without harm to the others."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from geochange.batch.log import BatchLog
from geochange.batch.manifest import Item
from geochange.batch.results import ItemResult, list_failed_tiles, read_run, sum_up
from geochange.engine.stages import Progress, report_nothing
from geochange.errors import ClusterError, GeochangeError, ResourceError
from geochange.exports.runs.fingerprint import fingerprint_run, list_settings
from geochange.io.files.atomic import is_full
from geochange.io.rasters.scene import Source
from geochange.pipeline import detect

Reporter = Callable[[str], Progress]
"""Takes an item's id, returns the ``on_progress`` of its run."""


@dataclass(frozen=True)
class Batch:
    """What all items of a call share.

    Attributes
    ----------
    folder : Path
    settings : mapping
        Parameters of ``detect``.
    retry_failed : bool
    failed_before : frozenset of str
        Items that are not run again.
    log : BatchLog
    on_progress : Reporter or None
    stop : Event
        Once set, pairs that run are interrupted, as Ctrl-C does in the main thread.
    """

    folder: Path
    settings: Mapping[str, object]
    retry_failed: bool
    failed_before: frozenset[str]
    log: BatchLog
    on_progress: Reporter | None
    stop: Event = field(default_factory=Event)

    def settle(self, item: Item) -> ItemResult:
        """Run an item and log what came of it.

        Raises
        ------
        ClusterError, ResourceError
            The cluster is lost, the disk is full: no other pair can run either.
        """
        start = time.perf_counter()
        try:
            result = self._attempt(item, start)
        except Exception as error:
            result = ItemResult(item.id, "failed", _explain(error), seconds=_since(start))
            if self._ends_batch(error):
                self.log.add(result)
                raise
        except KeyboardInterrupt:
            self.log.add(ItemResult(item.id, "interrupted", seconds=_since(start)))
            raise
        self.log.add(result)
        return result

    def _ends_batch(self, error: Exception) -> bool:
        full = isinstance(error, ResourceError) and is_full(self.folder)
        return full or isinstance(error, ClusterError)

    def _attempt(self, item: Item, start: float) -> ItemResult:
        """Run an item, or say why it need not be run."""
        if item.id in self.failed_before:
            return ItemResult(item.id, "failed", "failed before; not retried")
        arguments: dict[str, Any] = {**self.settings, **item.settings}
        target = self.folder / item.id
        run = read_run(target)
        retry = self.retry_failed and bool(list_failed_tiles(run or {}))
        if run is not None and not retry:
            if run.get("fingerprint") == key_of(item.before, item.after, arguments):
                return sum_up(item.id, run, status="skipped", message="finished earlier")
            if not arguments.get("overwrite"):
                msg = (
                    f"{target} holds a result of other settings or inputs; replace it (--overwrite)"
                )
                return sum_up(item.id, run, status="refused", message=msg)
        arguments |= {
            "overwrite": retry or bool(arguments.get("overwrite")),
            "resume": True,
            "on_progress": self._progress(item.id),
        }
        result = detect(item.before, item.after, target, **arguments)
        return sum_up(item.id, result.run, seconds=_since(start))

    def _progress(self, name: str) -> Progress:
        """Return the progress of an item, which also interrupts it when all is to stop."""
        progress = self.on_progress(name) if self.on_progress else report_nothing

        def report(stage: str, done: int, total: int) -> None:
            if self.stop.is_set():
                raise KeyboardInterrupt
            progress(stage, done, total)

        return report


def key_of(before: Source, after: Source, settings: Mapping[str, object]) -> str:
    """Return the fingerprint of the run that ``detect`` would make with ``settings``.

    Raises
    ------
    InputError
        An input cannot be described.
    """
    parameters = inspect.signature(detect).parameters.values()
    everything = {p.name: p.default for p in parameters} | dict(settings)
    products = sorted(everything["products"])
    return fingerprint_run(before, after, list_settings(everything) | {"products": products})


def _explain(error: Exception) -> str:
    """Say in one line why an item failed."""
    message = " ".join(str(error).split())
    expected = isinstance(error, GeochangeError)
    return message if expected else f"unexpected {type(error).__name__}: {message}"


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 2)
