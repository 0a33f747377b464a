"""Polygons of other software become labels to judge."""

from __future__ import annotations

import os
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from geochange.annotation.edits import MAX_OPS
from geochange.annotation.geometry import confine, plain_geometry
from geochange.annotation.prelabels import tile_numbers
from geochange.annotation.project import Project
from geochange.annotation.refusals import RefusedError
from geochange.annotation.states import DONE
from geochange.errors import InputError
from geochange.io.polygons import place_polygons
from geochange.io.vector import read_vector
from geochange.maps.polygons import to_pixels


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes
    ----------
    added, outside : int
        Polygons that are labels now, and those that do not reach into the image.
    in_done_tiles : int
        Left out, because somebody has finished the tile that they lie in.
    unknown_classes : dict of str to int
        Names that no class has, and how many polygons had them; they got the first class.
    """

    added: int
    outside: int
    in_done_tiles: int
    unknown_classes: dict[str, int]


def import_labels(
    project: Project,
    path: str | os.PathLike[str],
    *,
    annotator: str = "import",
    verdict: str = "pending",
    field: str = "class",
) -> Imported:
    """Add the polygons of a vector file as labels of source ``imported``.

    Parameters
    ----------
    project : Project
    path : path
        GeoPackage, GeoJSON, Shapefile or whatever GDAL reads; brought to the pair's CRS.
    annotator : str
        In whose name.
    verdict : {'pending', 'accepted', 'rejected'}
    field : str
        Column with the names of classes.

    Raises
    ------
    InputError, InputNotFoundError, GridError

    Examples
    --------
    >>> import_labels(project, "truth.gpkg").added  # doctest: +SKIP
    12
    """
    frame = read_vector(os.fspath(path))
    names = frame[field].astype(str) if field in frame else [""] * len(frame)
    known = {c.name: c.id for c in project.schema.classes}
    first = project.schema.classes[0].id
    done = _done_tiles(project)
    counts: Counter[str] = Counter()
    ops = []
    for geometry, name in zip(frame.geometry, names, strict=True):
        op = _make_op(project, geometry, frame.crs, os.fspath(path))
        if op is None:
            counts["outside"] += 1
        elif op["tile"] in done:
            counts["done"] += 1
        else:
            op["after"] |= {"class": known.get(name, first), "verdict": verdict}
            counts[f"class:{name}"] += name not in known and bool(name)
            ops.append(op)
    for start in range(0, len(ops), MAX_OPS):
        _save(project, ops[start : start + MAX_OPS], annotator)
    unknown = {k[6:]: n for k, n in counts.items() if k.startswith("class:") and n}
    return Imported(len(ops), counts["outside"], counts["done"], unknown)


def _make_op(project: Project, geometry: Any, crs: Any, name: str) -> dict[str, Any] | None:
    """Return the op that adds one polygon; None when it does not reach into the image."""
    try:
        placed = place_polygons([geometry], crs, project.pair.geobox, name)
    except InputError:
        if geometry.geom_type.endswith("Polygon"):
            raise
        return None
    if not placed:
        return None
    moved = to_pixels(np.asarray(placed), project.pair.geobox)
    try:
        inside = confine(shapely.union_all(list(moved)), project.pair.shape)
    except RefusedError:
        return None
    point = shapely.get_coordinates(shapely.point_on_surface(inside))
    size, shape = project.plan.size, project.pair.shape
    tile = int(tile_numbers(point, shape, size, project.plan.grid[1])[0])
    after = {"geom": plain_geometry(inside), "source": "imported"}
    return {"target": "annotation", "id": str(uuid.uuid4()), "tile": tile, "after": after}


def _done_tiles(project: Project) -> set[int]:
    rows = project.database.read().execute(f"SELECT id FROM tile WHERE state IN {DONE!r}")
    return {row[0] for row in rows}


def _save(project: Project, ops: list[dict[str, Any]], annotator: str) -> None:
    revs = dict(project.database.read().execute("SELECT id, rev FROM tile").fetchall())
    base = {str(op["tile"]): revs[op["tile"]] for op in ops}
    project.save(
        {"uuid": str(uuid.uuid4()), "session": "import", "kind": "import", "base": base,
         "ops": ops},
        annotator,
    )  # fmt: skip
