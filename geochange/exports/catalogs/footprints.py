"""Where many results lie: one polygon a result, in longitude and latitude, as a GeoPackage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import geopandas
import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from geochange.alignment.grid import gsd_m
from geochange.exports.vectors.gpkg import write_styled
from geochange.exports.vectors.styles import TEMPLATES
from geochange.exports.vectors.wgs84 import to_wgs84
from geochange.viz.pictures import SCORE_RAMP

LAYER = "results"
"""Name of the layer of footprints."""
FIELDS = {
    "id": "str",
    "status": "str",
    "date_before": "datetime64[D]",
    "date_after": "datetime64[D]",
    "changes": "int64",
    "area_m2": "float64",
    "area_ha": "float64",
    "changed_share": "float64",
    "valid_share": "float64",
    "method": "str",
    "threshold": "float64",
    "tiles_failed": "int64",
    "output": "str",
}
"""Name to numpy type; shares are 0 to 1: of valid pixels that changed, of all that are valid."""
WORLD = GeoBox.from_bbox((-180, -90, 180, 90), "EPSG:4326", resolution=1)
"""Of this grid the writer takes no more than the CRS, WGS 84."""
SHARES = (0.0, 0.001, 0.01, 0.03, 0.1, 1.0)
"""Limits of the style's five classes of ``changed_share``."""
METRES_PER_DEGREE = 111_320.0
MAX_ERROR_PX = 0.5


def grid_footprint(geobox: GeoBox) -> shapely.Geometry | None:
    """Return the area of a grid in longitude and latitude, as RFC 7946 wants polygons.

    Its edges follow those of the grid to half a pixel; across the antimeridian it is cut.

    Parameters
    ----------
    geobox : GeoBox
        Rotated and south-up grids too.

    Returns
    -------
    shapely Polygon or MultiPolygon, or None
        None for a grid without CRS, or where its CRS has no longitude and latitude.

    Examples
    --------
    >>> grid = GeoBox.from_bbox((179, 0, 181, 1), "EPSG:4326", resolution=1)
    >>> sorted(part.bounds for part in grid_footprint(grid).geoms)
    [(-180.0, 0.0, -179.0, 1.0), (179.0, 0.0, 180.0, 1.0)]
    >>> grid_footprint(GeoBox((10, 10), grid.affine, None)) is None
    True
    """
    if geobox.crs is None:
        return None
    height, width = geobox.shape
    corners = [(0, 0), (0, height), (width, height), (width, 0)]
    outline = shapely.Polygon([geobox.affine @ corner for corner in corners])
    [area] = to_wgs84(np.array([outline]), geobox)
    pixel_m = gsd_m(geobox) or 0.0
    return shapely.simplify(area, MAX_ERROR_PX * pixel_m / METRES_PER_DEGREE)


def write_footprints(rows: Iterable[Mapping[str, object]], path: str | Path) -> Path:
    """Write results as layer ``results`` of a GeoPackage, styled by the share that changed.

    Parameters
    ----------
    rows : iterable of mapping
        :data:`FIELDS`, of which any may be missing, and ``geometry``: a :func:`grid_footprint`, or
        None for a result that has no place on the globe.
    path : str or Path
        File to write; an existing one is replaced at the end.

    Raises
    ------
    OutputError, ResourceError
        The file cannot be written, the disk is full.
    """
    frame = geopandas.GeoDataFrame([*rows], columns=[*FIELDS, "geometry"], geometry="geometry")
    style = TEMPLATES.get_template("by_share.qml.jinja").render(limits=SHARES, colors=SCORE_RAMP)
    return write_styled(
        [frame], path, layer=LAYER, fields=FIELDS, geobox=WORLD, styles=lambda: {"by share": style}
    )
