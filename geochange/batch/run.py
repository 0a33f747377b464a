"""Run a batch: pair after pair, or several at once, each on its own."""

from __future__ import annotations

import inspect
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import Any

from geochange.alignment.pair import open_pair
from geochange.batch.attempt import Batch, Reporter
from geochange.batch.log import LOG_NAME, BatchLog, list_failed
from geochange.batch.manifest import Item
from geochange.batch.results import ItemResult
from geochange.batch.shard import Shard
from geochange.batch.summary import write_summary
from geochange.engine.runner import open_runner
from geochange.engine.sizing import parse_memory
from geochange.errors import GeochangeError, UsageError
from geochange.exports.info import describe
from geochange.io.files.atomic import explain_failure

ENGINE = ("workers", "threads", "scheduler")
"""Settings of the one runner that all pairs share."""


def run_batch(
    items: list[Item],
    output: str | os.PathLike[str],
    settings: Mapping[str, object] | None = None,
    *,
    shard: str | None = None,
    pairs_at_once: int = 1,
    retry_failed: bool = True,
    on_progress: Reporter | None = None,
) -> Generator[ItemResult, None, None]:
    """Run ``detect`` on every item, each into a folder of its own; yields results as they come.

    A failing item stops no other. Items whose finished output has the same inputs and
    settings are skipped and unfinished ones are gone on with, so running the same batch again
    resumes it. An output with other settings is kept, and the item fails, unless ``overwrite`` is
    among the settings: it may hold reviews.

    Parameters
    ----------
    items : list of Item
    output : path
        Folder for ``<id>/``, ``batch.jsonl`` (one line an event) and, at the end, ``summary.csv``,
        ``summary.gpkg`` and ``collection.json``.
    settings : mapping, optional
        Parameters of :func:`geochange.detect` for every item.
    shard : str, optional
        ``"2/8"`` runs the second of eight parts, with a log and summaries of its own names. All
        shards of a manifest may run at the same time in one folder; run it without a shard
        afterwards for the summary of all.
    pairs_at_once : int
        Pairs that run at the same time and share the workers.
    retry_failed : bool
        Run items again that failed, or lost some tiles, before.
    on_progress : callable, optional
        Takes an item's id, returns the ``on_progress`` of its run.

    Raises
    ------
    UsageError, OutputError, ResourceError, ClusterError
        A shard or number that cannot be; log or summaries cannot be written; the disk is full or
        the cluster lost, so that no other pair can run either.

    Examples
    --------
    >>> for result in run_batch(read_manifest("pairs.csv"), "runs"):  # doctest: +SKIP
    ...     print(result.id, result.status, result.area_m2)
    """
    part, arguments = Shard.parse(shard), settings or {}
    if pairs_at_once < 1:
        msg = f"pairs_at_once is 1 or more, got {pairs_at_once}"
        raise UsageError(msg)
    folder = Path(output)
    with explain_failure(folder):
        folder.mkdir(parents=True, exist_ok=True)
    chosen = [item for item in items if part.holds(item.id)]
    log = BatchLog(folder / part.name(LOG_NAME))
    failed_before = frozenset() if retry_failed else list_failed(folder)
    engine: dict[str, Any] = {name: arguments[name] for name in ENGINE if name in arguments}
    limit = parse_memory(arguments.get("memory_limit"))  # type: ignore[arg-type]
    with open_runner(**engine) as runner:
        shared = {**arguments, "runner": runner, "memory_limit": limit and limit // pairs_at_once}
        batch = Batch(folder, shared, retry_failed, failed_before, log, on_progress)
        try:
            yield from _run_several(batch, chosen, pairs_at_once)
        finally:
            write_summary([log.result_of(item.id) for item in chosen], folder, part)


def plan_batch(
    items: list[Item], settings: Mapping[str, object], shard: str | None = None
) -> Generator[ItemResult, None, None]:
    """Open every pair as ``run_batch`` would, without running it: ``planned`` or ``failed``."""
    part = Shard.parse(shard)
    names = set(inspect.signature(open_pair).parameters) - {"before", "after"}
    for item in items:
        if not part.holds(item.id):
            continue
        arguments = {**settings, **item.settings}
        chosen = {name: value for name, value in arguments.items() if name in names}
        try:
            facts = describe(item.before, item.after, **chosen)
        except GeochangeError as error:
            yield ItemResult(item.id, "failed", str(error))
        else:
            yield ItemResult(item.id, "planned", "; ".join([*facts["method"], *facts["pair"]]))


def _run_several(batch: Batch, items: Iterable[Item], at_once: int) -> Iterator[ItemResult]:
    """Yield what became of each item, in the order in which they finish."""
    if at_once == 1:
        yield from map(batch.settle, items)
        return
    queue = iter(items)
    with ThreadPoolExecutor(at_once, thread_name_prefix="geochange-pair") as pool:
        try:
            running = {pool.submit(batch.settle, item) for item in islice(queue, at_once)}
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    result = future.result()
                    running |= {pool.submit(batch.settle, item) for item in islice(queue, 1)}
                    yield result
        finally:
            batch.stop.set()
