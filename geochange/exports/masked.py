"""A finished score looked at again: another threshold, another cleaning, without scoring anew."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.alignment.grid import gsd_m
from geochange.engine.runner import open_runner
from geochange.errors import OutputError
from geochange.evaluation.layers import read_levels
from geochange.exports.rasters.cog import write_mask
from geochange.io.files.atomic import check_target, explain_failure
from geochange.io.rasters.rasterfile import RasterFile, describe_raster
from geochange.io.stores.score import MASK_NODATA, SCORE_LEVELS
from geochange.io.stores.tilestore import TileStore
from geochange.maps.areas import parse_area_px
from geochange.maps.changemap import ChangeMap, open_map
from geochange.maps.clean import Cleaning
from geochange.maps.clean import clean as clean_tiles
from geochange.maps.threshold import Threshold, choose_threshold
from geochange.tiles import Tile, TilePlan, Window

TILE_PX = 1024
Score = str | os.PathLike[str] | ChangeMap
"""A score raster (0 to 1 after scale and offset), or a finished run that holds one."""


@dataclass(frozen=True)
class ScoreFile:
    """A score raster read as stored levels."""

    file: RasterFile
    tile_size: int = TILE_PX

    @property
    def geobox(self) -> GeoBox:
        """Grid of the raster."""
        return self.file.geobox

    def read(self, window: Window) -> NDArray[np.uint16]:
        """Read a window as levels, uint16 (H, W); see :mod:`geochange.io.stores.score`."""
        return read_levels(self.file, self.geobox, window)


def open_score(score: Score) -> ScoreFile:
    """Open the score of a finished run, or any score raster.

    Raises
    ------
    InputError
    """
    path = Path(score)
    if path.is_dir():
        path = open_map(path).locate("score.tif", "score")
    return ScoreFile(describe_raster(path).take([0]))


def threshold(score: Score, rule: str | float | None = None, *, threads: int = 0) -> Threshold:
    """Choose a threshold from the exact histogram of a score raster of any size.

    Parameters
    ----------
    score : path or ChangeMap
    rule : str or float, optional
        ``auto otsu triangle rosin kapur hysteresis``, a score, or ``hysteresis:LOW,HIGH``.
        ``p:0.001`` needs the detector and works in :func:`geochange.detect` only. Default: the
        rule of the run, or ``auto`` for a raster from elsewhere.

    Returns
    -------
    Threshold
        ``value`` is None when the rule finds that nothing changed.

    Raises
    ------
    InputError, UsageError

    Examples
    --------
    >>> threshold("out", "otsu").value  # doctest: +SKIP
    0.47
    """
    source = open_score(score)

    def count(tile: Tile) -> NDArray[np.int64]:
        levels = source.read(tile.core).ravel()
        return np.bincount(levels, minlength=SCORE_LEVELS + 1)[:SCORE_LEVELS]

    height, width = (int(n) for n in source.geobox.shape)
    histogram = np.zeros(SCORE_LEVELS, np.int64)
    with open_runner(threads=threads) as runner:
        for counts in runner.run(count, TilePlan((height, width), source.tile_size)):
            histogram += counts
    return choose_threshold(histogram, str(_rule_of(score) if rule is None else rule))


def _rule_of(score: Score) -> str:
    """Return the threshold rule of a finished run; ``auto`` for any other raster."""
    if not Path(score).is_dir():
        return "auto"
    return str(open_map(score).run["threshold"]["rule"])


def clean(
    score: Score,
    output: str | os.PathLike[str],
    rule: str | float | None = None,
    *,
    min_area: str | int = "4px",
    max_hole: str | int = "4px",
    connectivity: int = 8,
    opening: int = 0,
    closing: int = 0,
    threads: int = 0,
    overwrite: bool = False,
) -> Path:
    """Write the change mask of a finished score with another threshold or cleaning.

    Parameters
    ----------
    score : path or ChangeMap
    output : path
        Mask to write, a cloud-optimised GeoTIFF: 0 no change, 1 change, 255 no data.
    rule : str or float, optional
        See :func:`threshold`.
    min_area, max_hole, connectivity, opening, closing, threads, overwrite
        See :func:`geochange.detect`.

    Raises
    ------
    InputError, UsageError, OutputExistsError, OutputError, ResourceError
        ``output`` lies in a run's folder: its mask and polygons belong together.

    Examples
    --------
    >>> clean("out", "strict.tif", 0.7, min_area="200m2")  # doctest: +SKIP
    """
    target = Path(output)
    check_target(target, overwrite=overwrite)
    if (target.parent / "run.json").exists():
        msg = f"{target.parent} is a run, whose files belong together; write elsewhere"
        raise OutputError(msg)
    source = open_score(score)
    size = gsd_m(source.geobox)
    cleaning = Cleaning(
        opening_px=opening,
        closing_px=closing,
        max_hole_px=parse_area_px(max_hole, size),
        min_area_px=parse_area_px(min_area, size),
        connectivity=connectivity,
    )
    found = threshold(score, rule, threads=threads)
    with (
        explain_failure(target),
        tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as name,
        open_runner(threads=threads) as runner,
    ):
        mask = TileStore(Path(name), source.geobox, source.tile_size, "uint8", MASK_NODATA)
        clean_tiles(source, mask, found, cleaning, run=runner.run)
        write_mask(mask, target, tags={"SOFTWARE": "geochange"}, run=runner.run)
    return target
