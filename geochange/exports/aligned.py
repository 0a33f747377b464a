"""Both dates of a pair on one grid, registered, as files for other software."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.windows import Window as RasterioWindow

from geochange.alignment.inputs import describe_inputs
from geochange.alignment.pair import Pair, open_pair
from geochange.engine.preparing import check_preparation, prepare_pair
from geochange.engine.runner import open_runner
from geochange.engine.sizing import choose_tile_size
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.exports.registered import draw_registration, write_tie_points
from geochange.io.files.outputs import new_folder, write_json
from geochange.io.rasters.scene import Source
from geochange.registration.result import Registration
from geochange.tiles import TilePlan, Window

BLOCK_PX = 512
CACHE_BYTES = 32 * 2**20
"""Of pixels that GDAL holds while it copies; by default a share of the machine's memory."""


def align(
    before: Source,
    after: Source,
    output: str | os.PathLike[str],
    *,
    register: str = "auto",
    normalize: str = "off",
    denoise: str = "none",
    denoise_window: int | None = None,
    looks: float | None = None,
    tile_size: int | None = None,
    threads: int = 0,
    overwrite: bool = False,
    on_progress: Progress = report_nothing,
    **pair_settings: object,
) -> tuple[list[Path], tuple[str, ...]]:
    """Write both dates on one grid as ``before.tif`` and ``after.tif``, the after date registered.

    Cloud-optimised GeoTIFFs, float32 with scale and offset applied, NaN where either date holds no
    data, bands in matched order with their names. What registration measured is written as points,
    ``tie_points.gpkg``, and drawn, ``displacements.png``; what it found and did stands in
    ``run.json``.

    Parameters
    ----------
    before, after
        See :func:`geochange.open_pair`, which also takes ``pair_settings``.
    output : path
        Directory to create; appears complete or not at all.
    register : {'auto', 'off', 'global', 'local'}
        See :func:`geochange.register`.
    normalize : {'off', 'auto', 'linear', 'irmad', 'histogram'}
        See :func:`geochange.normalize`.
    denoise, denoise_window, looks
        See :func:`geochange.denoise`.

    Returns
    -------
    paths : list of Path
    notes : tuple of str
        What was done to bring the dates together.

    Examples
    --------
    >>> align("before.tif", "after.tif", "aligned", grid="finest")  # doctest: +SKIP
    """
    settings = {
        "register": register,
        "normalize": normalize,
        "denoise": denoise,
        "denoise_window": denoise_window,
        "looks": looks,
    }
    check_preparation(settings)
    pair = open_pair(before, after, **pair_settings)  # type: ignore[arg-type]
    target = Path(output)
    with (
        new_folder(target, overwrite=overwrite, inputs=pair.paths) as folder,
        open_runner(threads=threads) as runner,
    ):
        stages = Stages(runner, on_progress)
        prepared = prepare_pair(pair, settings, stages)
        pair = prepared.pair
        size = choose_tile_size(pair.shape, len(pair.before.bands), tile_size)
        with stages.stage("align"):
            _write_dates(pair, folder, TilePlan(pair.shape, size), stages)
        for name in ("before", "after"):
            with stages.stage(f"write {name}"):
                _finish(folder / f"{name}.partial.tif", folder / f"{name}.tif")
        _write_registration(prepared.registration, pair, folder)
        run = {"kind": "align", "inputs": describe_inputs(pair), "notes": list(pair.notes)}
        write_json(folder / "run.json", run | prepared.describe())
    return [target / "before.tif", target / "after.tif"], pair.notes


def _write_registration(found: Registration, pair: Pair, folder: Path) -> None:
    """Write what registration measured, where it measured anything."""
    if found.ties:
        write_tie_points(found, pair, folder / "tie_points.gpkg")
        (folder / "displacements.png").write_bytes(draw_registration(found, pair.shape))


def _write_dates(pair: Pair, folder: Path, plan: TilePlan, stages: Stages) -> None:
    grid = Window(0, 0, *pair.shape)
    with (
        _create(folder / "before.partial.tif", pair, pair.before.bands) as first,
        _create(folder / "after.partial.tif", pair, pair.after.bands) as second,
    ):
        for block in stages.run_here(pair.read, plan, in_flight=2):
            inside = block.tile.core.intersect(grid) or block.tile.core
            place = RasterioWindow(inside.col, inside.row, inside.width, inside.height)
            inner = block.tile.core_in_read
            for dataset, pixels in ((first, block.before), (second, block.after)):
                core = np.where(block.valid[inner], pixels[:, *inner], np.float32(np.nan))
                dataset.write(core, window=place)


def _create(path: Path, pair: Pair, bands: tuple[str, ...]) -> rasterio.io.DatasetWriter:
    height, width = pair.shape
    dataset = rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=len(bands),
        dtype="float32",
        nodata=np.nan,
        crs=None if pair.geobox.crs is None else pair.geobox.crs.to_wkt(),
        transform=pair.geobox.affine,
        tiled=True,
        blockxsize=BLOCK_PX,
        blockysize=BLOCK_PX,
        compress="zstd",
        zstd_level=1,
        bigtiff="IF_SAFER",
    )
    dataset.descriptions = bands
    return dataset


def _finish(partial: Path, path: Path) -> None:
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
        rasterio.shutil.copy(
            partial,
            path,
            driver="COG",
            compress="ZSTD",
            predictor="YES",
            bigtiff="IF_SAFER",
            num_threads="ALL_CPUS",
            overview_resampling="AVERAGE",
        )
    partial.unlink()
