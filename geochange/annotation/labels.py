"""The labels of a project as tables: what exports, statistics and training start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray

from geochange.annotation.project import Project

FIELDS = """
SELECT a.id, a.tile_id AS tile, a.class_id, a.verdict, a.source, a.candidate_id AS candidate,
    c.run_id AS run, r.name AS model, r.weights_sha256, c.score, a.confidence, a.note, a.annotator,
    a.created, a.updated, a.schema_version, a.view_mode, a.seconds, a.geom
FROM annotation a LEFT JOIN candidate c ON c.id = a.candidate_id
    LEFT JOIN model_run r ON r.id = c.run_id
WHERE a.deleted = 0 AND a.tile_id IN (SELECT id FROM tile WHERE probe_of IS NULL)
ORDER BY a.created, a.id
"""
TILES = """
SELECT id, col, row, width, height, state, flag, note, dx, dy, uncertainty, reason, stratum,
    author AS annotator, review, remark, updated FROM tile WHERE probe_of IS NULL ORDER BY id
"""


@dataclass(frozen=True)
class Labels:
    """All labels of a project.

    Attributes
    ----------
    polygons : GeoDataFrame
        One row per annotation with its class, verdict and where it comes from (annotator, time,
        source, candidate, run, weights, schema version, view, seconds), in the CRS of the pair, or
        in pixels (row downwards) without one.
    tiles : GeoDataFrame
        One row per tile with its state; ``no_change`` is a label too.
    """

    polygons: geopandas.GeoDataFrame
    tiles: geopandas.GeoDataFrame

    @property
    def negatives(self) -> geopandas.GeoDataFrame:
        """Tiles that a person has seen and found without change."""
        return self.tiles[self.tiles["state"] == "no_change"]


def read_labels(project: Project) -> Labels:
    """Read all labels of a project; deleted ones are left out, rejected ones are not.

    Examples
    --------
    >>> labels = read_labels(project)  # doctest: +SKIP
    >>> labels.polygons.query("verdict == 'accepted'")[["class", "source"]]  # doctest: +SKIP
    """
    db = project.database.read()
    names = {c.id: c.name for c in project.schema.classes}
    rows = [dict(row) for row in db.execute(FIELDS)]
    geometry = shapely.from_geojson([row.pop("geom") for row in rows])
    for row in rows:
        row["class"] = names.get(row["class_id"], "")
    columns = ["id", "class", *(_column_names(FIELDS))]
    tiles = [dict(row) for row in db.execute(TILES)]
    boxes = shapely.box(*(np.array(side, float) for side in _sides(tiles)))
    return Labels(
        _frame(project, rows, np.asarray(geometry), columns),
        _frame(project, tiles, np.atleast_1d(boxes), list(tiles[0])),
    )


def _column_names(query: str) -> list[str]:
    listed = query.split("FROM", maxsplit=1)[0].replace("SELECT", "").split(",")
    names = [part.split()[-1].split(".")[-1] for part in listed]
    return [name for name in names if name not in ("id", "geom")]


def _sides(tiles: list[dict[str, Any]]) -> list[list[int]]:
    return [
        [t["col"] for t in tiles],
        [t["row"] for t in tiles],
        [t["col"] + t["width"] for t in tiles],
        [t["row"] + t["height"] for t in tiles],
    ]


def _frame(
    project: Project, rows: list[dict[str, Any]], geometry: NDArray[Any], columns: list[str]
) -> geopandas.GeoDataFrame:
    crs = project.pair.geobox.crs
    return geopandas.GeoDataFrame(
        {name: [row[name] for row in rows] for name in columns},
        geometry=to_world(geometry, project),
        crs=None if crs is None else crs.to_wkt(),
    )


def to_world(geometry: NDArray[Any], project: Project) -> NDArray[Any]:
    """Bring geometry from pixels to the CRS of the pair; the same without georeference."""
    return _move(geometry, list(project.pair.geobox.affine)[:6])


def to_grid(geometry: NDArray[Any], project: Project) -> NDArray[Any]:
    """Bring geometry from the CRS of the pair to pixels."""
    return _move(geometry, list(~project.pair.geobox.affine)[:6])


def _move(geometry: NDArray[Any], affine: list[float]) -> NDArray[Any]:
    a, b, c, d, e, f = affine

    def move(xy: NDArray[Any]) -> NDArray[Any]:
        x, y = xy.T
        return np.column_stack([a * x + b * y + c, d * x + e * y + f])

    moved: NDArray[Any] = shapely.transform(geometry, move)
    return moved
