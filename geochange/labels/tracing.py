"""A raster of classes becomes polygons, exactly, and tiles that somebody has looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.evaluation.counts import UNKNOWN
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
    for tile in plan_reads(codes.geobox):
        values |= set(np.unique(codes.read(tile.core)).tolist())
    return sorted(values - {0, UNKNOWN})


def plan_reads(geobox: GeoBox) -> TilePlan:
    """Return the windows by which classes are read."""
    height, width = geobox.shape
    return TilePlan((int(height), int(width)), TILE_PX)
