"""What a batch leaves at its end: a table, a map and a catalog of its results."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from geochange.batch.results import ItemResult, read_run
from geochange.batch.shard import Shard
from geochange.exports.catalogs.footprints import grid_footprint, write_footprints
from geochange.exports.catalogs.stac import COLLECTION_NAME, ITEM_NAME, describe_collection, grid_of
from geochange.io.files.atomic import explain_failure, replace_atomically
from geochange.io.files.outputs import write_json

TABLE_NAME = "summary.csv"
MAP_NAME = "summary.gpkg"


def write_summary(results: Sequence[ItemResult], folder: Path, shard: Shard) -> None:
    """Write ``summary.csv`` and ``summary.gpkg``, and ``collection.json`` of a whole batch.

    Parameters
    ----------
    results : sequence of ItemResult
        In the order of the manifest.
    folder : Path
        That of the batch.
    shard : Shard
        Names the files.

    Raises
    ------
    OutputError, ResourceError
    """
    finished = [result for result in results if result.is_finished]
    _write_table(results, folder / shard.name(TABLE_NAME))
    write_footprints(_footprints(finished, folder), folder / shard.name(MAP_NAME))
    if shard.count == 1:
        _write_collection(finished, folder)


def _write_table(results: Iterable[ItemResult], path: Path) -> None:
    with (
        replace_atomically(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, [field.name for field in fields(ItemResult)])
        writer.writeheader()
        writer.writerows(asdict(result) for result in results)


def _footprints(finished: Iterable[ItemResult], folder: Path) -> Iterator[dict[str, Any]]:
    for result in finished:
        run = read_run(folder / result.id)
        if not run:  # taken away since
            continue
        area = result.area_m2
        yield {
            **asdict(result),
            "status": "incomplete" if result.tiles_failed else "done",
            "date_before": run["inputs"]["before"]["date"],
            "date_after": run["inputs"]["after"]["date"],
            "area_ha": None if area is None else area / 1e4,
            "changed_share": (run.get("changes") or {}).get("share_of_valid"),
            "geometry": grid_footprint(grid_of(run)),
        }


def _write_collection(finished: Iterable[ItemResult], folder: Path) -> None:
    """Write ``collection.json``; none, and no older one, when no result can be in it."""
    files = [folder / result.id / ITEM_NAME for result in finished]
    items = (json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists())
    collection = describe_collection(folder.resolve().name or "geochange", items)
    target = folder / COLLECTION_NAME
    if collection is None:
        target.unlink(missing_ok=True)
        return
    with explain_failure(target):
        write_json(target, collection)
