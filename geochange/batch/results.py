"""What became of a pair."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geochange.exports.catalogs.stac import date_span

FINISHED = ("done", "incomplete", "skipped", "refused")
"""Statuses of an item that has an output."""
UNDATED = "no STAC item: neither date is known (columns date_before, date_after)"


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of an item, and what its output says.

    Attributes
    ----------
    id : str
    status : str
        ``done``, ``incomplete`` (finished, but for some tiles), ``skipped`` (finished earlier),
        ``refused`` (there is a finished output of other settings or inputs, which is kept),
        ``failed``, ``interrupted``, ``pending`` (not reached), ``planned``.
    message : str
        Why, in one line.
    changes : int or None
    area_m2 : float or None
        Changed area.
    seconds : float
        Time that this item took now.
    valid_share : float or None
        Share of the grid's pixels that are valid at both dates, 0 to 1.
    method : str or None
    threshold : float or None
        None also when nothing changed.
    tiles_failed : int
        Tiles with pixels that could not be read or scored.
    output : str or None
        Folder of the result, relative to that of the batch.
    """

    id: str
    status: str
    message: str = ""
    changes: int | None = None
    area_m2: float | None = None
    seconds: float = 0.0
    valid_share: float | None = None
    method: str | None = None
    threshold: float | None = None
    tiles_failed: int = 0
    output: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether there is an output."""
        return self.status in FINISHED


def read_run(folder: Path) -> dict[str, Any] | None:
    """Return the ``run.json`` of a finished run; None where no run is, ``{}`` for a damaged one."""
    file = folder / "run.json"
    if not file.exists():
        return None
    try:
        run = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return run if isinstance(run, dict) else {}


def list_failed_tiles(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tiles of a run with pixels that could not be read or scored."""
    return list(run.get("quarantine") or ())


def sum_up(
    name: str,
    run: Mapping[str, Any],
    *,
    status: str = "done",
    message: str = "",
    seconds: float = 0.0,
) -> ItemResult:
    """Return the result of item ``name`` with what its run says; it may be ``incomplete``."""
    failed = list_failed_tiles(run)
    notes = [message] if message else []
    if failed:
        notes.append(f"{len(failed)} tiles have pixels without data: {failed[0]['reason']}")
    if date_span(run) is None:
        notes.append(UNDATED)
    changes = run.get("changes") or {}
    pixels = run["grid"]["height"] * run["grid"]["width"]
    return ItemResult(
        name,
        "incomplete" if failed else status,
        "; ".join(notes),
        changes=changes.get("count"),
        area_m2=changes.get("area_m2"),
        seconds=seconds,
        valid_share=round(sum(run["score_histogram"]) / pixels, 6),
        method=run["method"]["name"],
        threshold=run["threshold"]["value"],
        tiles_failed=len(failed),
        output=name,
    )
