"""Labels as a raster on the grid of the pair, read by windows of any size."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.evaluation.counts import UNKNOWN
from geochange.exports.rasters.cog import Color, write_cog
from geochange.io.files.atomic import check_target, explain_failure
from geochange.io.rasters.masks import VectorMask
from geochange.io.stores.tilestore import TileStore
from geochange.labels.content import Labels
from geochange.labels.fields import LOOKED, SILENT
from geochange.labels.provenance import describe_labels
from geochange.maps.sweep import Runner
from geochange.tiles import Tile, Window

TILE_PX = 1024
UNCHANGED = 0


@dataclass(frozen=True)
class LabelMask:
    """What each pixel is, read by windows: a :class:`~geochange.maps.sweep.RasterSource`.

    A pixel is of a class when its centre lies in an accepted polygon; where several lie, the last
    one counts. It is 0, unchanged, where a tile has been gone through and nothing is drawn. It is
    255, unknown, where nobody has looked, in tiles that are ``unsure`` or ``unusable`` (whatever is
    drawn there), in polygons of a class that is ignored and in those that nobody has judged yet.

    Attributes
    ----------
    labels : Labels
    binary : bool
        1 for every class instead of its number.
    tile_size : int

    Examples
    --------
    >>> import geopandas, shapely
    >>> from geochange.labels.content import gather
    >>> grid = GeoBox((3, 5), Affine.identity(), None)
    >>> drawn = geopandas.GeoDataFrame(geometry=[shapely.box(1, 0, 3, 2)])
    >>> LabelMask(gather(drawn, grid)).read(Window(0, 0, 3, 6))
    array([[  0,   1,   1,   0,   0, 255],
           [  0,   1,   1,   0,   0, 255],
           [  0,   0,   0,   0,   0, 255]], dtype=uint8)
    """

    labels: Labels
    binary: bool = False
    tile_size: int = TILE_PX

    @property
    def geobox(self) -> GeoBox:
        """Grid of the labels."""
        return self.labels.geobox

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """Which polygons are drawn, in which order: those without a verdict first."""
        verdicts = self.labels.polygons["verdict"].to_numpy()
        pending, accepted = (np.flatnonzero(verdicts == v) for v in ("pending", "accepted"))
        return np.concatenate([pending, accepted])

    @cached_property
    def _drawn(self) -> VectorMask:
        plane = GeoBox(self.geobox.shape, Affine.identity(), None)
        return VectorMask(tuple(self.labels.pixels[self._order]), plane)

    @cached_property
    def _values(self) -> NDArray[np.uint8]:
        """Value of each drawn polygon, uint8 (N + 1,); of none at 0."""
        chosen = self.labels.polygons.iloc[self._order]
        silent = {c.id for c in self.labels.schema.classes if c.ignore}
        values = chosen["class_id"].to_numpy(np.uint8)
        known = (chosen["verdict"] == "accepted").to_numpy() & ~np.isin(values, list(silent))
        burnt = np.where(known, 1 if self.binary else values, UNKNOWN)
        return np.concatenate([[0], burnt]).astype(np.uint8)

    @cached_property
    def _tiles(self) -> NDArray[np.int64]:
        """First and last+1 row and column of each tile, and what it says, int64 (N, 5)."""
        tiles = self.labels.tiles
        top, left = (tiles[name].to_numpy(np.int64) for name in ("row", "col"))
        bottom, right = (
            start + tiles[name].to_numpy(np.int64)
            for start, name in ((top, "height"), (left, "width"))
        )
        says = np.select([tiles["state"].isin(LOOKED), tiles["state"].isin(SILENT)], [1, -1], 0)
        return np.column_stack([top, bottom, left, right, says])

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read a window, uint8 (H, W); outside the grid all is 255."""
        codes = np.full(window.shape, UNKNOWN, np.uint8)
        top, bottom, left, right, says = self._tiles.T
        near = (top < window.stop_row) & (bottom > window.row)
        near &= (left < window.stop_col) & (right > window.col)
        places = [(_cut(row, window), says) for *row, says in self._tiles[near].tolist()]
        for place, says in places:
            if says > 0:
                codes[place] = UNCHANGED
        numbers = self._drawn.number(window)
        np.copyto(codes, self._values[numbers], where=numbers > 0)
        for place, says in places:
            if says < 0:
                codes[place] = UNKNOWN
        return codes


def _cut(sides: list[int], window: Window) -> tuple[slice, slice]:
    top, bottom, left, right = sides
    rows = slice(max(top - window.row, 0), max(bottom - window.row, 0))
    return rows, slice(max(left - window.col, 0), max(right - window.col, 0))


def write_mask(
    labels: Labels,
    path: str | os.PathLike[str],
    *,
    binary: bool = False,
    overwrite: bool = False,
    run: Runner = map,
) -> Path:
    """Write labels as a Cloud Optimized GeoTIFF of classes; see :class:`LabelMask`.

    Memory does not grow with the raster.

    Parameters
    ----------
    labels : Labels
    path : path
    binary : bool
        0 and 1 instead of the numbers of the classes.
    overwrite : bool
    run : callable
        How the loop over tiles runs; see :class:`~geochange.maps.sweep.Runner`.

    Raises
    ------
    OutputExistsError, OutputError, ResourceError

    Examples
    --------
    >>> write_mask(labels, "labels.tif")  # doctest: +SKIP
    """
    target = Path(path)
    check_target(target, overwrite=overwrite)
    mask = LabelMask(labels, binary)
    with (
        explain_failure(target),
        tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as folder,
    ):
        store = TileStore(Path(folder), labels.geobox, mask.tile_size, "uint8", UNKNOWN)
        for _ in run(partial(_store, mask, store), store.plan):
            pass
        facts = json.dumps(describe_labels(labels))
        return write_cog(
            store,
            target,
            description="change" if binary else "class",
            colormap=_colours(labels, binary=binary),
            tags={"SOFTWARE": "geochange", "GEOCHANGE_LABELS": facts},
            overviews="nearest",
            run=run,
        )


def _store(mask: LabelMask, store: TileStore, tile: Tile) -> None:
    store.write(tile, mask.read(tile.core))


def _colours(labels: Labels, *, binary: bool) -> Mapping[int, Color]:
    colours: dict[int, Color] = {UNCHANGED: (255, 255, 255, 255), UNKNOWN: (128, 128, 128, 0)}
    for one in reversed(labels.schema.classes):
        red, green, blue = bytes.fromhex(one.colour[1:])
        if not one.ignore:
            colours[1 if binary else one.id] = (red, green, blue, 255)
    return colours
