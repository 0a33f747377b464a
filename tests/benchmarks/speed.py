"""Speed and memory of the main job on rasters made here: ``python tests/benchmarks/speed.py``.

Every run is a process of its own, so that its peak memory is its own. Ratios compare figures of
one call; machines are noisy, so absolute figures only say the order of size.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

BANDS = 4
BLOCK = 512
RUN = """
import json, sys, time
start = time.perf_counter()
import geochange as gc
before, after, out, settings = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
result = gc.detect(before, after, out, **settings)
print(json.dumps({
    "wall": time.perf_counter() - start,
    "seconds": result.run["seconds"],
    "peak": result.run["peak_memory_bytes"],
    "count": result.count,
}))
"""


def make_pair(folder: Path, size: int, changes_per_mpx: float) -> tuple[Path, Path]:
    """Write a textured pair of ``size`` x ``size`` px with seeded square changes."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(0, 300, (BANDS, BLOCK // 8, BLOCK // 8)).repeat(8, 1).repeat(8, 2)
    paths = folder / "before.tif", folder / "after.tif"
    profile = {
        "driver": "GTiff", "height": size, "width": size, "count": BANDS, "dtype": "uint16",
        "crs": "EPSG:32632", "transform": Affine(1, 0, 500000, 0, -1, 5000000), "tiled": True,
        "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "zstd", "predictor": 2,
        "num_threads": "ALL_CPUS", "bigtiff": "IF_SAFER", "nodata": 0,
    }  # fmt: skip
    with (
        rasterio.open(paths[0], "w", **profile) as one,
        rasterio.open(paths[1], "w", **profile) as two,
    ):
        for row in range(0, size, BLOCK):
            for col in range(0, size, BLOCK):
                height, width = min(BLOCK, size - row), min(BLOCK, size - col)
                ground = 1500 + np.roll(coarse, (row // 7, col // 5), (1, 2))
                dates = [ground + rng.normal(0, 12, ground.shape) for _ in range(2)]
                for _ in range(rng.poisson(changes_per_mpx * BLOCK**2 / 1e6)):
                    top, left, edge = (int(v) for v in rng.integers((0, 0, 3), (480, 480, 30)))
                    dates[1][:, top : top + edge, left : left + edge] += 500
                place = Window(col, row, width, height)
                for dataset, image in zip((one, two), dates, strict=True):
                    pixels = image[:, :height, :width].clip(1, 65535).astype(np.uint16)
                    dataset.write(pixels, window=place)
    return paths


def time_reading(paths: tuple[Path, Path], workers: int) -> float:
    """Seconds to decode both files with ``workers`` threads and nothing else."""

    def read(path: Path, row: int, step: int) -> None:
        with rasterio.open(path) as dataset:
            dataset.read(window=Window(0, row, dataset.width, min(step, dataset.height - row)))

    with rasterio.open(paths[0]) as dataset:
        rows = range(0, dataset.height, BLOCK)
    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda job: read(*job), [(p, r, BLOCK) for p in paths for r in rows]))
    return time.perf_counter() - start


def run_detect(
    paths: tuple[Path, Path], out: Path, settings: dict[str, object]
) -> dict[str, object]:
    """Run ``detect`` in a process of its own and return what it measured."""
    words = [sys.executable, "-c", RUN, *map(str, paths), str(out), json.dumps(settings)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"detect failed: {done.stderr}")
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def time_vectorizing(mask: Path) -> tuple[float, float]:
    """Seconds of our polygons and of rasterio's on the whole raster, one thread each."""
    from rasterio.features import shapes

    from geochange.exports.vectorized import MaskFile
    from geochange.io.geotiff import GridReader
    from geochange.io.rasterfile import describe_raster
    from geochange.maps.polygons import polygonize

    file = describe_raster(mask)
    start = time.perf_counter()
    ours = sum(1 for _ in polygonize(MaskFile(GridReader(file, file.geobox))))
    first = time.perf_counter() - start
    start = time.perf_counter()
    with rasterio.open(mask) as dataset:
        pixels = dataset.read(1)
    theirs = sum(1 for _ in shapes(pixels, pixels == 1, 8))
    if ours != theirs:
        sys.exit(f"polygon counts differ: {ours} and {theirs}")
    return first, time.perf_counter() - start


def main() -> None:
    """Parse the command line and print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 4000])
    parser.add_argument("--density", type=float, default=24.0, help="changes per million pixels")
    parser.add_argument("--methods", nargs="+", default=["cva", "irmad", "context"])
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {arguments.workers} workers, {BANDS} bands uint16 zstd\n")
    print("| px | method | read both | whole run | x reading | Mpx/s | stages (s) | peak MiB |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in arguments.sizes:
            paths = make_pair(folder, size, arguments.density)
            floor = time_reading(paths, arguments.workers)
            for method in arguments.methods:
                out = folder / f"{method}-{size}"
                settings = {"method": method, "workers": arguments.workers}
                found = run_detect(paths, out, settings)
                wall = float(str(found["wall"]))
                stages = ", ".join(f"{k} {v:.1f}" for k, v in dict(found["seconds"]).items())  # type: ignore[call-overload]
                print(
                    f"| {size} | {method} | {floor:.2f} | {wall:.2f} | {wall / floor:.1f} | "
                    f"{size * size / 1e6 / wall:.1f} | {stages} | "
                    f"{int(str(found['peak'])) / 2**20:.0f} |",
                    flush=True,
                )
        mask = folder / f"{arguments.methods[0]}-{arguments.sizes[-1]}" / "mask.tif"
        ours, theirs = time_vectorizing(mask)
        pixels = arguments.sizes[-1] ** 2 / 1e6
        print("\n| polygons of the last mask | s | Mpx/s |\n|---|---|---|")
        print(f"| geochange, tiled, one thread | {ours:.2f} | {pixels / ours:.0f} |")
        print(f"| rasterio.features.shapes, whole raster | {theirs:.2f} | {pixels / theirs:.0f} |")


if __name__ == "__main__":
    main()
