"""Methods for radar pairs and for pairs of different sensors, beside those for like dates.

    python tests/benchmarks/cross_sensor.py DATA [--scenes italy,farmland] [--methods vae,irmad]
                                            [--seeds 3] [--output results.md]

DATA is a folder of public scenes. Prints a Markdown table: kappa, F1 and the area under the ROC
curve of the change class at the automatic threshold with default cleaning, the F1 of the best
threshold before cleaning, which no run knows, and what a whole run takes as a process of its own.
Methods that learn run with several seeds: mean, and the least and the greatest kappa. The dates
are taken as the sets align them. ``nanjing visible-infrared`` compares the visible bands of the
before date with the infrared ones of the after date, as if they came from two sensors.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from processes import Measured, run_step
from scenes import Scene, find_folders, find_scenes, find_series
from tables import describe_machine, format_table, tell

from geochange.errors import GeochangeWarning
from geochange.evaluation import Evaluation, evaluate

Row = dict[str, str]

LIKE = ("cva", "irmad", "log-ratio")
RADAR = (*LIKE, "ratio-clusters", "structure-graph", "autoencoder", "vae", "translation-gan")
CROSS = ("irmad", "feature-match", "structure-graph", "autoencoder", "vae", "translation-gan")
LEARNED = frozenset({"ratio-clusters", "autoencoder", "vae", "translation-gan"})
SETTINGS = {"register": "off", "normalize": "off", "products": ["score", "mask"], "threads": 1}
VISIBLE, INFRARED = (1, 2, 3), (4, 5, 6)


@dataclass(frozen=True)
class Case:
    """A scene and the methods that can compare its dates."""

    scene: Scene
    methods: tuple[str, ...]


def list_cases(data: Path, folder: Path) -> Iterator[Case]:
    """Yield the scenes that a data folder holds; ``folder`` takes what is cut out of them."""
    for scene in find_folders(data / "sar"):
        yield Case(scene, RADAR)
    for scene in find_folders(data / "multimodal"):
        yield Case(scene, CROSS)
    for scene in find_scenes(data / "landsat_nanjing", changed=1, ignore=0):
        yield Case(
            scene, tuple(name for name in RADAR if name not in ("log-ratio", "ratio-clusters"))
        )
        yield Case(take_bands(scene, VISIBLE, INFRARED, "nanjing visible-infrared", folder), CROSS)
        yield Case(take_bands(scene, INFRARED, VISIBLE, "nanjing infrared-visible", folder), CROSS)
    for scene in find_series(data / "misc"):
        yield Case(scene, ("cva", "irmad", "structure-graph", "vae"))


def take_bands(
    scene: Scene, before: Sequence[int], after: Sequence[int], name: str, folder: Path
) -> Scene:
    """Write some bands of each date to files of their own."""
    paths = []
    for date, source, bands in (("before", scene.before, before), ("after", scene.after, after)):
        path = folder / f"{name.replace(' ', '-')}-{date}.tif"
        with rasterio.open(source) as opened:
            profile = opened.profile | {"count": len(bands)}
            with rasterio.open(path, "w", **profile) as written:
                written.write(opened.read(list(bands)))
        paths.append(path)
    return Scene(name, paths[0], paths[1], scene.label, scene.changed, scene.ignore)


def measure_run(scene: Scene, method: str, seed: int) -> tuple[Evaluation | None, Measured]:
    """Detect in a process of its own and evaluate."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        settings = {**SETTINGS, "method": method, "options": {"seed": seed} if seed else {}}
        paths = {"before": scene.before, "after": scene.after, "output": output}
        _, taken = run_step("detect", settings=settings, **{k: str(v) for k, v in paths.items()})
        if scene.label is None:
            return None, taken
        found = evaluate(output, scene.label, changed=scene.changed, ignore=scene.ignore)
    return found, taken


def measure_case(scene: Scene, method: str, seeds: int) -> Row:
    """Return the row of a scene and a method, the mean over seeds."""
    count = seeds if method in LEARNED else 1
    runs = [measure_run(scene, method, seed) for seed in range(count)]
    scores = [found.scores for found, _ in runs if found is not None]
    row = {"scene": scene.name, "method": method, "seeds": str(count)}
    for title, name in (("kappa", "kappa"), ("F1", "f1"), ("ROC AUC", "roc_auc")):
        values = [score[name] for score in scores]
        row[title] = f"{np.mean(values):.3f}" if values else "-"
    kappas = [score["kappa"] for score in scores]
    row["kappa, least to greatest"] = f"{min(kappas):.3f} to {max(kappas):.3f}" if kappas else "-"
    row["best F1"] = f"{np.mean([s['best_f1'] for s in scores]):.3f}" if scores else "-"
    row["wall s"] = f"{np.mean([taken.wall_s for _, taken in runs]):.1f}"
    row["CPU s"] = f"{np.mean([taken.cpu_s for _, taken in runs]):.1f}"
    row["peak MiB"] = f"{max(taken.peak_bytes for _, taken in runs) / 2**20:.0f}"
    return row


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Radar pairs and pairs of different sensors.")
    parser.add_argument("data", type=Path, help="folder of scenes")
    parser.add_argument("--scenes", help="comma-separated names; default all")
    parser.add_argument("--methods", help="comma-separated; default those that suit a scene")
    parser.add_argument("--seeds", type=int, default=3, help="of the methods that learn; default 3")
    parser.add_argument("--output", type=Path, help="a .md file")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    warnings.simplefilter("ignore", GeochangeWarning)
    scenes = arguments.scenes.split(",") if arguments.scenes else None
    methods = arguments.methods.split(",") if arguments.methods else None
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in list_cases(arguments.data, Path(folder)):
            if scenes is not None and case.scene.name not in scenes:
                continue
            chosen = [name for name in case.methods if methods is None or name in methods]
            rows += [tell(measure_case(case.scene, name, arguments.seeds)) for name in chosen]
    text = f"{describe_machine()}\n\n{format_table(rows)}\n"
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
