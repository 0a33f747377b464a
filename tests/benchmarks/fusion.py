"""What fusing several methods gains on real scenes with labels.

    python tests/benchmarks/fusion.py DATA --members context,irmad,building=model:building
        --sets building/val [--combinations context+building] [--rules rank-mean,mean,vote]
        [--runs FOLDER] [--output results.md]

A member is a method, ``NAME=model:NETWORK``, or ``NAME=folds:FOLDER`` of a cross-validation by
place: each scene is then seen by the network that was not trained on it, at the threshold of the
other folds. Runs are kept in ``--runs`` and not made again. Without ``--combinations`` all pairs of
members are fused. Columns are those of ``accuracy.py``; seconds are those of fusing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from accuracy import Row, format_row
from scenes import Scene, SceneSet, choose_sets, list_sets
from tables import describe_machine, format_table, tell

import geochange
from geochange.errors import GeochangeWarning
from geochange.evaluation import Evaluation, evaluate
from geochange.training.calibration import calibrate

RASTERS = ("score", "mask")


def list_settings(spec: str, scene: Scene) -> dict[str, object]:
    """Return the settings of ``detect`` that a member stands for."""
    kind, _, value = spec.partition(":")
    if kind == "model":
        return {"model": value}
    if kind != "folds":
        return {"method": spec}
    folder = Path(value)
    folds = json.loads((folder / "folds.json").read_text(encoding="utf-8"))
    for number, fold in enumerate(folds["folds"]):
        if any(name.split(":")[-1] == scene.name for name in fold["validation"]):
            threshold = calibrate(folds["thresholds"][number], fold["temperature"])
            model = folder / f"fold-{number}" / "model.safetensors"
            return {"model": model, "threshold": threshold}
    msg = f"no fold of {folder} leaves {scene.name} out"
    raise SystemExit(msg)


def find_run(scene: Scene, member: str, spec: str, folder: Path) -> Path:
    """Return the run of a member on a scene, made where it is not there yet."""
    output = folder / scene.name / member
    if not output.exists():
        settings = list_settings(spec, scene)
        geochange.detect(scene.before, scene.after, output, products=RASTERS, **settings)
    return output


def judge(scene: Scene, run: Path) -> Evaluation:
    return evaluate(run, scene.label, changed=scene.changed, ignore=scene.ignore)


def measure_set(
    scenes: SceneSet,
    members: dict[str, str],
    combinations: list[list[str]],
    rules: list[str],
    folder: Path,
) -> Iterator[Row]:
    """Yield a row per member, then one per combination and rule."""
    own = folder / scenes.name.replace("/", "_")
    for member, spec in members.items():
        found = [judge(scene, find_run(scene, member, spec, own)) for scene in scenes.scenes]
        yield format_row(scenes.name, member, found, 0.0, labelled=True)
    for combination, rule in itertools.product(combinations, rules):
        found, seconds = [], 0.0
        for scene in scenes.scenes:
            runs = [own / scene.name / member for member in combination]
            with tempfile.TemporaryDirectory() as place:
                start = time.perf_counter()
                result = geochange.fuse(runs, f"{place}/out", rule=rule, products=RASTERS)
                seconds += time.perf_counter() - start
                found.append(judge(scene, result.path))
        name = f"{' + '.join(combination)}, {rule}"
        yield format_row(scenes.name, name, found, seconds, labelled=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What fusing several methods gains.")
    parser.add_argument("data", type=Path, help="folder of scenes")
    parser.add_argument("--members", required=True, help="such as context,net=model:building")
    parser.add_argument("--sets", required=True, help="comma-separated, such as oscd")
    parser.add_argument("--combinations", help="such as context+net,context+irmad+net")
    parser.add_argument("--rules", default="rank-mean,mean,max,vote")
    parser.add_argument("--runs", type=Path, help="where runs are kept")
    parser.add_argument("--output", type=Path, help="a .md file")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    warnings.simplefilter("ignore", GeochangeWarning)
    words = [member.partition("=") for member in arguments.members.split(",")]
    members = {name: spec or name for name, _, spec in words}
    pairs = [list(pair) for pair in itertools.combinations(members, 2)]
    if arguments.combinations:
        pairs = [combination.split("+") for combination in arguments.combinations.split(",")]
    rules = arguments.rules.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.runs or Path(scratch)
        rows = [
            tell(row)
            for scenes in choose_sets(list_sets(arguments.data), arguments.sets)
            for row in measure_set(scenes, members, pairs, rules, folder)
        ]
    text = f"{describe_machine()}\n\n{format_table(rows)}\n"
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
