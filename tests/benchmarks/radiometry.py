"""What another gain and offset of the after date does to every method, with normalisation and not.

Run with a folder of public scenes, see ``scenes.py``::

    python tests/benchmarks/radiometry.py DATA
    python tests/benchmarks/radiometry.py DATA --sets oscd --scenes 4 --methods cva,context

Pairs are registered once and written as float32. The after date then gets a gain of 0.7 to 1.4 and
an offset of up to 0.3 standard deviations in each band, all different, and every method maps it as
it is and normalised. ``moved`` is the difference in pooled F1 that the disturbance makes, in
points; ``AP`` is the mean average precision over pairs of undisturbed ones.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from scenes import Scene, SceneSet, choose_sets, list_sets
from tables import describe_machine, format_table, tell

import geochange
from geochange.errors import GeochangeError, GeochangeWarning
from geochange.evaluation import Evaluation, evaluate, mean_scores, pool

Row = dict[str, str]
SETS = "oscd,aerial,building/val,landsat_nanjing"
METHODS = "context,cva,mad,irmad,sfa,pca-kmeans"
GAINS, OFFSETS = (0.7, 1.4), (-0.3, 0.3)
"""Offsets in standard deviations of a band."""
KINDS = ("as is", "as is, normalised", "disturbed", "disturbed, normalised")


def disturb(source: Path, target: Path, seed: int) -> Path:
    """Write a date with another gain and offset in each band."""
    rng = np.random.default_rng(seed)
    with rasterio.open(source) as dataset:
        pixels, profile, names = dataset.read(), dataset.profile, dataset.descriptions
    gains = np.exp(rng.uniform(*np.log(GAINS), len(pixels)))
    offsets = rng.uniform(*OFFSETS, len(pixels)) * np.nanstd(pixels, axis=(1, 2))
    moved = gains[:, None, None] * pixels + offsets[:, None, None]
    with rasterio.open(target, "w", **profile | {"driver": "GTiff"}) as out:
        out.descriptions = names
        out.write(moved.astype(np.float32))
    return target


def measure_scene(
    scene: Scene, methods: list[str], mode: str, seed: int
) -> Iterator[tuple[str, str, Evaluation]]:
    """Yield method, kind and evaluation of every map of a scene."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (before, after), _ = geochange.align(scene.before, scene.after, folder / "pair")
        other = disturb(after, folder / "disturbed.tif", seed)
        for kind in KINDS:
            date = other if kind.startswith("disturbed") else after
            for method in methods:
                output = folder / "out"
                geochange.detect(
                    before,
                    date,
                    output,
                    **choose_options(method),
                    register="off",
                    normalize=mode if kind.endswith("normalised") else "off",
                    products=("score", "mask"),
                    overwrite=True,
                )
                found = evaluate(output, scene.label, changed=scene.changed, ignore=scene.ignore)
                yield method, kind, found


def choose_options(method: str) -> dict[str, str]:
    """Return what names a method; ``network:NAME`` is a trained network."""
    kind, _, name = method.partition(":")
    return {"model": name} if name else {"method": kind}


def measure_set(
    scenes: SceneSet, methods: list[str], mode: str, failures: list[str]
) -> Iterator[Row]:
    """Yield a row per method."""
    found: dict[tuple[str, str], list[Evaluation]] = {}
    for seed, scene in enumerate(scenes.scenes):
        try:
            measured = list(measure_scene(scene, methods, mode, seed))
        except GeochangeError as error:
            failures.append(f"{scenes.name} {scene.name}: {error}")
            continue
        for method, kind, evaluation in measured:
            found.setdefault((method, kind), []).append(evaluation)
    for method in methods:
        if (method, KINDS[-1]) in found:
            yield format_row(scenes.name, method, [found[method, kind] for kind in KINDS])


def format_row(name: str, method: str, found: list[list[Evaluation]]) -> Row:
    """Return the row of a method from its evaluations of each kind."""
    f1 = [100 * pool(some).scores["f1"] for some in found]
    ap = [mean_scores(some)["average_precision"] for some in found[:2]]
    row = {"set": name, "method": method, "pairs": str(len(found[0]))}
    row |= {f"F1 {kind}": f"{value:.1f}" for kind, value in zip(KINDS, f1, strict=True)}
    row |= {"moved": f"{f1[2] - f1[0]:+.1f}", "moved, normalised": f"{f1[3] - f1[1]:+.1f}"}
    return row | {"AP as is": f"{ap[0]:.3f}", "AP normalised": f"{ap[1]:.3f}"}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="F1 under other gains and offsets.")
    parser.add_argument("data", type=Path, help="folder of scenes")
    parser.add_argument("--sets", default=SETS, help=f"default {SETS}")
    parser.add_argument("--methods", default=METHODS, help=f"default {METHODS}")
    parser.add_argument("--normalize", default="auto", help="default auto")
    parser.add_argument("--scenes", type=int, help="of each set; default all")
    parser.add_argument("--output", type=Path, help="a .md file")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    warnings.simplefilter("ignore", GeochangeWarning)
    failures: list[str] = []
    rows = [
        tell(row)
        for scenes in choose_sets(list_sets(arguments.data), arguments.sets)
        for row in measure_set(
            SceneSet(scenes.name, scenes.scenes[: arguments.scenes]),
            arguments.methods.split(","),
            arguments.normalize,
            failures,
        )
    ]
    parts = [describe_machine(), format_table(rows)]
    parts += [f"Not measured: {failure}" for failure in failures]
    text = "\n\n".join(parts)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
