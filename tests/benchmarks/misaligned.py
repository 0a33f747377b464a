"""Average precision of methods on pairs whose dates were moved apart and are not registered.

    python tests/benchmarks/misaligned.py DATA [--sets aerial,oscd] [--methods cva,context]
                                          [--shifts 0,1,2,3]

DATA is as for ``accuracy.py``. The after date is moved by whole pixels along rows and columns, what
leaves the grid is cut off both dates, and ``--register off`` leaves the pair like that. Prints a
Markdown table of the mean average precision over the scenes of a set.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import rasterio
from scenes import Scene, choose_sets, list_sets
from tables import describe_machine, format_table, tell

import geochange
from geochange.errors import GeochangeWarning
from geochange.evaluation import evaluate
from geochange.tiles import Window


def move_scene(scene: Scene, shift: int, folder: Path) -> tuple[Path, Path, Path]:
    """Write both dates, on one grid but moved apart by ``shift`` px, and the label."""
    pair = geochange.open_pair(scene.before, scene.after)
    height, width = (n - shift for n in pair.geobox.shape)
    here, there = Window(0, 0, height, width), Window(shift, shift, height, width)
    with rasterio.open(scene.label) as dataset:
        label = dataset.read(1, window=((0, height), (0, width)))
    images = pair.before.read(here)[0], pair.after.read(there)[0], label[None]
    paths = folder / "before.tif", folder / "after.tif", folder / "label.tif"
    grid = {"crs": pair.geobox.crs and str(pair.geobox.crs), "transform": pair.geobox.affine}
    for path, image in zip(paths, images, strict=True):
        size = {"count": len(image), "height": height, "width": width, "dtype": image.dtype}
        with rasterio.open(path, "w", driver="GTiff", **size, **grid) as dataset:
            dataset.write(image)
    return paths


def measure_scene(scene: Scene, shift: int, method: str) -> float:
    """Return the average precision of a method on a moved scene."""
    with tempfile.TemporaryDirectory() as name:
        before, after, label = move_scene(scene, shift, Path(name))
        output = Path(name) / "out"
        geochange.detect(
            before, after, output, method=method, register="off", products=("score", "mask")
        )
        found = evaluate(output, label, changed=scene.changed, ignore=scene.ignore)
        return float(found.scores["average_precision"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Methods on pairs that are roughly aligned.")
    parser.add_argument("data", type=Path, help="folder of scenes")
    parser.add_argument("--sets", default="aerial,landsat_nanjing")
    parser.add_argument("--methods", default="feature-match,context,cva")
    parser.add_argument("--shifts", default="0,1,2,3", help="px along rows and columns")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", GeochangeWarning)
    warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
    rows = []
    for scenes in choose_sets(list_sets(arguments.data), arguments.sets):
        for method in arguments.methods.split(","):
            row = {"set": scenes.name, "method": method}
            for shift in map(int, arguments.shifts.split(",")):
                found = [measure_scene(scene, shift, method) for scene in scenes.scenes]
                row[f"{shift} px"] = f"{np.mean(found):.3f}"
            rows.append(tell(row))
    print(describe_machine(), format_table(rows), sep="\n\n")


if __name__ == "__main__":
    main()
