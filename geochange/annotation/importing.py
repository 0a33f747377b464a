"""Labels of other software become labels to judge, or to stand by."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import Any

import shapely

from geochange.annotation.edits import MAX_OPS
from geochange.annotation.geometry import MAX_VERTICES, confine, plain_geometry, polygonal
from geochange.annotation.prelabels import tile_numbers
from geochange.annotation.project import Project
from geochange.annotation.refusals import RefusedError
from geochange.annotation.states import DONE, TODO, VERDICTS
from geochange.errors import GridError, UsageError, suggest
from geochange.labels.fields import LOOKED
from geochange.labels.reading import FoundLabels, read_label_file
from geochange.tiles import Window


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes
    ----------
    added, outside, clipped : int
        Polygons that are labels now, those that do not reach into the image, and those of the first
        that were cut at its border.
    in_done_tiles : int
        Left out, because somebody has finished the tile that they lie in.
    unknown_classes : dict of str to int
        Names (of a mask: values) that no class has, and how many polygons had them; they got the
        first class.
    tiles : int
        Tiles that are done now, as the file says of them.
    """

    added: int
    outside: int
    in_done_tiles: int
    unknown_classes: dict[str, int]
    clipped: int = 0
    tiles: int = 0


def import_labels(
    project: Project,
    path: str | os.PathLike[str],
    *,
    annotator: str = "import",
    verdict: str = "pending",
    field: str = "class",
) -> Imported:
    """Add the labels of a file, of source ``imported``.

    Parameters
    ----------
    project : Project
    path : path
        GeoPackage, GeoJSON, Shapefile or whatever GDAL reads, brought to the pair's CRS and cut to
        its grid; or a mask raster of classes on any grid (0 unchanged, 255 and nodata unknown).
    annotator : str
        In whose name.
    verdict : {'pending', 'accepted', 'rejected'}
        Polygons that the file itself calls pending or rejected stay so. With ``accepted``, tiles
        that the file says were gone through are done, where nobody has begun with them.
    field : str
        Column with the names of classes.

    Raises
    ------
    InputError, InputNotFoundError, GridError, UsageError

    Examples
    --------
    >>> import_labels(project, "truth.gpkg").added  # doctest: +SKIP
    12
    """
    if verdict not in VERDICTS:
        msg = f"unknown verdict '{verdict}'{suggest(verdict, VERDICTS)}"
        raise UsageError(msg)
    windows = _list_tiles(project)
    found = read_label_file(path, project.pair.geobox, project.schema, list(windows), column=field)
    done = _select_tiles(project, f"state IN {DONE!r}")
    batch = uuid.uuid4().hex
    ops: list[dict[str, Any]] = []
    outside, clipped, in_done = found.outside, 0, 0
    for geometry, number, said in zip(found.pixels, found.classes, found.verdicts, strict=True):
        try:
            inside = confine(geometry, project.pair.shape)
        except RefusedError:
            outside += 1
            continue
        made = [_make_op(project, part) for part in _divide(inside, windows)]
        if any(op["tile"] in done for op in made):
            in_done += 1
            continue
        clipped += inside.area < geometry.area * (1 - 1e-9)
        for op in made:
            # Ids in the order of the file: of polygons of one moment the last one is on top.
            op["id"] = f"{batch}.{len(ops):08d}"
            op["after"] |= {"class": number, "verdict": said or verdict}
            ops.append(op)
    count = len(found.pixels) + found.outside
    if count and outside == count:
        msg = (
            f"none of the {count} features of {path} is a polygon that reaches the images; check "
            "that both show the same place"
        )
        raise GridError(msg)
    for start in range(0, len(ops), MAX_OPS):
        _save(project, ops[start : start + MAX_OPS], annotator)
    tiles = _finish_tiles(project, found, windows, annotator) if verdict == "accepted" else 0
    added = count - outside - in_done
    return Imported(added, outside, in_done, dict(found.unknown), clipped, tiles)


def _make_op(project: Project, inside: Any) -> dict[str, Any]:
    """Return the op that adds one polygon."""
    point = shapely.get_coordinates(shapely.point_on_surface(inside))
    size, shape = project.plan.size, project.pair.shape
    tile = int(tile_numbers(point, shape, size, project.plan.grid[1])[0])
    after = {"geom": plain_geometry(inside), "source": "imported"}
    return {"target": "annotation", "tile": tile, "after": after}


def _divide(geometry: Any, windows: dict[Window, int]) -> list[Any]:
    """Cut a polygon along the tiles when it has too many vertices to be one label."""
    if shapely.get_num_coordinates(geometry) <= MAX_VERTICES:
        return [geometry]
    boxes = [shapely.box(w.col, w.row, w.stop_col, w.stop_row) for w in windows]
    parts = shapely.intersection(geometry, boxes)
    return [polygonal(part) for part in parts if part.area > 0]


def _list_tiles(project: Project) -> dict[Window, int]:
    rows = project.database.read().execute(
        "SELECT row, col, height, width, id FROM tile WHERE probe_of IS NULL"
    )
    return {Window(*row[:4]): row[4] for row in (tuple(row) for row in rows)}


def _select_tiles(project: Project, condition: str) -> set[int]:
    rows = project.database.read().execute(f"SELECT id FROM tile WHERE {condition}")
    return {row[0] for row in rows}


def _finish_tiles(
    project: Project, found: FoundLabels, windows: dict[Window, int], annotator: str
) -> int:
    """Give tiles that nobody has begun with the state that the file says; return how many."""
    todo = _select_tiles(project, f"state = {TODO!r}")
    marked = _select_tiles(
        project, "id IN (SELECT tile_id FROM annotation WHERE deleted = 0 AND verdict = 'accepted')"
    )
    ops = []
    for window, said in found.states.items():
        tile = windows.get(window)
        if tile not in todo or said not in DONE:
            continue
        plain = said == "no_change" and tile not in marked
        state = said if plain or said not in LOOKED else "labelled"
        ops.append({"target": "tile", "id": str(tile), "tile": tile, "after": {"state": state}})
    for start in range(0, len(ops), MAX_OPS):
        _save(project, ops[start : start + MAX_OPS], annotator)
    return len(ops)


def _save(project: Project, ops: list[dict[str, Any]], annotator: str) -> None:
    revs = dict(project.database.read().execute("SELECT id, rev FROM tile").fetchall())
    base = {str(op["tile"]): revs[op["tile"]] for op in ops}
    project.save(
        {"uuid": str(uuid.uuid4()), "session": "import", "kind": "import", "base": base,
         "ops": ops},
        annotator,
    )  # fmt: skip
