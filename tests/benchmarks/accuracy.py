"""Accuracy of every method on real scenes with labels, and on scenes where nothing changed.

    python tests/benchmarks/accuracy.py DATA [--sets oscd,sar] [--methods auto,irmad]
                                        [--tables accuracy,no-change] [--output results.md]

DATA is a folder of public scenes, one folder a set. Prints Markdown tables, and progress on
stderr; ``--output`` also writes them to a ``.md`` file, or the rows of each table to
``<name>-<table>.csv``. Pixels of a set are pooled before scores are taken; ``mean AP`` is the mean
over pairs, ``best F1`` that of the best threshold, which no run knows.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from no_change import measure_no_change
from scenes import Scene, SceneSet, choose_sets, list_sets
from tables import describe_machine, format_table, tell

import geochange
from geochange.errors import GeochangeError, GeochangeWarning
from geochange.evaluation import Evaluation, evaluate, mean_scores, pool

Row = dict[str, str]


def measure_scene(scene: Scene, method: str) -> tuple[Evaluation, float]:
    """Detect and evaluate one scene; return the evaluation and the seconds of detection."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        start = time.perf_counter()
        geochange.detect(
            scene.before, scene.after, output, method=method, products=("score", "mask")
        )
        seconds = time.perf_counter() - start
        if scene.label is not None:
            found = evaluate(output, scene.label, changed=scene.changed, ignore=scene.ignore)
        else:
            found = evaluate(output, output / "mask.tif")
    return found, seconds


def measure_set(scenes: SceneSet, method: str, failures: list[str]) -> Row | None:
    """Return the row of one set and method; a scene that fails is told in ``failures``."""
    evaluations, seconds = [], 0.0
    for scene in scenes.scenes:
        try:
            found, spent = measure_scene(scene, method)
        except GeochangeError as error:
            failures.append(f"{scenes.name} {scene.name}, {method}: {error}")
            continue
        evaluations.append(found)
        seconds += spent
    if not evaluations:
        return None
    labelled = scenes.scenes[0].label is not None
    return format_row(scenes.name, method, evaluations, seconds, labelled=labelled)


def format_row(
    name: str, method: str, evaluations: list[Evaluation], seconds: float, *, labelled: bool
) -> Row:
    """Pool the pairs of a set into one row of the table."""
    pooled = pool(evaluations)
    scores, means = pooled.scores, mean_scores(evaluations)
    row = {"set": name, "method": method, "pairs": str(len(evaluations))}
    for title, score in {
        "P": scores["precision"],
        "R": scores["recall"],
        "F1": scores["f1"],
        "IoU": scores["iou"],
        "OA": scores["accuracy"],
        "kappa": scores["kappa"],
        "AP": scores["average_precision"],
        "mean AP": means["average_precision"],
        "best F1": scores["best_f1"],
        "object F1": scores["object_f1"],
    }.items():
        row[title] = f"{score:.3f}" if labelled else "-"
    row["changed in label %"] = f"{100 * scores['prevalence']:.2f}" if labelled else "-"
    row["changed in map %"] = f"{100 * scores['mapped_share']:.2f}"
    row["seconds"] = f"{seconds:.1f}"
    return row


def measure_accuracy(
    sets: list[SceneSet], methods: list[str], failures: list[str]
) -> Iterator[Row]:
    """Yield a row per set and method."""
    for scenes in sets:
        for method in methods:
            row = measure_set(scenes, method, failures)
            if row is not None:
                yield row


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Accuracy of every method on real scenes.")
    parser.add_argument("data", type=Path, help="folder of scenes")
    parser.add_argument("--sets", help="comma-separated, such as oscd,sar; default all")
    parser.add_argument("--methods", help="comma-separated; default auto and all methods")
    parser.add_argument("--tables", default="accuracy,no-change", help="default both")
    parser.add_argument("--output", type=Path, help="a .md file, or .csv for one file a table")
    return parser.parse_args()


def write_tables(output: Path, tables: dict[str, list[Row]], text: str) -> None:
    """Write the Markdown text, or one CSV file a table."""
    if output.suffix != ".csv":
        output.write_text(text, encoding="utf-8")
        return
    for name, rows in tables.items():
        path = output.with_name(f"{output.stem}-{name}.csv")
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0] if rows else [])
            writer.writeheader()
            writer.writerows(rows)


def main() -> None:
    arguments = parse_arguments()
    warnings.simplefilter("ignore", GeochangeWarning)
    sets = choose_sets(list_sets(arguments.data), arguments.sets)
    if arguments.methods is None:
        methods = ["auto", *(method.name for method in geochange.list_methods())]
    else:
        methods = arguments.methods.split(",")
    failures: list[str] = []
    tables = {}
    if "accuracy" in arguments.tables.split(","):
        tables["accuracy"] = [tell(row) for row in measure_accuracy(sets, methods, failures)]
    if "no-change" in arguments.tables.split(","):
        tables["no-change"] = [
            tell(row) for scenes in sets for row in measure_no_change(scenes, failures)
        ]
    parts = [describe_machine(), *(format_table(rows) for rows in tables.values())]
    parts += [f"Not measured: {failure}" for failure in failures]
    text = "\n\n".join(parts) + "\n"
    print(text)
    if arguments.output is not None:
        write_tables(arguments.output, tables, text)


if __name__ == "__main__":
    main()
