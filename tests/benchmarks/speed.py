"""Speed and memory of the main job on rasters made here, beside other software.

    python tests/benchmarks/speed.py [--sizes 2000 4000 10000] [--codecs zstd deflate]
        [--methods cva irmad context MODEL] [--tables runs peers engine] [--save costs.csv]

Prints Markdown tables, and each row on stderr as it comes. What is compared is measured in the same
call. Whatever is measured runs in a process of its own, imports included, so that its peak memory
is its own. Absolute figures say the order of size, since machines are noisy; ratios say more.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from peers import compare_mad, compare_tracing
from rasters import LARGEST_WRITTEN
from runs import Bench, Row, Run, list_costs, measure_runs, show_memory, show_speed
from scaling import compare_crews, cost_tasks, count_tasks
from tables import describe_machine, format_table, tell

from geochange.engine.runner import count_processors

NO_TASKS = 2000


@dataclass
class Report:
    """Text that is printed as it comes and kept."""

    parts: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        print(text + "\n", flush=True)
        self.parts.append(text)

    def add_table(self, title: str, rows: Iterable[Row]) -> None:
        self.add(f"**{title}**\n\n{format_table(list(rows))}")


def report_runs(arguments: argparse.Namespace, bench: Bench, report: Report) -> None:
    """Add the tables of speed and memory, and save the costs."""
    runs: list[Run] = []
    for run in measure_runs(
        bench, arguments.sizes, arguments.codecs, arguments.methods, arguments.workers
    ):
        tell(show_speed(run))
        runs.append(run)
    report.add_table("Whole run against reading both files", map(show_speed, runs))
    report.add_table("Memory against size", show_memory(runs))
    if arguments.save is not None:
        save_costs(arguments.save, runs)


def save_costs(path: Path, runs: list[Run]) -> None:
    """Write the costs of all stages as CSV, the machine in each row."""
    rows = [{**row, "machine": describe_machine()} for row in list_costs(runs)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def report_peers(arguments: argparse.Namespace, bench: Bench, report: Report) -> None:
    """Add the tables of other software."""
    size, codec = choose_size(arguments), arguments.codecs[-1]
    skipped: list[str] = []
    mad = compare_mad(bench, size, codec, skipped)
    report.add_table("Multivariate alteration", map(tell, mad))
    tracing = compare_tracing(bench, size, codec, skipped)
    report.add_table("Polygons of a mask", map(tell, tracing))
    for reason in skipped:
        report.add(f"Left out: {reason}")


def report_engine(arguments: argparse.Namespace, bench: Bench, report: Report) -> None:
    """Add the tables of tasks and of worker processes, with the last method."""
    size, codec, method = choose_size(arguments), arguments.codecs[0], arguments.methods[-1]
    tasks, tile_cpu_s = count_tasks(bench, size, codec, method)
    report.add_table("Tasks of a run", tasks)
    nothing = cost_tasks(NO_TASKS, method, tile_cpu_s)
    report.add_table("What a task costs by itself", map(tell, nothing))
    report.add_table("Two against one", map(tell, compare_crews(bench, size, codec, method)))


REPORTS = {"runs": report_runs, "peers": report_peers, "engine": report_engine}


def choose_size(arguments: argparse.Namespace) -> int:
    """Return the largest size of a pair that is written as a whole."""
    return max([size for size in arguments.sizes if size <= LARGEST_WRITTEN], default=10_000)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed and memory of the main job.")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[2000, 4000, 10_000],
        help="edges of square pairs in pixels; 30000 writes 8 GB, larger ones repeat a small pair",
    )
    parser.add_argument("--codecs", nargs="+", default=["zstd", "deflate"])
    parser.add_argument("--methods", nargs="+", default=["cva", "irmad", "context"])
    parser.add_argument("--density", type=float, default=24.0, help="changes per million pixels")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[0], help="worker processes; 0: threads"
    )
    parser.add_argument("--threads", type=int, default=count_processors())
    parser.add_argument("--tables", nargs="+", choices=list(REPORTS), default=list(REPORTS))
    parser.add_argument("--folder", type=Path, help="where rasters are made and kept")
    parser.add_argument("--save", type=Path, help="CSV of the cost of every stage of every run")
    parser.add_argument("--output", type=Path, help="file for the Markdown tables")
    return parser.parse_args()


def main() -> None:
    """Parse the command line and print the tables."""
    arguments = parse_arguments()
    report = Report()
    report.add(describe_machine())
    report.add(f"Pairs of 4 bands uint16, predictor 2, {arguments.density:g} changes per Mpx")
    with tempfile.TemporaryDirectory(prefix="geochange-bench-") as name:
        bench = Bench(arguments.folder or Path(name), arguments.density, arguments.threads)
        for table in arguments.tables:
            REPORTS[table](arguments, bench, report)
    if arguments.output is not None:
        arguments.output.write_text("\n\n".join(report.parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
