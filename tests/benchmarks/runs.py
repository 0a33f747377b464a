"""Whole runs of the main job against merely reading its two files, and their memory."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from processes import Measured, run_step
from rasters import BANDS, LARGEST_WRITTEN, Paths, weigh_pair

from geochange.detectors.registry import METHODS

MIB = 2**20
Row = dict[str, object]


@dataclass(frozen=True)
class Bench:
    """Where the benchmark works and with what.

    Attributes
    ----------
    folder : Path
        Holds the rasters; pairs that are there are used again.
    density : float
        Changes per million pixels.
    threads : int
    """

    folder: Path
    density: float
    threads: int

    def pair(self, size: int, codec: str) -> Paths:
        """Return a pair of ``size`` x ``size`` px, made when it is not there."""
        folder = self.folder / f"{size}-{codec}-{self.density:g}"
        made = folder / "made"
        if not made.exists():
            folder.mkdir(parents=True, exist_ok=True)
            arguments = {"size": size, "density": self.density, "codec": codec}
            paths, _ = run_step("make_pair", folder=str(folder), **arguments)
            made.write_text("\n".join(paths))
        before, after = made.read_text().split("\n")
        return before, after

    def engine(self, workers: int = 0) -> dict[str, object]:
        """Return settings of a run: ``workers`` processes, or threads of one process."""
        return {"workers": workers} if workers else {"threads": self.threads}


@dataclass(frozen=True)
class Run:
    """What one run of the main job took.

    Attributes
    ----------
    size : int
        Edge of the pair in pixels.
    workers : int
        Worker processes; 0 is threads of one process.
    reading_wall_s, reading_cpu_s : float
        Decoding both files and nothing else, by threads of one process.
    measured : Measured
        The run from a fresh process.
    stages_wall_s, stages_cpu_s : dict
        Seconds per stage; CPU seconds do not include those of worker processes.
    input_bytes, output_bytes : int
        Of the files.
    """

    size: int
    codec: str
    method: str
    workers: int
    threads: int
    reading_wall_s: float
    reading_cpu_s: float
    measured: Measured
    stages_wall_s: dict[str, float]
    stages_cpu_s: dict[str, float]
    input_bytes: int
    output_bytes: int
    changes: int


def measure_runs(
    bench: Bench, sizes: list[int], codecs: list[str], methods: list[str], workers: list[int]
) -> Iterator[Run]:
    """Run every method on every pair."""
    for size in sizes:
        for codec in codecs:
            reading = measure_reading(bench, size, codec)
            for method in methods:
                for count in workers:
                    yield measure_run(bench, size, codec, method, count, reading)


def measure_reading(bench: Bench, size: int, codec: str) -> dict[str, float]:
    """Return seconds and CPU seconds to decode both files; of a repeated pair they mean nothing."""
    paths = bench.pair(size, codec)
    if size > LARGEST_WRITTEN:
        return {"wall_s": math.nan, "cpu_s": math.nan}
    answer, _ = run_step("read_pair", paths=paths, threads=bench.threads)
    return answer


def measure_run(
    bench: Bench, size: int, codec: str, method: str, workers: int, reading: dict[str, float]
) -> Run:
    """Run ``detect`` from a fresh process, imports included."""
    output = bench.folder / "run"
    before, after = bench.pair(size, codec)
    chosen = "method" if method in METHODS else "model"
    settings = {chosen: method, **bench.engine(workers)}
    answer, measured = run_step(
        "detect", before=before, after=after, output=str(output), settings=settings
    )
    written = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    shutil.rmtree(output)
    return Run(
        size=size,
        codec=codec,
        method=method,
        workers=workers,
        threads=bench.threads,
        reading_wall_s=reading["wall_s"],
        reading_cpu_s=reading["cpu_s"],
        measured=measured,
        stages_wall_s=answer["wall"],
        stages_cpu_s=answer["cpu"],
        input_bytes=weigh_pair((before, after), size),
        output_bytes=written,
        changes=answer["changes"],
    )


def show_speed(run: Run) -> Row:
    """Return a row of the table of speed."""
    took = run.measured
    stages = (f"{stage} {seconds:.1f}" for stage, seconds in run.stages_wall_s.items())
    return {
        **name_run(run),
        "read both s": f"{run.reading_wall_s:.2f}",
        "whole run s": f"{took.wall_s:.2f}",
        "x reading": f"{took.wall_s / run.reading_wall_s:.1f}",
        "x reading, CPU": f"{took.cpu_s / run.reading_cpu_s:.1f}",
        "Mpx/s": f"{run.size**2 / 1e6 / took.wall_s:.1f}",
        "stages s": ", ".join(stages),
        "peak MiB": f"{took.peak_bytes / MIB:.0f}",
    }


def show_memory(runs: list[Run]) -> Iterator[Row]:
    """Yield the rows of the table of memory: each run against the smallest pair of its kind."""
    smallest: dict[tuple[object, ...], Run] = {}
    for run in sorted(runs, key=lambda run: (run.codec, run.method, run.workers, run.size)):
        first = smallest.setdefault((run.codec, run.method, run.workers), run)
        growth = run.measured.peak_bytes - first.measured.peak_bytes
        yield {
            **name_run(run),
            "Mpx": f"{run.size**2 / 1e6:.0f}",
            "all processes MiB": f"{run.measured.peak_bytes / MIB:.0f}",
            "largest process MiB": f"{run.measured.largest_bytes / MIB:.0f}",
            f"more than at {first.size} px MiB": f"{growth / MIB:.0f}",
        }


def name_run(run: Run) -> Row:
    crew = f"{run.workers} processes" if run.workers else f"{run.threads} threads"
    return {"px": run.size, "codec": run.codec, "method": run.method, "by": crew}


def list_costs(runs: list[Run]) -> Iterator[Row]:
    """Yield the cost of every run and of its stages, in seconds and bytes, for further use."""
    for run in runs:
        took = run.measured
        known = sum(run.stages_cpu_s.values())
        cpu = {**run.stages_cpu_s, "end": max(0.0, took.cpu_s - known), "whole": took.cpu_s}
        wall = {**run.stages_wall_s, "whole": took.wall_s}
        for stage, seconds in {"reading": run.reading_cpu_s, **cpu}.items():
            yield {
                "px": run.size, "bands": BANDS, "codec": run.codec, "method": run.method,
                "workers": run.workers, "threads": run.threads, "stage": stage,
                "cpu_s": round(seconds, 3), "wall_s": wall.get(stage, ""),
                "peak_bytes": took.peak_bytes, "input_bytes": run.input_bytes,
                "output_bytes": run.output_bytes, "changes": run.changes,
            }  # fmt: skip
