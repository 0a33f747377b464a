"""Labels as a value: what changed, as polygons, and where somebody has looked, as tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import geopandas
import numpy as np
import pandas
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.alignment.pair import Pair
from geochange.errors import InputError
from geochange.labels.schema import Schema
from geochange.maps.polygons import to_pixels, to_world
from geochange.tiles import TilePlan

POLYGON_FIELDS: Mapping[str, str] = {
    "id": "str",
    "class": "str",
    "class_id": "int64",
    "verdict": "str",
    "source": "str",
    "candidate": "int64",
    "run": "int64",
    "model": "str",
    "weights_sha256": "str",
    "score": "float64",
    "confidence": "int64",
    "note": "str",
    "annotator": "str",
    "created": "str",
    "updated": "str",
    "schema_version": "int64",
    "tile": "int64",
    "view_mode": "str",
    "seconds": "float64",
}
"""Columns of the polygons, name to numpy type: what each is, and where it comes from."""
TILE_FIELDS: Mapping[str, str] = {
    "id": "int64",
    "state": "str",
    "annotator": "str",
    "updated": "str",
    "note": "str",
    "flag": "int64",
    "col": "int64",
    "row": "int64",
    "width": "int64",
    "height": "int64",
    "uncertainty": "float64",
    "reason": "str",
    "stratum": "str",
}
"""Columns of the tiles."""
LOOKED = ("labelled", "no_change", "approved", "gold")
"""States of tiles in which every pixel outside the polygons is known not to have changed."""
SILENT = ("unsure", "unusable")
"""States of tiles in which nothing is known, whatever is drawn there."""
TILE_SIZE = 512
PIXEL_DECIMALS = 7
"""Digits kept of a pixel: what moving to a CRS and back costs is less."""


@dataclass(frozen=True)
class Labels:
    """All labels of one pair.

    Attributes
    ----------
    polygons : GeoDataFrame
        One row per polygon with the columns :data:`POLYGON_FIELDS`, in the CRS of ``geobox``, or
        in pixels (row downwards) without one. ``verdict`` is ``accepted``, ``rejected`` or
        ``pending``.
    tiles : GeoDataFrame
        One row per tile with the columns :data:`TILE_FIELDS`; ``no_change`` is a label too.
    geobox : GeoBox
        The grid of the pair.
    schema : Schema
    schema_version : int
    pair : Pair or None
        The two dates, registered as they were looked at; chips need them.
    facts : mapping
        Whatever else should go with the labels, plain enough for JSON.

    Examples
    --------
    >>> grid = GeoBox.from_bbox((0, 0, 40, 40), "EPSG:32633", resolution=1)
    >>> house = geopandas.GeoDataFrame(geometry=[shapely.box(4, 30, 9, 36)], crs="EPSG:32633")
    >>> labels = gather(house, grid)
    >>> labels.polygons["class"].tolist(), labels.pixels[0].bounds
    (['change'], (4.0, 4.0, 9.0, 10.0))
    """

    polygons: geopandas.GeoDataFrame
    tiles: geopandas.GeoDataFrame
    geobox: GeoBox
    schema: Schema = field(default_factory=Schema)
    schema_version: int = 1
    pair: Pair | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def negatives(self) -> geopandas.GeoDataFrame:
        """Tiles that a person has seen and found without change."""
        return self.tiles[self.tiles["state"] == "no_change"]

    @property
    def accepted(self) -> geopandas.GeoDataFrame:
        """Polygons that a person stands by."""
        return self.polygons[self.polygons["verdict"] == "accepted"]

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` of the grid in pixels."""
        height, width = self.geobox.shape
        return int(height), int(width)

    @cached_property
    def pixels(self) -> NDArray[Any]:
        """The polygons in pixels (x = column, y = row), shapely (N,)."""
        moved = to_pixels(np.asarray(self.polygons.geometry.array), self.geobox)
        rounded: NDArray[Any] = shapely.transform(moved, lambda xy: xy.round(PIXEL_DECIMALS))
        return rounded


def gather(
    polygons: geopandas.GeoDataFrame,
    place: Pair | GeoBox,
    *,
    schema: Schema | None = None,
    tiles: geopandas.GeoDataFrame | None = None,
    state: str = "labelled",
    tile_size: int = TILE_SIZE,
    facts: Mapping[str, Any] | None = None,
) -> Labels:
    """Make labels of any polygons.

    Parameters
    ----------
    polygons : GeoDataFrame
        In the CRS of the grid, or in pixels without one. Columns of :data:`POLYGON_FIELDS` are
        taken; without ``class_id`` the class goes by the name in ``class``, else it is the first;
        without ``verdict`` all are accepted.
    place : Pair or GeoBox
        The pair, or only its grid.
    schema : Schema, optional
    tiles : GeoDataFrame, optional
        What was looked at; default: tiles of ``tile_size`` over the whole grid, all in ``state``.
    state : str
    tile_size : int
    facts : mapping, optional

    Raises
    ------
    InputError
        A geometry that is no polygon.
    """
    pair, geobox = (place, place.geobox) if isinstance(place, Pair) else (None, place)
    wrong = set(polygons.geom_type) - {"Polygon", "MultiPolygon"}
    if wrong:
        msg = f"labels are polygons, but {min(map(str, wrong))} came; leave others out"
        raise InputError(msg)
    classes = schema or Schema()
    made = polygons.copy()
    if "class_id" not in made:
        names = made["class"] if "class" in made else [""] * len(made)
        made["class_id"] = [classes.find(str(name)).id for name in names]
    names_of = {c.id: c.name for c in classes.classes}
    made["class"] = [names_of.get(number, "") for number in made["class_id"]]
    for name, value in (("verdict", "accepted"), ("source", "imported"), ("schema_version", 1)):
        if name not in made:
            made[name] = value
    if "id" not in made:
        made["id"] = [str(n) for n in range(1, len(made) + 1)]
    listed = tiles if tiles is not None else plan_tiles(geobox, tile_size, state)
    return Labels(
        arrange(made, POLYGON_FIELDS), listed, geobox, classes, 1, pair, dict(facts or {})
    )


def arrange(frame: geopandas.GeoDataFrame, fields: Mapping[str, str]) -> geopandas.GeoDataFrame:
    """Give a table the columns ``fields``, in their order; those that are missing are empty."""
    columns = {
        name: frame[name].to_numpy() if name in frame else np.full(len(frame), None, object)
        for name in fields
    }
    geometry = np.asarray(frame.geometry.array)
    return geopandas.GeoDataFrame(pandas.DataFrame(columns), geometry=geometry, crs=frame.crs)


def plan_tiles(
    geobox: GeoBox, size: int, states: str | Sequence[str] = "todo", annotator: str = ""
) -> geopandas.GeoDataFrame:
    """Return square tiles over a grid as a table, in one state or each in its own."""
    height, width = (int(n) for n in geobox.shape)
    cores = [tile.core for tile in TilePlan((height, width), size)]
    rows = {
        "id": np.arange(1, len(cores) + 1),
        "state": [states] * len(cores) if isinstance(states, str) else list(states),
        "annotator": [annotator] * len(cores),
        "col": [c.col for c in cores],
        "row": [c.row for c in cores],
        "width": [c.width for c in cores],
        "height": [c.height for c in cores],
    }
    return place_tiles(pandas.DataFrame(rows), geobox)


def place_tiles(rows: pandas.DataFrame, geobox: GeoBox) -> geopandas.GeoDataFrame:
    """Give tiles their outlines in the CRS of the grid."""
    left, top = rows["col"].to_numpy(float), rows["row"].to_numpy(float)
    boxes = shapely.box(left, top, left + rows["width"], top + rows["height"])
    crs = None if geobox.crs is None else geobox.crs.to_wkt()
    geometry = to_world(np.atleast_1d(boxes), geobox)
    frame = geopandas.GeoDataFrame(rows, geometry=geometry, crs=crs)
    return arrange(frame, TILE_FIELDS)
