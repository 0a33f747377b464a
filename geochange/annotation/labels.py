"""The labels of a project as a value: what exports, statistics and training start from."""

from __future__ import annotations

import geopandas
import numpy as np
import pandas
import shapely

from geochange.annotation.project import Project
from geochange.labels.content import POLYGON_FIELDS, Labels, arrange, place_tiles
from geochange.maps.polygons import to_world

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
    geometry = np.asarray(shapely.from_geojson([row.pop("geom") for row in rows]))
    table = pandas.DataFrame(rows)
    table["class"] = [names.get(row["class_id"], "") for row in rows]
    crs, geobox = project.pair.geobox.crs, project.pair.geobox
    polygons = geopandas.GeoDataFrame(
        table, geometry=to_world(geometry, geobox), crs=None if crs is None else crs.to_wkt()
    )
    tiles = pandas.DataFrame([dict(row) for row in db.execute(TILES)])
    return Labels(
        arrange(polygons, POLYGON_FIELDS),
        place_tiles(tiles, geobox),
        geobox,
        project.schema,
        project.schema_version,
        project.pair,
        {name: project.facts[name] for name in ("uuid", "inputs", "registration")},
    )
