"""The polygons of a run become candidates: simplified, scored, each in one tile."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geochange.annotation.database import Database
from geochange.annotation.geometry import SIMPLIFY_PX
from geochange.errors import GridError
from geochange.labels.schema import Schema
from geochange.maps.changemap import ChangeMap

TOUCHED = 0.3
"""A candidate is left out when this share of it lies in what a person has judged already."""

SMALL_SHARE = 0.08
"""Outlines of small polygons move by at most this part of the root of their area."""


def add_run(
    database: Database,
    result: ChangeMap,
    schema: Schema,
    tile_size: int,
    *,
    name: str = "",
    simplify_px: float = SIMPLIFY_PX,
) -> int:
    """Store the polygons of a finished run as candidates and return the run's number.

    What people have judged stays: candidates that lie on an annotation are left out and counted.

    Parameters
    ----------
    database : Database
    result : ChangeMap
        On the grid of the project's pair.
    schema : Schema
        A polygon whose class has the name of one of the schema's gets that one, else the first.
    tile_size : int
        Edge of the project's tiles.
    name : str
        What to call it; the method's name when empty.
    simplify_px : float
        How far outlines may move.

    Raises
    ------
    GridError
        The run is on another grid.
    InputError
        It has no polygons.
    """
    method = result.run["method"]
    db = database.read()
    height, width = db.execute("SELECT height, width FROM pair").fetchone()
    shape = tuple(int(n) for n in result.geobox.shape)
    if shape != (height, width):
        msg = (
            f"{result.path} has a grid of {shape[0]} x {shape[1]} px, the labels {height} x "
            f"{width}; give a run of the same pair"
        )
        raise GridError(msg)
    frame = result.polygons()
    geometry = to_pixels(np.asarray(frame.geometry.array), result, simplify_px)
    kept = ~_touches_labels(database, geometry)
    classes = [schema.find(str(c)).id for c in frame["class"]]
    points = shapely.get_coordinates(shapely.point_on_surface(geometry))
    columns = -(-width // tile_size)
    tiles = tile_numbers(points, shape, tile_size, columns)
    scores = [_numbers(frame, column) for column in ("score_mean", "score_max")]
    with database.write() as db:
        run = _insert_run(db, result, name or str(method["name"]), kept)
        text = shapely.to_geojson(geometry)
        bounds = shapely.bounds(geometry)
        db.executemany(
            "INSERT INTO candidate(run_id, tile_id, geom, class_id, score, score_max, pixels,"
            " minx, miny, maxx, maxy) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                (run, int(tiles[n]), text[n], classes[n], scores[0][n], scores[1][n],
                 int(frame["pixels"].iloc[n]), *map(float, bounds[n]))
                for n in np.flatnonzero(kept)
            ),
        )  # fmt: skip
    return run


def to_pixels(geometry: NDArray[Any], result: ChangeMap, simplify_px: float) -> NDArray[Any]:
    """Bring polygons of a run from its CRS to pixels, without the stairs of their outlines."""
    a, b, c, d, e, f = list(~result.geobox.affine)[:6]

    def move(xy: NDArray[Any]) -> NDArray[Any]:
        x, y = xy.T
        return np.column_stack([a * x + b * y + c, d * x + e * y + f]).round(6)

    if result.geobox.crs is not None or not result.geobox.affine.is_identity:
        geometry = shapely.transform(geometry, move)
    tolerance = np.minimum(simplify_px, SMALL_SHARE * np.sqrt(shapely.area(geometry)))
    simple = shapely.make_valid(shapely.simplify(geometry, tolerance))
    kinds = shapely.get_type_id(simple)
    usable = ((kinds == 3) | (kinds == 6)) & ~shapely.is_empty(simple)
    chosen: NDArray[Any] = np.where(usable, simple, geometry)
    return chosen


def tile_numbers(
    points: NDArray[Any], shape: tuple[int, ...], tile_size: int, columns: int
) -> NDArray[np.int64]:
    """Return the number of the tile that each point (x, y) lies in, int64 (N,); tiles count from 1.

    Examples
    --------
    >>> tile_numbers(np.array([[5.0, 5.0], [70.0, 5.0]]), (100, 100), 64, 2).tolist()
    [1, 2]
    """
    if not len(points):
        return np.empty(0, np.int64)
    cols = np.clip(points[:, 0], 0, shape[1] - 1) // tile_size
    rows = np.clip(points[:, 1], 0, shape[0] - 1) // tile_size
    numbers: NDArray[np.int64] = (rows * columns + cols).astype(np.int64) + 1
    return numbers


def _numbers(frame: Any, column: str) -> list[float | None]:
    if column not in frame:
        return [None] * len(frame)
    return [None if np.isnan(value) else float(value) for value in frame[column]]


def _touches_labels(database: Database, geometry: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which polygons lie, by ``TOUCHED`` of their area, on what people have judged."""
    touched = np.zeros(len(geometry), bool)
    rows = database.read().execute("SELECT geom FROM annotation WHERE deleted = 0").fetchall()
    if not rows or not len(geometry):
        return touched
    labels = shapely.from_geojson([row["geom"] for row in rows])
    tree = shapely.STRtree(labels)
    which, label = tree.query(geometry, predicate="intersects")
    shared = shapely.area(shapely.intersection(geometry[which], labels[label]))
    cover = np.bincount(which, shared, len(geometry))
    return np.asarray(cover >= TOUCHED * np.maximum(shapely.area(geometry), 1e-9))


def _insert_run(
    db: sqlite3.Connection, result: ChangeMap, name: str, kept: NDArray[np.bool_]
) -> int:
    method = result.run["method"]
    params = {"options": method.get("options"), "fingerprint": result.run.get("fingerprint")}
    cursor = db.execute(
        "INSERT INTO model_run(pair_id, name, folder, weights_sha256, params, threshold, created,"
        " candidates, left_out) VALUES (1,?,?,?,?,?,?,?,?)",
        (name, str(result.path), str(method.get("weights_sha256") or ""), json.dumps(params),
         result.threshold, datetime.now(UTC).isoformat(timespec="seconds"),
         int(kept.sum()), int((~kept).sum())),
    )  # fmt: skip
    return int(cursor.lastrowid or 0)
