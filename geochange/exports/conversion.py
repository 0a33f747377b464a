"""The changes of a finished run in other formats."""

from __future__ import annotations

import os
from pathlib import Path

import geopandas
import pyogrio

from geochange.errors import OutputExistsError, UsageError, suggest
from geochange.exports.atomic import replace_atomically
from geochange.maps.changemap import ChangeMap, open_map
from geochange.viz.figures import figure_png

DRIVERS = {
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".shp": "ESRI Shapefile",
    ".fgb": "FlatGeobuf",
    ".kml": "KML",
    ".csv": "CSV",
}
SHAPEFILE_NAMES = {"perimeter_m": "perim_m", "date_before": "date_bef", "date_after": "date_aft"}
SHAPEFILE_NAME_LENGTH = 10
LON_LAT_ONLY = (".kml", ".geojson")


def export(
    result: str | os.PathLike[str] | ChangeMap,
    output: str | os.PathLike[str],
    *,
    crs: str | None = None,
    min_score: float = 0.0,
    overwrite: bool = False,
) -> Path:
    """Write the changes of a finished run in the format of ``output``'s suffix.

    Parameters
    ----------
    result : path or ChangeMap
        Output directory of a run.
    output : path
        ``.gpkg .geojson .shp .fgb .kml .csv .parquet``, or ``.png`` for a picture of the map.
        CSV holds the geometry as WKT; KML and GeoJSON are always in longitude and latitude.
    crs : str, optional
        CRS of the output, such as ``EPSG:4326``. Default: that of the run.
    min_score : float
        Leave out changes whose ``score_mean`` is lower.

    Raises
    ------
    UsageError
        Another suffix, or a CRS for a run without one.
    OutputExistsError

    Examples
    --------
    >>> export("out", "changes.shp", crs="EPSG:4326")  # doctest: +SKIP
    """
    found = result if isinstance(result, ChangeMap) else open_map(result)
    target = Path(output)
    suffix = target.suffix.lower()
    if suffix not in {*DRIVERS, ".parquet", ".png"}:
        known = suggest(suffix, [*DRIVERS, ".parquet", ".png"])
        msg = f"cannot export to '{target.name}'{known}"
        raise UsageError(msg)
    if target.exists() and not overwrite:
        msg = f"{target} exists; choose another output or overwrite it (--overwrite)"
        raise OutputExistsError(msg)
    if suffix == ".png":
        with replace_atomically(target) as temporary:
            temporary.write_bytes(figure_png(found.plot()))
        return target
    frame = found.polygons()
    frame = frame[frame["score_mean"] >= min_score]
    wanted = "EPSG:4326" if suffix in LON_LAT_ONLY else crs
    if wanted is not None:
        if frame.crs is None:
            msg = f"{found.path} has no CRS, so it cannot be written in {wanted}"
            raise UsageError(msg)
        frame = frame.to_crs(wanted)
    _write(frame, target, suffix)
    return target


def _write(frame: geopandas.GeoDataFrame, target: Path, suffix: str) -> None:
    if suffix == ".shp":
        # A shapefile is several files; it is written in place and cannot be swapped in at once.
        pyogrio.write_dataframe(_shorten(frame), target, driver=DRIVERS[suffix])
        return
    with replace_atomically(target) as temporary:
        if suffix == ".parquet":
            frame.to_parquet(temporary)
            return
        options = {"GEOMETRY": "AS_WKT"} if suffix == ".csv" else {}
        versions = {"VERSION": "1.2"} if suffix == ".gpkg" else {}
        pyogrio.write_dataframe(
            frame,
            temporary,
            driver=DRIVERS[suffix],
            layer_options=options,
            dataset_options=versions,
        )


def _shorten(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """Fit names to the ten characters of a shapefile, and dates to text."""
    names = {name: name.replace("delta_", "d_")[:SHAPEFILE_NAME_LENGTH] for name in frame.columns}
    short = frame.rename(columns=names | SHAPEFILE_NAMES)
    for name in ("date_bef", "date_aft"):
        short[name] = short[name].astype("string").str[:10]
    return short
