"""Polygons as a GeoPackage that QGIS opens styled."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import geopandas
from odc.geo.geobox import GeoBox

from geochange.exports.vectors.fields import LAYER
from geochange.exports.vectors.styles import STYLES, polygon_style
from geochange.io.files.atomic import replace_atomically
from geochange.io.vector import write_layer

GEOMETRY_COLUMN = "geom"
EPOCH = "2000-01-01T00:00:00.000Z"
"""Stands wherever the format wants the time of writing, so that equal runs give equal files."""

STYLE_TABLE = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256),
    f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256),
    styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT,
    owner TEXT(30), ui TEXT(30), update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)"""


def write_gpkg(
    batches: Iterable[geopandas.GeoDataFrame],
    path: str | Path,
    *,
    fields: Mapping[str, str],
    geobox: GeoBox,
) -> Path:
    """Write features as layer ``changes`` of a GeoPackage 1.2 with three styles for QGIS.

    The layer exists with its fields, geometry type (MultiPolygon) and spatial index also when
    nothing changed. Memory holds one batch.

    Parameters
    ----------
    batches : iterable of GeoDataFrame
        Polygons in the CRS of ``geobox``; missing columns become NULL, ``status`` "unreviewed".
    path : str or Path
        File to write; an existing one is replaced at the end.
    fields : mapping of str to str
        Name to numpy type, in order: see :func:`geochange.exports.vectors.fields.polygon_fields`.
    geobox : GeoBox
        Grid of the polygons; without CRS they keep pixel coordinates.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError, ResourceError
        The file cannot be written, the disk is full.

    References
    ----------
    OGC 12-128r15, GeoPackage Encoding Standard 1.2.1.
    """
    fields = {**fields, "status": "str"}
    classes: set[str] = set()
    return write_styled(
        _prepare(batches, classes),
        path,
        layer=LAYER,
        fields=fields,
        geobox=geobox,
        styles=lambda: {name: polygon_style(name, classes, fields) for name in STYLES},
    )


def write_styled(
    batches: Iterable[geopandas.GeoDataFrame],
    path: str | Path,
    *,
    layer: str,
    fields: Mapping[str, str],
    geobox: GeoBox,
    styles: Callable[[], Mapping[str, str]],
) -> Path:
    """Write polygons as a layer of a GeoPackage 1.2 with styles for QGIS; see :func:`write_gpkg`.

    Parameters
    ----------
    batches, path, geobox
        See :func:`write_gpkg`.
    layer : str
    fields : mapping of str to str
        Name to numpy type, in order.
    styles : callable
        Returns name to QML; asked when all batches have passed. The first style is the default.
    """
    styled = StyledLayer(layer, fields, batches, styles)
    return write_layers([styled], path, geobox=geobox)


@dataclass(frozen=True)
class StyledLayer:
    """A layer of polygons and how it looks; see :func:`write_styled` for what the parts are."""

    name: str
    fields: Mapping[str, str]
    batches: Iterable[geopandas.GeoDataFrame]
    styles: Callable[[], Mapping[str, str]]


def write_layers(layers: Sequence[StyledLayer], path: str | Path, *, geobox: GeoBox) -> Path:
    """Write one or more layers of polygons as a GeoPackage 1.2 with styles for QGIS.

    Parameters
    ----------
    layers : sequence of StyledLayer
    path, geobox
        See :func:`write_gpkg`.
    """
    with replace_atomically(path) as temporary:
        for number, layer in enumerate(layers):
            write_layer(
                temporary,
                layer.batches,
                layer=layer.name,
                fields=layer.fields,
                geometry_type="MultiPolygon",
                geobox=geobox,
                dataset_options={"VERSION": "1.2"} if number == 0 else None,
                layer_options={"GEOMETRY_NAME": GEOMETRY_COLUMN, "SPATIAL_INDEX": "YES"},
            )
        _add_styles(temporary, {layer.name: layer.styles() for layer in layers})
    return Path(path)


def _prepare(
    batches: Iterable[geopandas.GeoDataFrame], classes: set[str]
) -> Iterator[geopandas.GeoDataFrame]:
    """Start the review of each batch and note the classes that pass."""
    for batch in batches:
        if "class" in batch:
            classes.update(str(name) for name in batch["class"].dropna().unique())
        yield batch if "status" in batch else batch.assign(status="unreviewed")


def _add_styles(path: Path, styles: Mapping[str, Mapping[str, str]]) -> None:
    """Add name to QML of each layer; the first style of a layer is its default."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(STYLE_TABLE)
        connection.executemany(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
            "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner, "
            "update_time) VALUES ('', '', ?, ?, ?, ?, '', ?, ?, '', ?)",
            [
                (layer, GEOMETRY_COLUMN, name, qml, position == 0, f"geochange: {name}", EPOCH)
                for layer, named in styles.items()
                for position, (name, qml) in enumerate(named.items())
            ],
        )
        # QGIS finds styles only in a table that GDAL lists, so it is a layer for readers too.
        connection.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles', 0)"
        )
        connection.execute("UPDATE gpkg_contents SET last_change = ?", (EPOCH,))
