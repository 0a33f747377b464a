"""What ``changes.gpkg`` holds, asked of the file itself: memory does not grow with it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyogrio

from geochange.exports.vectors.fields import LAYER

if TYPE_CHECKING:
    import geopandas


@dataclass(frozen=True, slots=True)
class ClassTotal:
    """Everything of one class: number of polygons, pixels and mapped area."""

    name: str
    count: int
    pixels: int
    area_m2: float | None = None


def total_classes(path: str | Path) -> list[ClassTotal]:
    """Count the polygons of a GeoPackage by class, most frequent first.

    Examples
    --------
    >>> total_classes("out/changes.gpkg")  # doctest: +SKIP
    [ClassTotal(name='brighter', count=7, pixels=412, area_m2=41200.6)]
    """
    query = (
        f'SELECT "class", COUNT(*), SUM(pixels), SUM(area_m2) FROM {LAYER} '
        'GROUP BY "class" ORDER BY 2 DESC, 1'
    )
    with closing(sqlite3.connect(path)) as connection:
        return [ClassTotal(*row) for row in connection.execute(query)]


def count_undescribed(path: str | Path, field: str) -> int:
    """Count the polygons that have no value in a field, such as the mean change of a band.

    Examples
    --------
    >>> count_undescribed("out/changes.gpkg", "delta_red")  # doctest: +SKIP
    0
    """
    quoted = field.replace('"', '""')
    query = f'SELECT COUNT(*) FROM {LAYER} WHERE "{quoted}" IS NULL'
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute(query).fetchone()
    return int(count)


def best_changes(path: str | Path, limit: int) -> geopandas.GeoDataFrame:
    """Return the ``limit`` polygons of the highest ``score_mean``, best first, then by ``id``.

    Examples
    --------
    >>> best_changes("out/changes.gpkg", limit=10)["score_mean"].max()  # doctest: +SKIP
    0.97
    """
    query = f"SELECT fid FROM {LAYER} ORDER BY score_mean DESC, id LIMIT ?"
    with closing(sqlite3.connect(path)) as connection:
        fids = [fid for (fid,) in connection.execute(query, (limit,))]
    if not fids:
        return pyogrio.read_dataframe(path, layer=LAYER, max_features=0)
    found = pyogrio.read_dataframe(path, layer=LAYER, fids=fids, fid_as_index=True)
    return found.loc[fids].reset_index(drop=True)
