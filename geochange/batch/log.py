"""The log of a batch: one line of JSON an event, readable after any end."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from geochange.batch.results import ItemResult
from geochange.io.files.atomic import explain_failure

LOG_NAME = "batch.jsonl"


@dataclass
class BatchLog:
    """Writes each result at once, whichever thread it comes from, and keeps it for the summary.

    Attributes
    ----------
    path : Path
        Events are added at its end.
    results : dict
        Item id to its result in this call.
    """

    path: Path
    results: dict[str, ItemResult] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, result: ItemResult) -> None:
        """Note what became of an item.

        Raises
        ------
        OutputError, ResourceError
            The log cannot be written.
        """
        event = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **asdict(result)}
        with self.lock, explain_failure(self.path):
            self.results[result.id] = result
            with self.path.open("ab+") as file:
                begin = b"\n" if _is_cut(file) else b""
                file.write(begin + json.dumps(event).encode() + b"\n")

    def result_of(self, name: str) -> ItemResult:
        """Return what became of an item in this call, ``pending`` where it was not reached."""
        return self.results.get(name) or ItemResult(name, "pending", "not reached")


def _is_cut(file: BinaryIO) -> bool:
    """Tell whether the last line was cut short when a batch was killed."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def list_failed(folder: Path) -> frozenset[str]:
    """Return the items whose last event is a failure, in the logs of all shards of a folder."""
    events = [event for path in sorted(folder.glob("batch*.jsonl")) for event in _read(path)]
    last = {event["id"]: event["status"] for event in sorted(events, key=lambda e: str(e["time"]))}
    return frozenset(name for name, status in last.items() if status == "failed")


def _read(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # a line cut short when a batch was killed
            continue
