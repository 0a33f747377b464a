"""Change that has a date: which pixels belong together, and polygons that tell when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import geopandas
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.io.stores.score import SCORE_NODATA, SCORE_SCALE
from geochange.io.stores.tilestore import TileStore
from geochange.maps.geodesy import measure_ground
from geochange.maps.polygons import outline, to_world
from geochange.maps.runs import Runs
from geochange.maps.sweep import RasterSource, Runner, sweep
from geochange.maps.totals import Sums
from geochange.tiles import Tile, Window

DAY_NODATA = 65535
"""Stored day where nothing changed or nothing is known."""
PASSES = 2
"""Times that neighbours vote on the day of a pixel."""


@dataclass(frozen=True)
class Dating:
    """Days of changed pixels, settled among neighbours.

    Attributes
    ----------
    mask : TileStore
        1 is change.
    day : TileStore
        Ordinal of each pixel's likeliest change, int32; 0 for none.
    zero : int
        Ordinal that is stored as 0.
    """

    mask: TileStore
    day: TileStore
    zero: int

    def settle(self, tile: Tile) -> NDArray[np.uint16]:
        """Return the stored days of a tile's core, uint16 (H, W).

        Clouds and noise move the date of single pixels; each changed pixel takes the day that most
        of the changed pixels in its 3 x 3 have, its own where there is a tie, twice.
        """
        wide = tile.core.pad(PASSES)
        days = np.where(self.mask.read(wide) == 1, self.day.read(wide), 0)
        for _ in range(PASSES):
            days = vote(days)
        days = days[tile.core.slices_in(wide)]
        changed = self.mask.read(tile.core) == 1
        stored = np.where(changed & (days > 0), days - self.zero, DAY_NODATA)
        return stored.astype(np.uint16)


def vote(days: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give each pixel of change the day that is most frequent around it; 0 is no day.

    Examples
    --------
    >>> vote(np.array([[5, 5, 5], [5, 9, 5], [0, 0, 0]], np.int32))[1, 1]
    np.int32(5)
    """
    height, width = days.shape
    padded = np.pad(days, 1)
    around = np.stack([padded[r : r + height, c : c + width] for r in range(3) for c in range(3)])
    votes = np.stack([((around == one) & (one > 0)).sum(axis=0) for one in around])
    order = [4, 0, 1, 2, 3, 5, 6, 7, 8]
    best = votes[order].argmax(axis=0)
    winner = np.take_along_axis(around[order], best[None], 0)[0]
    settled: NDArray[np.int32] = np.where(days > 0, winner, 0).astype(np.int32)
    return settled


@dataclass(frozen=True, slots=True)
class OneDay:
    """The pixels that changed at one day, as a mask.

    Attributes
    ----------
    days : TileStore
        Stored days, uint16.
    wanted : int
    """

    days: TileStore
    wanted: int

    @property
    def geobox(self) -> GeoBox:
        """Grid of the raster."""
        return self.days.geobox

    @property
    def tile_size(self) -> int:
        """Edge of a window in pixels."""
        return self.days.tile_size

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read a window, 1 where it changed on that day."""
        mask: NDArray[np.uint8] = (self.days.read(window) == self.wanted).astype(np.uint8)
        return mask


@dataclass(frozen=True)
class DatedEvidence:
    """Score, last day before and change of every band of changed pixels.

    Attributes
    ----------
    score, since : TileStore
    magnitudes : tuple of TileStore
    end : int
        Ordinal of the date that shows the change first; what a pixel whose own date is another one
        last saw later than that does not count.
    """

    score: TileStore
    since: TileStore
    magnitudes: tuple[TileStore, ...]
    end: int = 2**31 - 1

    def describe(self, tile: Tile, runs: Runs) -> Sums:
        """Return sums over runs - pixels with score, levels, change by band - and peaks."""
        rows, cols = np.divmod(runs.places, tile.core.width + 1)
        top, left = int(rows.min()), int(cols.min())
        height, width = int(rows.max()) - top + 1, int(cols.max()) - left + 1
        box = Window(tile.core.row + top, tile.core.col + left, height, width)
        at = rows - top, cols - left
        level = self.score.read(box)[at].astype(np.int64)
        level[level == SCORE_NODATA] = -1
        changes = [store.read(box)[at] for store in self.magnitudes]
        columns: list[NDArray[Any]] = [level >= 0, np.maximum(level, 0)]
        columns += [np.nan_to_num(change) for change in changes]
        first = np.cumsum(runs.lengths) - runs.lengths
        sums = [np.add.reduceat(column, first, dtype=np.float64) for column in columns]
        since = self.since.read(box)[at]
        since = np.where(since < self.end, since, 0)
        peaks = [np.maximum.reduceat(one, first).astype(np.float64) for one in (level, since)]
        return np.stack(sums, axis=1), np.stack(peaks, axis=1)


def dated_features(
    days: TileStore,
    evidence: DatedEvidence,
    found: Sequence[int],
    zero: int,
    bands: Sequence[str],
    roles: Sequence[str | None],
    *,
    connectivity: int = 8,
    least_px: int = 1,
    run: Runner = map,
) -> Iterator[geopandas.GeoDataFrame]:
    """Yield polygons of change, those of one day together, in order of time.

    Parameters
    ----------
    days : TileStore
        Stored days, uint16.
    evidence : DatedEvidence
    found : sequence of int
        The stored days that occur, rising.
    zero : int
        Ordinal of the stored day 0.
    bands, roles : sequence of str
    connectivity : {4, 8}
    least_px : int
        Smaller ones are left out: they are slivers of a change of another day.
    run : callable
        How the loops over tiles run.

    Yields
    ------
    GeoDataFrame
        In the CRS of the grid, with ``id, class, score_mean, score_max, pixels, area_m2,
        perimeter_m, date_start`` (the last valid date without the change), ``date_end`` (the first
        that shows it) and ``delta_<band>``.
    """
    number = 0
    crs = None if days.geobox.crs is None else days.geobox.crs.to_wkt()
    for wanted in found:
        source: RasterSource = OneDay(days, wanted)
        own = replace(evidence, end=wanted + zero)
        for components in sweep(source, connectivity, own.describe, run=run):
            sums, peaks = components.totals.sums, components.totals.peaks
            kept = sums[:, 0] >= least_px
            if not kept.any():
                continue
            geometry = outline(components)[kept]
            sums, peaks = sums[kept], peaks[kept]
            pixels, deltas = sums[:, 0], sums[:, 5:] / sums[:, :1]
            area, perimeter = measure_ground(geometry, days.geobox)
            columns: dict[str, Any] = {
                "id": np.arange(number + 1, number + 1 + len(sums)),
                "class": name_changes(deltas, roles),
                "score_mean": sums[:, 4] / np.maximum(sums[:, 3], 1) * SCORE_SCALE,
                "score_max": np.maximum(peaks[:, 0], 0) * SCORE_SCALE,
                "pixels": pixels.astype(np.int64),
                "area_m2": area,
                "perimeter_m": perimeter,
                "date_start": np.array([_iso(int(day)) for day in peaks[:, 1]], np.object_),
                "date_end": np.full(len(sums), _iso(wanted + zero), np.object_),
            }
            columns |= {
                f"delta_{band}": change for band, change in zip(bands, deltas.T, strict=True)
            }
            number += len(sums)
            world = to_world(geometry, days.geobox)
            yield geopandas.GeoDataFrame(columns, geometry=world, crs=crs)


def _iso(ordinal: int) -> str | None:
    return date.fromordinal(ordinal).isoformat() if ordinal > 0 else None


def name_changes(deltas: NDArray[np.float64], roles: Sequence[str | None]) -> NDArray[np.object_]:
    """Name the kind of change of each polygon from how its bands changed.

    Where red and near infrared are known and go opposite ways: ``vegetation_loss`` or
    ``vegetation_gain``; else by the sum over the bands ``brighter`` or ``darker``.

    Parameters
    ----------
    deltas : float64 (N, C)
    roles : sequence of str or None

    Examples
    --------
    >>> deltas = np.array([[300.0, -900.0], [200.0, 100.0], [-200.0, 0.0]])
    >>> name_changes(deltas, ["red", "nir"]).tolist()
    ['vegetation_loss', 'brighter', 'darker']
    """
    total = deltas.sum(axis=1)
    named = np.where(total >= 0, "brighter", "darker").astype(np.object_)
    if "red" in roles and "nir" in roles:
        red, nir = deltas[:, list(roles).index("red")], deltas[:, list(roles).index("nir")]
        named[(red > 0) & (nir < 0)] = "vegetation_loss"
        named[(red < 0) & (nir > 0)] = "vegetation_gain"
    return named
