"""Truth of other origin for some tiles: what is labelled there is measured against it, blindly."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
import shapely

from geochange.annotation.geometry import polygonal
from geochange.annotation.project import Project
from geochange.io.polygons import place_polygons
from geochange.io.vector import read_vector
from geochange.maps.polygons import to_pixels


def import_truth(
    project: Project, path: str | os.PathLike[str], tiles: Iterable[int] | None = None
) -> int:
    """Keep the polygons of a file as the truth of tiles; nobody sees them while labelling.

    Parameters
    ----------
    project : Project
    path : path
        GeoPackage, GeoJSON, Shapefile or whatever GDAL reads; brought to the pair's CRS.
    tiles : iterable of int, optional
        Numbers of the tiles that it is complete in; all when None.

    Returns
    -------
    int
        How many tiles have a truth now.

    Raises
    ------
    InputError, InputNotFoundError

    Examples
    --------
    >>> import_truth(project, "truth.gpkg", tiles=[3, 8, 21])  # doctest: +SKIP
    3
    """
    frame = read_vector(os.fspath(path))
    placed = place_polygons(list(frame.geometry), frame.crs, project.pair.geobox, os.fspath(path))
    whole = shapely.union_all(to_pixels(np.asarray(placed, dtype=object), project.pair.geobox))
    chosen = set(tiles) if tiles is not None else None
    with project.database.write() as db:
        rows = db.execute("SELECT * FROM tile WHERE probe_of IS NULL").fetchall()
        for row in rows:
            if chosen is not None and row["id"] not in chosen:
                continue
            left, top = row["col"], row["row"]
            window = shapely.box(left, top, left + row["width"], top + row["height"])
            inside = polygonal(whole.intersection(window))
            db.execute(
                "INSERT OR REPLACE INTO truth VALUES (?,?)", (row["id"], shapely.to_geojson(inside))
            )
        return int(db.execute("SELECT count(*) FROM truth").fetchone()[0])
