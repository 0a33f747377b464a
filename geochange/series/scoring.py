"""Find change in every tile of a series: memory depends neither on the dates nor on the size."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.engine.journal import count_levels
from geochange.engine.scoring import RETRIES, explain
from geochange.engine.stages import Stages
from geochange.errors import InputError, InputLostError, OutputError, ResourceError, UsageError
from geochange.io.stores.score import SCORE_LEVELS, SCORE_NODATA, encode_score
from geochange.io.stores.tilestore import TileStore, put
from geochange.series.protocol import (
    Found,
    Monitor,
    SeriesBlock,
    SeriesDetector,
    State,
    unfold,
)
from geochange.series.smoothing import TimeFilter
from geochange.series.stack import Series
from geochange.tiles import Tile, TilePlan

FIT_TILE_PX = 64
FIT_VALUES = 24_000_000
"""Numbers of the sample that a method learns the scene from."""
FIT_PIXELS = 500_000
TASK_BYTES = 160 * 2**20
"""What a task may hold where no limit is given."""
MOST_TASK_BYTES = 2**30
"""What it may hold all the same, where not even the smallest tile fits and no limit is given."""
TILE_SIZES_PX = (512, 256, 128, 64, 32)
MAX_LOST_SHARE = 0.5
NO_DAY = 0


@dataclass(frozen=True)
class SeriesStores:
    """Scratch rasters of what was found, tile by tile.

    Attributes
    ----------
    folder : Path
    geobox : GeoBox
    tile_size : int
    bands : int
    """

    folder: Path
    geobox: GeoBox
    tile_size: int
    bands: int

    @property
    def score(self) -> TileStore:
        """Levels of the score, uint16; a tile that is here is done."""
        return self._store("score", "uint16", SCORE_NODATA)

    @property
    def day(self) -> TileStore:
        """Ordinal of the first date that shows the likeliest change, int32; 0 for none."""
        return self._store("day", "int32", NO_DAY)

    @property
    def since(self) -> TileStore:
        """Ordinal of the last valid date before, int32."""
        return self._store("since", "int32", NO_DAY)

    def magnitude(self, band: int) -> TileStore:
        """Change of a band, float32; NaN where unknown."""
        return self._store(f"magnitude{band}", "float32", math.nan)

    def _store(self, name: str, dtype: str, nodata: float) -> TileStore:
        return TileStore(self.folder / name, self.geobox, self.tile_size, dtype, nodata)

    def write(self, tile: Tile, found: Found) -> NDArray[np.uint16]:
        """Write a tile, its score last; returns the stored score."""
        stored = encode_score(found.score)
        self.day.write(tile, found.day)
        self.since.write(tile, found.since)
        for band, change in enumerate(found.magnitude):
            self.magnitude(band).write(tile, change)
        self.score.write(tile, stored)
        return stored


@dataclass(frozen=True, slots=True)
class StateFiles:
    """What a monitor knows of each tile, as files of plain arrays.

    Attributes
    ----------
    folder : Path
    """

    folder: Path

    def path(self, tile: Tile) -> Path:
        """Return the file of a tile."""
        return self.folder / f"{tile.core.row:07d}" / f"{tile.core.col:07d}.npz"

    def write(self, tile: Tile, state: State) -> None:
        """Write the state of a tile, whole or not at all; nothing in it is code."""
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, **state)
        put(self.path(tile), content.getbuffer())

    def read(self, tile: Tile) -> State:
        """Read the state of a tile.

        Raises
        ------
        InputError
            It is missing or damaged.
        """
        path = self.path(tile)
        try:
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except Exception as error:
            msg = f"state file {path} is missing or damaged ({type(error).__name__}); start anew"
            raise InputError(msg) from error


@dataclass
class SeriesScored:
    """What is known once all tiles are done.

    Attributes
    ----------
    histogram : int64 (65535,)
        Pixels per level of the score.
    quarantine : list of dict
        Tiles that could not be read or worked on; they are without data.
    """

    histogram: NDArray[np.int64]
    quarantine: list[dict[str, object]]


def choose_series_tile(
    shape: tuple[int, int],
    per_pixel: int,
    wanted: int | None,
    halo: int,
    budget: int = TASK_BYTES,
    most: int = 0,
) -> int:
    """Return a tile edge in pixels: what was asked for, else the largest that fits a budget.

    Where none fits, the smallest may take up to ``most`` bytes: a network over many dates.

    Raises
    ------
    UsageError
        It is below 16.
    ResourceError
        Not even the smallest fits.

    Examples
    --------
    >>> choose_series_tile((5000, 5000), per_pixel=4000, wanted=None, halo=0)
    128
    """
    if wanted is not None:
        if wanted < 16:
            msg = f"tile size must be at least 16 px, got {wanted}"
            raise UsageError(msg)
        return int(wanted)
    for size in TILE_SIZES_PX:
        if (size + 2 * halo) ** 2 * per_pixel <= budget:
            return min(size, -(-max(shape) // 16) * 16)
    smallest = TILE_SIZES_PX[-1]
    need = (smallest + 2 * halo) ** 2 * per_pixel
    if need <= most:
        return smallest
    msg = (
        f"a task needs {-(-need // 2**20)} MiB for the smallest tile; allow more (--memory-limit), "
        "give fewer dates or take another method"
    )
    raise ResourceError(msg)


def fit_series(
    detector: SeriesDetector, series: Series, smoothing: TimeFilter, stages: Stages
) -> None:
    """Show a method an even, seeded choice of windows of all dates, the same for any tiling."""
    values = max(1, len(series) * len(series.bands))
    size = min(FIT_TILE_PX, max(series.shape))
    pixels = min(FIT_PIXELS, max(4 * size**2, FIT_VALUES // values))
    days = series.ordinals

    def read(tile: Tile) -> SeriesBlock | None:
        try:
            images, valid = series.read(tile.core)
        except InputError:
            return None
        return SeriesBlock(*smoothing.apply(images, valid, days), days)

    tiles = TilePlan(series.shape, size).sample(pixels)
    blocks = [block for block in stages.run_here(read, tiles, in_flight=2) if block is not None]
    if not blocks:
        series.read(tiles[0].core)  # raises what is wrong
    detector.fit(blocks)


def score_series_tiles(
    detector: SeriesDetector,
    series: Series,
    stores: SeriesStores,
    smoothing: TimeFilter,
    stages: Stages,
    state: StateFiles | None = None,
    before: StateFiles | None = None,
) -> SeriesScored:
    """Write what was found in every tile; what is there already is not redone.

    A monitor reads one date after the other and holds none; any other method holds all dates of a
    tile.

    Parameters
    ----------
    detector : SeriesDetector
    series : Series
    stores : SeriesStores
    smoothing : TimeFilter
    stages : Stages
    state : StateFiles, optional
        Where a monitor's state is kept.
    before : StateFiles, optional
        State to begin from: the series then holds the dates that are new.

    Raises
    ------
    InputError
        Nothing, or less than half, could be read.
    """
    height, width = series.shape
    plan = TilePlan((height, width), stores.tile_size, detector.halo)

    def work(tile: Tile) -> tuple[NDArray[np.uint16], NDArray[np.uint32], str]:
        done = stores.score.has(tile.index) and (state is None or state.path(tile).exists())
        if done:
            return *count_levels(stores.score.read(tile.core)), ""
        found = _find(detector, series, smoothing, tile, state, before)
        return *count_levels(stores.write(tile, found)), ""

    def give_up(tile: Tile, error: Exception) -> tuple[NDArray[np.uint16], NDArray[np.uint32], str]:
        if isinstance(error, OutputError) or before is not None or state is not None:
            raise error
        nothing = np.zeros(tile.core.shape, np.int32)
        change = np.full((stores.bands, *tile.core.shape), np.nan, np.float32)
        score = np.full(tile.core.shape, np.nan, np.float32)
        stores.write(tile, Found(score, nothing, nothing, change))
        return np.zeros(0, np.uint16), np.zeros(0, np.uint32), explain(error)

    scored = SeriesScored(np.zeros(SCORE_LEVELS, np.int64), [])
    lost = 0
    results = stages.run(work, plan, retries=RETRIES, rescue=give_up, in_flight=4)
    for tile, (levels, counts, reason) in zip(plan, results, strict=True):
        scored.histogram[levels] += counts
        if reason:
            lost += tile.core.size
            place = {"tile": tile.index, "row": tile.core.row, "col": tile.core.col}
            scored.quarantine.append({**place, "lost_px": tile.core.size, "reason": reason})
            if lost > MAX_LOST_SHARE * height * width:
                msg = f"more than half of the scene is lost; {reason}"
                raise InputLostError(msg)
    if not scored.histogram.any():
        msg = (
            f"no pixel of the {height} x {width} px grid has enough valid dates for this method; "
            "check clouds, masks, nodata and the area of interest, or give more dates"
        )
        raise InputError(msg)
    return scored


def _find(
    detector: SeriesDetector,
    series: Series,
    smoothing: TimeFilter,
    tile: Tile,
    state: StateFiles | None,
    before: StateFiles | None,
) -> Found:
    days = series.ordinals
    if isinstance(detector, Monitor) and smoothing.is_idle:
        known = before.read(tile) if before else None
        pixels, bands = tile.core.size, len(series.bands)
        running = detector.start(pixels, bands) if known is None else known
        for (image, valid), day in zip(series.walk(tile.core), days.tolist(), strict=True):
            detector.update(running, image.reshape(bands, -1), valid.ravel(), day)
        if state is not None:
            state.write(tile, running)
        return unfold(detector.report(running), tile.core.shape)
    images, valid = series.read(tile.read)
    images, valid = smoothing.apply(images, valid, days)
    found = detector.score_series(images, valid, days)
    return found.inner(*tile.core_in_read)
