"""Labels on the grid of a run: 0 unchanged, 1 changed, 255 where nobody looked."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyogrio.errors import DataSourceError

from geochange.errors import DataWarning, InputError
from geochange.evaluation.counts import UNKNOWN
from geochange.evaluation.reference import LabelRaster, open_label
from geochange.io.polygons import place_polygons
from geochange.io.provenance import describe_file
from geochange.io.rasters.masks import VectorMask, is_vector
from geochange.io.vector import read_vector
from geochange.labels.fields import LOOKED
from geochange.labels.schema import Schema
from geochange.labels.vectors import TILES
from geochange.tiles import Window

SILENT_CLASSES = tuple(c.name for c in Schema().classes if c.ignore)
"""Names of classes whose polygons say nothing."""
UNCERTAIN = "uncertainty"
"""Reason of tiles that a model's doubt put first."""
PROJECT = "project.db"
"""File by which a folder is known as a project of the labelling tool."""


@dataclass(frozen=True)
class GroundTruth:
    """What people say of the pixels of a grid.

    Attributes
    ----------
    raster : LabelRaster or None
    drawn, looked : VectorMask or None
        Polygons of change, and the area that was looked at; None for all of the grid.
    chosen_by_model : int
        Tiles that were looked at because a model was unsure of them.
    untold : VectorMask or None
        Polygons that nobody has judged, and those of a class that says nothing.
    """

    raster: LabelRaster | None = None
    drawn: VectorMask | None = None
    looked: VectorMask | None = None
    chosen_by_model: int = 0
    untold: VectorMask | None = None

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read a window, uint8 (H, W)."""
        if self.raster is not None:
            codes, _ = self.raster.read(window)
        elif self.drawn is not None:
            codes = self.drawn.read(window).astype(np.uint8)
        else:
            codes = np.zeros(window.shape, np.uint8)
        if self.looked is not None:
            codes[~self.looked.read(window)] = UNKNOWN
        if self.untold is not None:
            codes[self.untold.read(window) & (codes == 0)] = UNKNOWN
        return codes


def open_labels(
    labels: str | os.PathLike[str],
    geobox: GeoBox,
    *,
    area: str | os.PathLike[str] | None = None,
    changed: Sequence[float] | None = None,
    ignore: Sequence[float] | None = None,
) -> GroundTruth:
    """Open labels on a grid.

    Parameters
    ----------
    labels : path
        A raster (0 unchanged, 255 or nodata where nobody looked, else change), or polygons of
        change. Of a GeoPackage that the labelling tool wrote, accepted polygons count, inside tiles
        that were gone through; those without a verdict and those of a class ``ignore`` are left
        out, as they are of a mask.
    geobox : GeoBox
    area : path, optional
        Polygons of what was looked at; all that was not drawn there is unchanged. Without it, and
        without tiles, that holds for the whole map, which is warned of.
    changed, ignore
        Values of a label raster, see :func:`geochange.evaluate`; of labels of the labelling tool
        the numbers of classes.

    Raises
    ------
    InputError, GridError
    """
    path = os.fspath(labels)
    if (Path(path) / PROJECT).is_file():
        msg = (
            f"{path} is a project of labels; write a file first: "
            f"geochange export {path} labels.gpkg"
        )
        raise InputError(msg)
    looked = None if area is None else _mask(read_vector(os.fspath(area)), geobox, os.fspath(area))
    if not is_vector(path):
        raster = open_label(path, geobox, changed, ignore)
        reader = replace(raster.reader, geobox=geobox)
        return GroundTruth(replace(raster, reader=reader), None, looked)
    names = _list_layers(path)
    frame = read_vector(path, layer=_first_drawn(names))
    drawn, untold = _part(frame, changed, ignore)
    chosen = 0
    if looked is None and TILES in names:
        tiles = read_vector(path, layer=TILES)
        tiles = tiles[tiles["state"].isin(LOOKED)]
        looked = _mask(tiles, geobox, path)
        chosen = int((tiles["reason"] == UNCERTAIN).sum()) if "reason" in tiles else 0
    elif looked is None:
        msg = f"{path} does not say where somebody looked: all else counts as unchanged; give area"
        warnings.warn(msg, DataWarning, stacklevel=3)
    hidden = _mask(untold, geobox, path) if len(untold) else None
    return GroundTruth(None, _mask(drawn, geobox, path), looked, chosen, hidden)


def _part(
    frame: Any, changed: Sequence[float] | None, ignore: Sequence[float] | None
) -> tuple[Any, Any]:
    """Return polygons of change, and those of which nothing is known."""
    nowhere = np.zeros(len(frame), bool)
    rejected, untold, other = nowhere, nowhere.copy(), nowhere.copy()
    if "verdict" in frame:
        rejected = ~frame["verdict"].isin(("accepted", "pending")).to_numpy()
        untold |= (frame["verdict"] == "pending").to_numpy()
    if "class" in frame:
        untold |= frame["class"].isin(SILENT_CLASSES).to_numpy()
    if "class_id" in frame:
        untold |= frame["class_id"].isin(ignore or ()).to_numpy()
        other = ~frame["class_id"].isin(changed).to_numpy() if changed else nowhere
    return frame[~rejected & ~untold & ~other], frame[~rejected & untold]


def _list_layers(path: str) -> list[str]:
    """Return the layers of a file; none when it cannot be read, which reading it explains."""
    try:
        return [str(name) for name, _ in pyogrio.list_layers(path)]
    except DataSourceError:
        return []


def _first_drawn(names: list[str]) -> str | None:
    drawn = [name for name in names if name != TILES]
    return drawn[0] if drawn else None


def _mask(frame: Any, geobox: GeoBox, name: str) -> VectorMask:
    if not len(frame):
        return VectorMask((), geobox)
    return VectorMask(tuple(place_polygons(frame.geometry, frame.crs, geobox, name)), geobox)


def describe_labels(*paths: str | os.PathLike[str] | None) -> list[dict[str, object]]:
    """Return size and hash of label files."""
    return [describe_file(path) for path in paths if path is not None]
