"""The same work by other software on the same files: Orfeo ToolBox, GDAL, rasterio.

Software that is not installed is left out with a word on how to get it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from processes import Measured, measure, run_step
from rasters import Paths
from runs import MIB, Bench, Row

OTB = "otbcli_MultivariateAlterationDetector"
OTB_MEMORY_MIB = 1024
GDAL = "gdal_polygonize.py"
DEBIAN_PACKAGES = {OTB: "otb-bin", GDAL: "gdal-bin and python3-gdal"}


def compare_mad(bench: Bench, size: int, codec: str, skipped: list[str]) -> Iterator[Row]:
    """Yield rows of MAD by Orfeo ToolBox, which ends with rasters, and of a whole ``irmad`` run."""
    paths = bench.pair(size, codec)
    output = bench.folder / "run"
    theirs = run_otb(paths, bench, skipped)
    settings = {"method": "irmad", **bench.engine()}
    _, ours = run_step(
        "detect", before=paths[0], after=paths[1], output=str(output), settings=settings
    )
    shutil.rmtree(output)
    if theirs is not None:
        title = f"Orfeo ToolBox MAD (-ram {OTB_MEMORY_MIB}): rasters"
        yield show_peer(title, theirs, size)
    yield show_peer("geochange irmad: score, mask, polygons, report", ours, size, theirs)


def run_otb(paths: Paths, bench: Bench, skipped: list[str]) -> Measured | None:
    """Write the MAD rasters of a pair; None when it is not installed."""
    if not is_installed(OTB, skipped):
        return None
    output = bench.folder / "mad.tif"
    words = [OTB, "-in1", paths[0], "-in2", paths[1], "-out", str(output), "float"]
    variables = {
        "OTB_MAX_RAM_HINT": str(OTB_MEMORY_MIB),
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(bench.threads),
    }
    measured = measure([*words, "-ram", str(OTB_MEMORY_MIB)], variables)
    output.unlink()
    return measured


def show_peer(name: str, took: Measured, size: int, other: Measured | None = None) -> Row:
    """Return a row; ratios are to ``other``."""
    return {
        "px": size,
        "what": name,
        "s": f"{took.wall_s:.1f}",
        "CPU s": f"{took.cpu_s:.1f}",
        "peak MiB": f"{took.peak_bytes / MIB:.0f}",
        "ratio": f"{took.wall_s / other.wall_s:.2f}" if other else "",
        "ratio, CPU": f"{took.cpu_s / other.cpu_s:.2f}" if other else "",
    }


def compare_tracing(bench: Bench, size: int, codec: str, skipped: list[str]) -> Iterator[Row]:
    """Yield rows of polygons of one mask: traced in one thread, and written to a GeoPackage."""
    mask = make_mask(bench, size, codec)
    counts = {}
    for name, step in (
        ("rasterio.features.shapes, whole raster", "trace_rasterio"),
        ("geochange, tile by tile, one thread", "trace_geochange"),
    ):
        answer, took = run_step(step, mask=mask)
        counts[name] = answer["count"]
        yield show_tracing(name, size, answer["wall_s"], answer["cpu_s"], took)
    if len(set(counts.values())) > 1:
        skipped.append(f"counts of polygons differ: {counts}")
    yield from compare_vectorizing(bench, mask, size, skipped)
    Path(mask).unlink()


def make_mask(bench: Bench, size: int, codec: str) -> str:
    """Return the mask of a run."""
    output, mask = bench.folder / "run", bench.folder / f"mask-{size}.tif"
    before, after = bench.pair(size, codec)
    settings = {"method": "cva", "products": ["mask"], **bench.engine()}
    run_step("detect", before=before, after=after, output=str(output), settings=settings)
    shutil.move(output / "mask.tif", mask)
    shutil.rmtree(output)
    return str(mask)


def compare_vectorizing(bench: Bench, mask: str, size: int, skipped: list[str]) -> Iterator[Row]:
    """Yield rows of commands that read a mask and write a GeoPackage."""
    output = bench.folder / "polygons.gpkg"
    if is_installed(GDAL, skipped):
        took = measure([GDAL, "-q", "-8", mask, "-mask", mask, "-f", "GPKG", str(output)])
        yield show_tracing(f"{GDAL} to GeoPackage", size, took.wall_s, took.cpu_s, took)
        output.unlink()
    _, took = run_step("vectorize", mask=mask, output=str(output))
    name = "geochange vectorize to GeoPackage"
    yield show_tracing(name, size, took.wall_s, took.cpu_s, took)
    output.unlink()


def show_tracing(name: str, size: int, wall_s: float, cpu_s: float, took: Measured) -> Row:
    return {
        "px": size,
        "polygons of a mask": name,
        "s": f"{wall_s:.2f}",
        "CPU s": f"{cpu_s:.2f}",
        "Mpx/s": f"{size**2 / 1e6 / wall_s:.0f}",
        "peak MiB": f"{took.peak_bytes / MIB:.0f}",
    }


def is_installed(command: str, skipped: list[str]) -> bool:
    """Tell whether a command is there; if not, add the reason to ``skipped``."""
    if shutil.which(command):
        return True
    skipped.append(f"{command} is not installed (Debian: {DEBIAN_PACKAGES[command]})")
    return False
