"""Change polygons as GeoJSON for the web: RFC 7946, feature by feature."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import shapely
from odc.geo.geobox import GeoBox

from geochange.errors import DataWarning
from geochange.exports.vectors.wgs84 import DECIMALS, Footprint, Geometries, to_wgs84
from geochange.io.files.atomic import replace_atomically


def write_geojson(
    batches: Iterable[geopandas.GeoDataFrame],
    path: str | Path,
    *,
    fields: Mapping[str, str],
    geobox: GeoBox,
    decimals: int = DECIMALS,
    members: Mapping[str, Any] | None = None,
) -> Path | None:
    """Write features as RFC 7946 GeoJSON: WGS 84 longitude and latitude, right-hand rule.

    Coordinates have 7 decimals (1 cm) by default and stay valid after rounding; polygons that cross
    the antimeridian are cut there; ``bbox`` follows the features. Memory holds one batch.

    Parameters
    ----------
    batches : iterable of GeoDataFrame
        Polygons in the CRS of ``geobox``.
    path : str or Path
        File to write; an existing one is replaced at the end.
    fields : mapping of str to str
        Properties to write, name to numpy type, in order; a missing value becomes null.
    geobox : GeoBox
        Grid of the polygons.
    decimals : int
        Digits kept of a degree.
    members : mapping, optional
        Further members of the collection, after its features.

    Returns
    -------
    Path or None
        ``path``, or None when the grid has no CRS: then nothing is written.

    Warns
    -----
    DataWarning
        The grid has no CRS, or some polygons have no place on the globe (null geometry).

    Raises
    ------
    OutputError, ResourceError
        The file cannot be written, the disk is full.

    References
    ----------
    Butler et al. (2016), The GeoJSON Format, RFC 7946.
    """
    if geobox.crs is None:
        msg = "no GeoJSON is written: the images have no CRS, and GeoJSON needs longitude/latitude"
        warnings.warn(msg, DataWarning, stacklevel=2)
        return None
    place = partial(to_wgs84, geobox=geobox, decimals=decimals)
    lost = write_collection(batches, path, fields=fields, place=place, members=members)
    if lost:
        msg = f"{lost} polygons lie where {geobox.crs} has no longitude/latitude: null geometry"
        warnings.warn(msg, DataWarning, stacklevel=2)
    return Path(path)


def write_collection(
    batches: Iterable[geopandas.GeoDataFrame],
    path: str | Path,
    *,
    fields: Mapping[str, str],
    place: Callable[[Geometries], Geometries],
    members: Mapping[str, Any] | None = None,
) -> int:
    """Write features as a FeatureCollection wherever ``place`` brings them.

    Parameters
    ----------
    batches, path, fields, members
        See :func:`write_geojson`.
    place : callable
        Brings polygons (N,) to the coordinates of the file; None for those that have none there.

    Returns
    -------
    int
        Features without a place.
    """
    footprint, lost, separator = Footprint(), 0, "\n"
    with replace_atomically(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for batch in batches:
            polygons = place(np.asarray(batch.geometry.array))
            footprint.add(polygons)
            lost += int(np.count_nonzero(shapely.is_missing(polygons)))
            for feature in _features(batch, polygons, fields):
                file.write(separator + json.dumps(feature))
                separator = ",\n"
        file.write("\n]")
        bbox = footprint.bbox
        for name, value in [*([("bbox", bbox)] if bbox else []), *(members or {}).items()]:
            file.write(f", {json.dumps(name)}: {json.dumps(value)}")
        file.write("}\n")
    return lost


def _features(
    batch: geopandas.GeoDataFrame, polygons: Geometries, fields: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    texts = shapely.to_geojson(polygons)
    for properties, text in zip(_properties(batch, fields), texts, strict=True):
        # Through Python's floats: GEOS writes 0.0898049 as 0.08980489999999999.
        geometry = json.loads(text) if text else None
        yield {"type": "Feature", "properties": properties, "geometry": geometry}


def _properties(
    batch: geopandas.GeoDataFrame, fields: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    columns = [
        _plain(batch[name], kind) if name in batch else [None] * len(batch)
        for name, kind in fields.items()
    ]
    return (dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True))


def _plain(values: pandas.Series, kind: str) -> list[Any]:
    """Return values that JSON knows; None for whatever is missing or not finite."""
    known = values.notna().to_numpy()
    given = values[known].to_numpy()
    plain: list[Any]
    if kind.startswith("datetime64"):
        plain = np.datetime_as_string(given.astype(kind)).tolist()
    elif kind == "float64":
        numbers = given.astype(np.float64).tolist()
        plain = [round(number, 6) if math.isfinite(number) else None for number in numbers]
    else:
        plain = [int(value) if kind == "int64" else str(value) for value in given.tolist()]
    column = np.full(len(values), None, np.object_)
    column[known] = plain
    return column.tolist()
