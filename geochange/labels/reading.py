"""Label files of any software, brought to the pixels of a pair: polygons, or a mask of classes."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import shapely
from odc.geo.geobox import GeoBox

from geochange.errors import GridError, InputError
from geochange.io.grids.pixelgrid import pixel_size
from geochange.io.polygons import place_polygons
from geochange.io.rasters.masks import is_vector
from geochange.io.vector import read_vector
from geochange.labels.codefile import trace_mask
from geochange.labels.schema import Schema
from geochange.labels.vectors import MEMBER, PIXELS, TILES
from geochange.maps.polygons import to_pixels
from geochange.tiles import Window

BEND_PX = 0.05
"""An edge that another CRS bends by less than this stays straight, without further vertices."""
KEPT_VERDICTS = ("pending", "rejected")


@dataclass
class FoundLabels:
    """What a file of labels holds.

    Attributes
    ----------
    pixels : list of shapely geometry
        In pixels of the pair, in the order of the file; they may leave it.
    classes : list of int
        Number of the class of each.
    verdicts : list of str
        What the file itself says of each: ``pending``, ``rejected`` or nothing.
    states : dict of Window to str
        What the file says of tiles: their places and states.
    outside : int
        Polygons that do not reach the pair.
    unknown : dict of str to int
        Names or values that no class has, and how many polygons had them; they got the first class.
    """

    pixels: list[Any] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    states: dict[Window, str] = field(default_factory=dict)
    outside: int = 0
    unknown: Counter[str] = field(default_factory=Counter)


def read_label_file(
    path: str | os.PathLike[str],
    geobox: GeoBox,
    schema: Schema,
    windows: Iterable[Window],
    *,
    column: str = "class",
) -> FoundLabels:
    """Read labels for a pair.

    Parameters
    ----------
    path : path
        GeoPackage, GeoJSON, Shapefile or whatever GDAL reads, in any CRS; or a raster of classes on
        any grid: 0 unchanged, 255 and nodata unknown, see :func:`~geochange.labels.tracing.trace`.
    geobox : GeoBox
        Grid of the pair.
    schema : Schema
    windows : iterable of Window
        The tiles that a raster tells the state of.
    column : str
        Of the names of classes in a vector file.

    Raises
    ------
    InputError, InputNotFoundError, GridError
    """
    name = os.fspath(path)
    if not is_vector(name):
        return _read_raster(name, geobox, schema, windows)
    frame = read_vector(name)
    member = _read_member(name)
    found = FoundLabels(states=_read_states(name, member))
    in_pixels = member.get("coordinates") == PIXELS
    if in_pixels and [member.get("height"), member.get("width")] != list(geobox.shape):
        msg = (
            f"{name} holds pixels of images of {member.get('height')} x {member.get('width')} px, "
            f"these have {geobox.shape[0]} x {geobox.shape[1]}; give labels of the same images"
        )
        raise GridError(msg)
    classes = _name_classes(frame, schema, column, found.unknown)
    for row, geometry in enumerate(frame.geometry):
        placed = [geometry] if in_pixels else _place(geometry, frame.crs, geobox, name)
        if not placed:
            found.outside += 1
            continue
        found.pixels.append(placed[0] if len(placed) == 1 else shapely.union_all(placed))
        found.classes.append(classes[row])
        verdict = str(frame["verdict"].iloc[row]) if "verdict" in frame else ""
        found.verdicts.append(verdict if verdict in KEPT_VERDICTS else "")
    return found


def _name_classes(
    frame: geopandas.GeoDataFrame, schema: Schema, column: str, unknown: Counter[str]
) -> list[int]:
    known = {c.name: c.id for c in schema.classes}
    names = frame[column].astype(str) if column in frame else [""] * len(frame)
    unknown.update(name for name in names if name and name not in known)
    return [known.get(name, schema.classes[0].id) for name in names]


def _place(geometry: Any, crs: Any, geobox: GeoBox, name: str) -> list[Any]:
    """Return the parts of a geometry near the grid, in pixels; none where there are none."""
    try:
        placed = place_polygons([geometry], crs, geobox, name, bend=BEND_PX * pixel_size(geobox))
    except InputError:
        if geometry.geom_type.endswith("Polygon"):
            raise
        return []
    return list(to_pixels(np.asarray(placed, object), geobox)) if placed else []


def _read_member(name: str) -> dict[str, Any]:
    """Return what a GeoJSON file of ours says beside its features."""
    if Path(name).suffix.lower() not in (".geojson", ".json"):
        return {}
    try:
        content = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # GDAL reads it all the same
        return {}
    member = content.get(MEMBER) if isinstance(content, dict) else None
    return member if isinstance(member, dict) else {}


def _read_states(name: str, member: dict[str, Any]) -> dict[Window, str]:
    rows = member.get("tiles", [])
    if Path(name).suffix.lower() == ".gpkg" and TILES in pyogrio.list_layers(name)[:, 0]:
        table = pyogrio.read_dataframe(name, layer=TILES, read_geometry=False)
        rows = table.to_dict("records")
    sides = ("row", "col", "height", "width")
    try:
        fine = [row for row in rows if {*sides, "state"} <= set(row)]
        return {Window(*(int(row[side]) for side in sides)): str(row["state"]) for row in fine}
    except (TypeError, ValueError, OverflowError) as error:
        msg = (
            f"the tiles in {name} are damaged ({error}); export the labels again, or take its "
            "tiles out of the file"
        )
        raise InputError(msg) from error


def _read_raster(
    name: str, geobox: GeoBox, schema: Schema, windows: Iterable[Window]
) -> FoundLabels:
    traced = trace_mask(name, geobox, schema, windows)
    count = len(traced.pixels)
    return FoundLabels(
        list(traced.pixels), list(traced.classes), [""] * count, traced.states, 0, traced.unknown
    )
