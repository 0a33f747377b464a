"""How well and how fast shifts are found, beside other software, and what is left on real scenes.

Run with a folder of public scenes, see ``scenes.py``::

    python tests/benchmarks/registration.py DATA
    python tests/benchmarks/registration.py DATA --tables windows,fields --output out/reg.md

``windows``: shifts of 0.05 to 5 px on real scenes sampled from finer ones, with noise, another
light and 15 % of the area changed; each estimator sees the same windows. AROSICS is measured where
it is installed. ``fields``: smooth fields, rotation, far shifts and no shift at all over whole
scenes. ``scenes``: residual shift of real pairs before and after. ``no-change``: scenes against
themselves, 1 px away, by every method, or by ``--methods cva,network:building``; ``-`` where one
does not take the scene. ``speed``: one large pair.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from displaced import (
    DISPLACEMENTS,
    Displaced,
    displace_scene,
    list_fine_scenes,
    shift,
    still,
    write_image,
)
from radiometry import choose_options
from rasters import make_pair
from scenes import SceneSet, list_sets
from shifts import ESTIMATORS, draw_windows
from tables import describe_machine, format_table, tell

import geochange
from geochange.engine.stages import peak_memory_bytes
from geochange.errors import GeochangeError, GeochangeWarning
from geochange.registration.result import Registration

Row = dict[str, object]
TABLES = ("windows", "fields", "scenes", "no-change", "speed")
SETS = ("building/val", "oscd", "landsat_nanjing", "aerial")
LARGE_PX = 10_000


def measure_windows(data: Path, size: int, count: int) -> Iterator[Row]:
    """Yield the error of every estimator over the same windows."""
    windows = list(draw_windows(list_fine_scenes(data), size, count))
    for name, estimate in ESTIMATORS.items():
        errors, started = [], time.process_time()
        for before, after, moved in windows:
            found = estimate(before, after)
            errors += [] if found is None else [float(np.hypot(*np.subtract(found, moved)))]
        spent = time.process_time() - started
        yield {
            "estimator": name,
            "window px": size,
            "windows": len(windows),
            "left out": len(windows) - len(errors),
            "median px": f"{np.median(errors):.4f}",
            "p90 px": f"{np.percentile(errors, 90):.4f}",
            "largest px": f"{max(errors):.3f}",
            "ms a window": f"{1e3 * spent / len(windows):.1f}",
        }


def measure_fields(data: Path) -> Iterator[Row]:
    """Yield the error of whole registrations over scenes with a known displacement."""
    for path, factor in list_fine_scenes(data)[::2]:
        for name, kind in DISPLACEMENTS.items():
            yield measure_field(displace_scene(path, factor, kind), name_scene(path), name)


def name_scene(path: Path) -> str:
    """Return the folder of a scene; of one with a file for each band the folder above."""
    return path.parent.parent.name if path.stem.startswith("B") else path.parent.name


def measure_field(scene: Displaced, place: str, name: str) -> Row:
    """Return how far a registration is from the truth, where windows say something."""
    found, seconds = register(scene.before, scene.after)
    height, width = scene.before.shape[1:]
    rows, cols = np.mgrid[24 : height - 24 : 4, 24 : width - 24 : 4] + 0.5
    points = np.column_stack([cols.ravel(), rows.ravel()])
    off = np.hypot(*(found.displacement.at(points) - scene.truth(points)).T)
    return {
        "scene": place,
        "displacement": name,
        "found": found.model,
        "by": found.matching,
        "windows": f"{sum(t.is_used for t in found.ties)} of {len(found.ties)}",
        "RMSE px": f"{np.sqrt((off**2).mean()):.4f}",
        "p90 px": f"{np.percentile(off, 90):.4f}",
        "seconds": f"{seconds:.1f}",
    }


def register(before: np.ndarray, after: np.ndarray) -> tuple[Registration, float]:
    """Register two arrays as files; returns processor seconds too."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            write_image(Path(folder) / name, image)
            for name, image in (("before.tif", before), ("after.tif", after))
        ]
        started = time.process_time()
        found = geochange.register(geochange.open_pair(*paths), threads=1)
        return found, time.process_time() - started


def measure_scenes(sets: list[SceneSet]) -> Iterator[Row]:
    """Yield what registration finds on real pairs, and what it finds again with the correction."""
    for scenes in sets:
        for scene in scenes.scenes:
            pair = geochange.open_pair(scene.before, scene.after)
            found = geochange.register(pair)
            again = geochange.register(found.apply(pair)) if found.applied else found
            yield {
                "set": scenes.name,
                "scene": scene.name,
                "windows": f"{sum(t.is_used for t in found.ties)} of {len(found.ties)}",
                "found": found.model if found.reliable else "not reliable",
                "middle dx, dy px": middle(found),
                "with the correction": middle(again) if found.applied else "-",
                "residual px": show(found.residual_before_px),
                "residual after px": show(found.residual_after_px),
            }


def show(length_px: float | None) -> str:
    return "-" if length_px is None else f"{length_px:.2f}"


def middle(found: Registration) -> str:
    """Return the median displacement of the windows that agree."""
    moved = np.array([(tie.dx, tie.dy) for tie in found.ties if tie.is_used])
    return "{:+.2f}, {:+.2f}".format(*np.median(moved, axis=0)) if len(moved) else "-"


def list_methods() -> list[str]:
    """Return all methods that need neither a network nor other methods."""
    named = [method.name for method in geochange.list_methods() if not method.required]
    return [name for name in named if name != "ensemble"] + ["auto"]


def measure_no_change(data: Path, methods: list[str]) -> Iterator[Row]:
    """Yield what methods call change in scenes against themselves, 1 px away."""
    for path, factor in list_fine_scenes(data)[::3]:
        there, moved = (
            displace_scene(path, factor, kind, changed=0.0, same_light=True)
            for kind in (still, shift(0.8, -0.6))
        )
        for method in methods:
            yield {
                "scene": name_scene(path),
                "method": method,
                "not moved %": share_of_change(there, method, "off"),
                "moved %": share_of_change(moved, method, "off"),
                "registered %": share_of_change(moved, method, "auto"),
            }


def share_of_change(scene: Displaced, method: str, mode: str) -> str:
    """Return the share of the valid pixels that a method calls change, in percent."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            write_image(Path(folder) / name, image)
            for name, image in (("before.tif", scene.before), ("after.tif", scene.after))
        ]
        try:
            found = geochange.detect(
                *paths,
                Path(folder) / "out",
                **choose_options(method),
                register=mode,
                products=("score", "mask", "changes"),
            )
        except GeochangeError:
            return "-"
        return f"{100 * float(found.run['changes']['share_of_valid']):.3f}"


def measure_speed() -> Iterator[Row]:
    """Yield time and memory of registering one large pair with all processors."""
    with tempfile.TemporaryDirectory() as folder:
        paths = make_pair(folder, LARGE_PX, 20.0, "deflate")
        for mode in ("auto", "local"):
            pair = geochange.open_pair(*paths)
            started, spent = time.perf_counter(), time.process_time()
            found = geochange.register(pair, mode=mode)
            peak = peak_memory_bytes()
            yield {
                "pair": f"{LARGE_PX} x {LARGE_PX} px, 4 bands uint16, deflate",
                "mode": mode,
                "windows": len(found.ties),
                "seconds": f"{time.perf_counter() - started:.1f}",
                "processor seconds": f"{time.process_time() - spent:.1f}",
                "peak MiB": "-" if peak is None else f"{peak / 2**20:.0f}",
            }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Registration: error, speed, real scenes.")
    parser.add_argument("data", type=Path, help="folder of scenes")
    parser.add_argument("--tables", default=",".join(TABLES), help="default all")
    parser.add_argument("--windows", type=int, default=80, help="windows of each size")
    parser.add_argument("--methods", default=",".join(list_methods()), help="of no-change")
    parser.add_argument("--output", type=Path, help="a .md file")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    warnings.simplefilter("ignore", GeochangeWarning)
    data = arguments.data
    sets = [s for s in list_sets(data) if s.name in SETS]
    makers: dict[str, Callable[[], Iterator[Row]]] = {
        "windows": lambda: (
            r for n in (128, 64) for r in measure_windows(data, n, arguments.windows)
        ),
        "fields": lambda: measure_fields(data),
        "scenes": lambda: measure_scenes(sets),
        "no-change": lambda: measure_no_change(data, arguments.methods.split(",")),
        "speed": measure_speed,
    }
    parts = [describe_machine()]
    for name in arguments.tables.split(","):
        rows = [tell(row) for row in makers[name]()]
        parts.append(f"## {name}\n\n{format_table(rows)}")
    text = "\n\n".join(parts)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
