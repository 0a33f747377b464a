"""What refining the borders of changes gains on real scenes with labels.

    python tests/benchmarks/refinement.py DATA --sets building/val --members context
        [--methods guided:4,superpixels:6,contour:3] [--runs FOLDER] [--output results.md]

Members as in ``fusion.py``. Pixels are pooled before F1 is taken. ``boundary F1``: precision is the
share of the map's border pixels within 2 px of a border of the label, recall the other way round.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from fusion import RASTERS, find_run
from scenes import Scene, SceneSet, choose_sets, list_sets
from scipy.ndimage import binary_erosion, distance_transform_edt
from tables import describe_machine, format_table, tell

import geochange
from geochange.errors import GeochangeWarning
from geochange.evaluation.counts import Counts, count_pixels
from geochange.evaluation.layers import open_layers
from geochange.evaluation.reference import open_label
from geochange.tiles import Window

REACH_PX = 2
Row = dict[str, str]


def read_both(scene: Scene, run: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return mask and label on the grid of the map, uint8: 0, 1, 255 unknown."""
    layers = open_layers(run)
    label = open_label(str(scene.label), layers.geobox, None, None)
    height, width = (int(n) for n in label.geobox.shape)
    window = Window(0, 0, height, width)
    return layers.read(label.geobox, window)[0], label.read(window)[0]


def count_borders(mask: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return border pixels of the map near one of the label, all of the map, and vice versa."""
    known = (mask < 2) & (label < 2)
    borders = [
        change & ~binary_erosion(change, border_value=1)
        for change in ((mask == 1) & known, (label == 1) & known)
    ]
    far = [
        distance_transform_edt(~border) if border.any() else np.full(border.shape, np.inf)
        for border in borders
    ]
    near = [(borders[0] & (far[1] <= REACH_PX)).sum(), (borders[1] & (far[0] <= REACH_PX)).sum()]
    return np.array([near[0], borders[0].sum(), near[1], borders[1].sum()])


def measure(scenes: SceneSet, member: str, spec: str, method: str, folder: Path) -> Row:
    """Return the row of one set, member and way of refining; ``none`` leaves the runs alone."""
    counts, borders, seconds = Counts(), np.zeros(4), 0.0
    kind, _, radius = method.partition(":")
    for scene in scenes.scenes:
        run = find_run(scene, member, spec, folder / scenes.name.replace("/", "_"))
        with tempfile.TemporaryDirectory() as place:
            if method != "none":
                start = time.perf_counter()
                size = int(radius) if radius else None
                run = geochange.refine(
                    run, f"{place}/out", method=kind, radius=size, products=RASTERS
                ).path
                seconds += time.perf_counter() - start
            mask, label = read_both(scene, run)
        counts += count_pixels(mask, label)
        borders += count_borders(mask, label)
    precision, recall = borders[0] / max(borders[1], 1), borders[2] / max(borders[3], 1)
    return {
        "set": scenes.name,
        "member": member,
        "refined": method,
        "P": f"{counts.precision:.3f}",
        "R": f"{counts.recall:.3f}",
        "F1": f"{counts.f1:.3f}",
        "boundary F1": f"{2 * precision * recall / max(precision + recall, 1e-9):.3f}",
        "seconds": f"{seconds:.1f}",
    }


def measure_all(arguments: argparse.Namespace, folder: Path) -> Iterator[Row]:
    words = [member.partition("=") for member in arguments.members.split(",")]
    for scenes in choose_sets(list_sets(arguments.data), arguments.sets):
        for name, _, spec in words:
            for method in ["none", *arguments.methods.split(",")]:
                yield tell(measure(scenes, name, spec or name, method, folder))


def main() -> None:
    parser = argparse.ArgumentParser(description="What refining borders gains.")
    parser.add_argument("data", type=Path, help="folder of scenes")
    parser.add_argument("--members", required=True, help="such as context,net=model:building")
    parser.add_argument("--sets", required=True, help="comma-separated, such as building/val")
    parser.add_argument("--methods", default="guided,superpixels,contour", help="METHOD[:RADIUS]")
    parser.add_argument("--runs", type=Path, help="where runs are kept")
    parser.add_argument("--output", type=Path, help="a .md file")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", GeochangeWarning)
    with tempfile.TemporaryDirectory() as scratch:
        rows = list(measure_all(arguments, arguments.runs or Path(scratch)))
    text = f"{describe_machine()}\n\n{format_table(rows)}\n"
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
