"""A raster of classes becomes polygons, exactly, and tiles that somebody has looked at."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.errors import DataWarning, GridError, InputError
from geochange.evaluation.counts import UNKNOWN
from geochange.evaluation.reference import extend_grid, place_label
from geochange.io.geotiff import GridReader
from geochange.io.rasterfile import RasterFile, describe_raster
from geochange.labels.schema import Schema
from geochange.maps.polygons import polygonize
from geochange.tiles import TilePlan, Window

TILE_PX = 1024
CONNECTIVITY = 4
"""Pixels that share only a corner are two polygons: simpler to edit."""


class Codes(Protocol):
    """Classes by windows, such as a :class:`~geochange.labels.mask.LabelMask`."""

    @property
    def geobox(self) -> GeoBox:
        """Grid of the classes."""
        ...

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read a window, uint8 (H, W): 0 unchanged, 255 unknown."""
        ...


@dataclass
class TracedLabels:
    """What a raster of classes tells.

    Attributes
    ----------
    pixels : list of shapely Polygon
        In pixels, class after class.
    classes : list of int
    states : dict of Window to str
        ``labelled`` or ``no_change`` for each window whose pixels are known, as far as polygons can
        say so.
    unknown : Counter
        Values that no class has, and how many polygons had them.
    """

    pixels: list[Any] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    states: dict[Window, str] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class CodeFile:
    """A raster of classes of any grid, by the nearest pixel: :class:`Codes`.

    Attributes
    ----------
    reader : GridReader
    nodata : float or None
        A further value that says nothing.
    changed : int or None
        The class of 255, for rasters of 0 and 255 alone.
    """

    reader: GridReader
    nodata: float | None = None
    changed: int | None = None

    @property
    def geobox(self) -> GeoBox:
        """See :class:`Codes`."""
        return self.reader.geobox

    def read(self, window: Window) -> NDArray[np.uint8]:
        """See :meth:`Codes.read`."""
        pixels, valid = self.reader.read(window)
        known = valid if self.nodata is None else valid & (pixels[0] != self.nodata)
        if self.changed is not None:
            return np.where(known, (pixels[0] > 0) * self.changed, UNKNOWN).astype(np.uint8)
        wrong = known & ((pixels[0] < 0) | (pixels[0] > UNKNOWN) | (pixels[0] % 1 != 0))
        if wrong.any():
            msg = (
                f"{self.reader.file.path} holds {pixels[0][wrong][0]:g}, which is no class; a mask "
                "holds whole numbers 0 to 254, and 255 where nothing is known"
            )
            raise InputError(msg)
        return np.where(known, pixels[0], UNKNOWN).astype(np.uint8)


@dataclass(frozen=True)
class OneCode:
    """One value of some classes, in some windows or all: a source for the vectoriser."""

    codes: Codes
    value: int
    inside: tuple[Window, ...] | None = None
    tile_size: int = TILE_PX

    @property
    def geobox(self) -> GeoBox:
        """Grid of the classes."""
        return self.codes.geobox

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read a window, uint8 (H, W): 1 where it is the value."""
        found = np.asarray(self.codes.read(window) == self.value)
        if self.inside is not None:
            allowed = np.zeros(window.shape, bool)
            for part in filter(None, (window.intersect(other) for other in self.inside)):
                allowed[part.slices_in(window)] = True
            found &= allowed
        return found.astype(np.uint8)


def trace_mask(
    path: str, geobox: GeoBox, schema: Schema, windows: Iterable[Window]
) -> TracedLabels:
    """Trace a mask file on the grid of a pair; see :func:`trace`.

    A mask of another grid is read by the nearest pixel; one without georeference must be of equal
    size.

    Warns
    -----
    DataWarning
        The mask holds 0 and 255 alone and calls 255 no nodata: 255 is taken as change.

    Raises
    ------
    InputError, GridError
    """
    file = place_label(describe_raster(path).take([0]), geobox)
    try:
        extend_grid(file, geobox)
    except GridError as error:
        msg = f"mask {path} does not overlap the images; check that both show the same place"
        raise GridError(msg) from error
    reader = GridReader(replace(file, nodata=(None,)), geobox, "nearest")
    changed = schema.classes[0].id if _is_binary_255(file, reader) else None
    if changed is not None:
        msg = f"{path} holds 0 and 255 alone: 255 is taken as {schema.classes[0].name}"
        warnings.warn(msg, DataWarning, stacklevel=2)
    return trace(CodeFile(reader, file.nodata[0], changed), schema, windows)


def _is_binary_255(file: RasterFile, reader: GridReader) -> bool:
    if file.nodata[0] == UNKNOWN:
        return False
    values: set[float] = set()
    for tile in _plan(reader.geobox):
        pixels, valid = reader.read(tile.core)
        values |= set(np.unique(pixels[0][valid]).tolist())
        if not values <= {0.0, float(UNKNOWN)}:
            return False
    return float(UNKNOWN) in values


def trace(codes: Codes, schema: Schema, windows: Iterable[Window]) -> TracedLabels:
    """Turn classes into polygons and states of tiles that give the same mask again.

    Unknown pixels of a tile that was looked at become polygons of the first class that is ignored;
    where the schema has none, such a tile keeps its polygons and is not called looked at.

    Parameters
    ----------
    codes : Codes
    schema : Schema
    windows : iterable of Window
        The tiles.
    """
    traced, first = TracedLabels(), schema.classes[0].id
    ignored = next((c.id for c in schema.classes if c.ignore), None)
    partly: list[Window] = []
    for window in windows:
        found = codes.read(window)
        unknown, unchanged = bool((found == UNKNOWN).any()), bool((found == 0).any())
        looked = unchanged if unknown else found.size > 0
        if looked and unknown and ignored is None:
            looked = False
        if looked:
            changed = bool(((found > 0) & (found < UNKNOWN)).any())
            traced.states[window] = "labelled" if changed or unknown else "no_change"
            partly += [window] if unknown else []
    for value in _find_values(codes):
        shapes = [g for _, g in polygonize(OneCode(codes, value), connectivity=CONNECTIVITY)]
        if not schema.has(value):
            traced.unknown[str(value)] += len(shapes)
        traced.pixels += shapes
        traced.classes += [value if schema.has(value) else first] * len(shapes)
    if partly and ignored is not None:
        source = OneCode(codes, UNKNOWN, tuple(partly))
        shapes = [g for _, g in polygonize(source, connectivity=CONNECTIVITY)]
        traced.pixels += shapes
        traced.classes += [ignored] * len(shapes)
    return traced


def _find_values(codes: Codes) -> list[int]:
    values: set[int] = set()
    for tile in _plan(codes.geobox):
        values |= set(np.unique(codes.read(tile.core)).tolist())
    return sorted(values - {0, UNKNOWN})


def _plan(geobox: GeoBox) -> TilePlan:
    height, width = geobox.shape
    return TilePlan((int(height), int(width)), TILE_PX)
