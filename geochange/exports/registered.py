"""What registration measured, for other software: tie points as a layer, the field as a picture."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray

from geochange.alignment.grid import gsd_m
from geochange.alignment.pair import Pair
from geochange.exports.vectors.gpkg import EPOCH, GEOMETRY_COLUMN
from geochange.io.files.atomic import replace_atomically
from geochange.io.grids.pixelgrid import transform_points
from geochange.io.vector import write_layer
from geochange.registration.result import Registration
from geochange.viz.displacements import plot_displacements
from geochange.viz.figures import figure_png

LAYER = "tie_points"
FIELDS = {
    "id": "int64",
    "used": "int64",
    "status": "str",
    "col": "float64",
    "row": "float64",
    "dx_px": "float64",
    "dy_px": "float64",
    "dx_m": "float64",
    "dy_m": "float64",
    "quality": "float64",
    "correlation": "float64",
    "sigma_px": "float64",
    "residual_px": "float64",
}
"""Fields of the layer: ``dx`` counts along columns, ``dy`` along rows (down), from the before to
the after date; ``residual_px`` is the distance from what the correction says there."""


def write_tie_points(found: Registration, pair: Pair, path: str | Path) -> Path:
    """Write the windows of a registration as points of a GeoPackage 1.2, in the grid's CRS.

    Parameters
    ----------
    found : Registration
    pair : Pair
    path : path
        File to write; an existing one is replaced at the end.

    Raises
    ------
    OutputError, ResourceError
        The file cannot be written, the disk is full.
    """
    points, moved, used = _gather(found)
    residual = np.hypot(*(moved - found.displacement.at(points)).T)
    metres = moved * (gsd_m(pair.geobox) or np.nan)
    x, y = transform_points(pair.geobox.affine, *points.T)
    unmeasured = np.array([tie.quality == 0 for tie in found.ties], bool)
    columns = {
        "id": np.arange(1, len(points) + 1),
        "used": used.astype(int),
        "status": [tie.status for tie in found.ties],
        "col": points[:, 0],
        "row": points[:, 1],
        "dx_px": moved[:, 0],
        "dy_px": moved[:, 1],
        "dx_m": metres[:, 0],
        "dy_m": metres[:, 1],
        "quality": [tie.quality for tie in found.ties],
        "correlation": [tie.correlation for tie in found.ties],
        "sigma_px": [tie.sigma_px for tie in found.ties],
        "residual_px": residual,
    }
    frame = geopandas.GeoDataFrame(columns, geometry=list(shapely.points(x, y)))
    measured = [name for name in FIELDS if name not in ("id", "used", "status", "col", "row")]
    frame.loc[unmeasured, measured] = np.nan
    with replace_atomically(path) as temporary:
        write_layer(
            temporary,
            [frame],
            layer=LAYER,
            fields=FIELDS,
            geometry_type="Point",
            geobox=pair.geobox,
            dataset_options={"VERSION": "1.2"},
            layer_options={"GEOMETRY_NAME": GEOMETRY_COLUMN, "SPATIAL_INDEX": "YES"},
        )
        _set_time(temporary)
    return Path(path)


def draw_registration(found: Registration, shape: tuple[int, int]) -> bytes:
    """Draw the measured and the corrected displacements of a grid as PNG."""
    points, moved, used = _gather(found)
    fitted = found.displacement.at(points) if found.applied else None
    return figure_png(plot_displacements(points, moved, used, fitted, shape))


def _gather(
    found: Registration,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return places, displacements and use of all windows."""
    points = np.array([(tie.x, tie.y) for tie in found.ties]).reshape(-1, 2)
    moved = np.array([(tie.dx, tie.dy) for tie in found.ties]).reshape(-1, 2)
    return points, moved, np.array([tie.is_used for tie in found.ties], bool)


def _set_time(path: Path) -> None:
    """Put a fixed time of writing, so that equal runs give equal files."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE gpkg_contents SET last_change = ?", (EPOCH,))
