"""Tasks per tile, what a task costs by itself, and two worker processes against one."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from processes import run_step
from runs import Bench, Row

CREWS: dict[str, dict[str, object]] = {
    "1 thread": {"threads": 1},
    "2 threads": {"threads": 2},
    "1 process": {"workers": 1},
    "2 processes": {"workers": 2},
}
SAME = ("score.tif", "mask.tif", "changes.gpkg", "changes.geojson")
"""Files that do not depend on who ran the tasks."""


def count_tasks(bench: Bench, size: int, codec: str, method: str) -> tuple[list[Row], float]:
    """Return a row per stage, tasks that the engine submits in a run; and CPU seconds of a tile."""
    output = bench.folder / "run"
    before, after = bench.pair(size, codec)
    settings = {"method": method, **bench.engine()}
    answer, _ = run_step(
        "count_tasks", before=before, after=after, output=str(output), settings=settings
    )
    shutil.rmtree(output)
    tasks = {**answer["tasks"], "whole run": sum(answer["tasks"].values())}
    rows: list[Row] = [
        {
            "px": size,
            "stage": stage,
            "tiles": answer["tiles"],
            "tasks": count,
            "tasks per tile": f"{count / answer['tiles']:.2f}",
        }
        for stage, count in tasks.items()
    ]
    return rows, answer["tile_cpu_s"]


def cost_tasks(tasks: int, method: str, tile_cpu_s: float) -> Iterator[Row]:
    """Yield a row per crew: what a task that does nothing takes, beside scoring a tile."""
    for crew, settings in CREWS.items():
        answer, _ = run_step("do_nothing", tasks=tasks, settings=settings)
        yield {
            "tasks that do nothing": tasks,
            "by": crew,
            "start s": f"{answer['start_s']:.2f}",
            "ms a task": f"{1e3 * answer['wall_s'] / tasks:.3f}",
            "CPU ms a task, all processes": f"{1e3 * answer['cpu_s'] / tasks:.3f}",
            f"of a tile by {method} %": f"{100 * answer['cpu_s'] / tasks / tile_cpu_s:.1f}",
        }


def compare_crews(bench: Bench, size: int, codec: str, method: str) -> Iterator[Row]:
    """Yield a row per crew: scoring and whole run, against one of the same kind."""
    before, after = bench.pair(size, codec)
    alone: dict[str, tuple[float, float]] = {}
    expected: dict[str, str] = {}
    for crew, settings in CREWS.items():
        output = bench.folder / "run"
        answer, took = run_step(
            "detect",
            before=before,
            after=after,
            output=str(output),
            settings={"method": method, **settings},
        )
        found = hash_files(output)
        shutil.rmtree(output)
        expected = expected or found
        times = answer["wall"]["score"], took.wall_s
        first = alone.setdefault(str(*settings), times)
        yield {
            "px": size,
            "method": method,
            "by": crew,
            "scoring s": f"{times[0]:.1f}",
            "x one": f"{first[0] / times[0]:.2f}",
            "whole run s": f"{times[1]:.1f}",
            "x one, whole": f"{first[1] / times[1]:.2f}",
            "files with other bytes": ", ".join(n for n in SAME if found[n] != expected[n])
            or "none",
        }


def hash_files(output: Path) -> dict[str, str]:
    """Return the hashes of the files that must not depend on the crew."""
    return {name: hashlib.sha256((output / name).read_bytes()).hexdigest() for name in SAME}
