"""Labels as vector files: a GeoPackage of two styled layers, or GeoJSON."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas

from geochange.errors import DataWarning
from geochange.exports.vectors.geojson import write_collection, write_geojson
from geochange.exports.vectors.gpkg import StyledLayer, write_layers
from geochange.exports.vectors.styles import TEMPLATES
from geochange.labels.content import Labels
from geochange.labels.fields import POLYGON_FIELDS, TILE_FIELDS
from geochange.labels.provenance import describe_labels
from geochange.maps.polygons import to_pixels

POLYGONS, TILES = "labels", "tiles"
"""Names of the layers."""
MEMBER = "geochange"
"""Member of a GeoJSON file that says what else is known: classes, tiles, coordinates."""
PIXELS = "pixels: column and row from the top left corner"
DEGREE_DECIMALS = 13
"""Digits kept of a degree: 10 nm, so that labels come back to less than a millionth of a pixel."""
SOURCE_COLOURS = {
    "manual": "#0072b2",
    "wand": "#56b4e9",
    "model": "#d55e00",
    "model_edited": "#e69f00",
    "imported": "#999999",
}
STATE_COLOURS = {
    "labelled": "#009e73",
    "no_change": "#56b4e9",
    "unsure": "#f0e442",
    "unusable": "#d55e00",
    "approved": "#0072b2",
    "gold": "#e69f00",
    "returned": "#cc79a7",
    "todo": "#999999",
}
TILES_OPACITY = 0.5


def write_labels_gpkg(labels: Labels, polygons: geopandas.GeoDataFrame, path: Path) -> None:
    """Write the layers ``labels`` (by class; by source) and ``tiles`` (by state).

    Parameters
    ----------
    labels : Labels
    polygons : GeoDataFrame
        Those of its polygons that are written.
    path : Path
    """
    classes = {c.name: c.colour for c in labels.schema.classes}
    drawn = StyledLayer(
        POLYGONS,
        POLYGON_FIELDS,
        [polygons],
        lambda: {
            "by class": _style("class", classes),
            "by source": _style("source", SOURCE_COLOURS),
        },
    )
    looked_at = StyledLayer(
        TILES,
        TILE_FIELDS,
        [labels.tiles],
        lambda: {"by state": _style("state", STATE_COLOURS, TILES_OPACITY)},
    )
    write_layers([drawn, looked_at], path, geobox=labels.geobox)


def _style(field: str, colours: Mapping[str, str], opacity: float = 1.0) -> str:
    template = TEMPLATES.get_template("by_category.qml.jinja")
    return template.render(field=field, colors=colours, opacity=opacity)


def write_labels_geojson(labels: Labels, polygons: geopandas.GeoDataFrame, path: Path) -> None:
    """Write RFC 7946 in longitude and latitude, or pixels where there is no CRS, which is said.

    The tiles, among them those without change, stand in the member ``geochange``.

    Warns
    -----
    DataWarning
        The coordinates are pixels.
    """
    facts = describe_labels(labels)
    names = ("id", "state", "annotator", "col", "row", "width", "height")
    table = labels.tiles[list(names)]
    facts["tiles"] = [dict(zip(names, row, strict=True)) for row in _plain_rows(table)]
    if labels.geobox.crs is not None:
        write_geojson(
            [polygons], path, fields=POLYGON_FIELDS, geobox=labels.geobox,
            decimals=DEGREE_DECIMALS, members={MEMBER: facts},
        )  # fmt: skip
        return
    msg = f"{path.name} holds pixels (column, row), no longitude/latitude: the images have no CRS"
    warnings.warn(msg, DataWarning, stacklevel=3)
    facts["coordinates"] = PIXELS
    write_collection(
        [polygons], path, fields=POLYGON_FIELDS, members={MEMBER: facts},
        place=lambda geometry: to_pixels(geometry, labels.geobox),
    )  # fmt: skip


def _plain_rows(table: Any) -> list[list[Any]]:
    rows: list[list[Any]] = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    return rows
