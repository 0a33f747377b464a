"""The changes of a finished run, or a network, in other formats."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import geopandas
import pyogrio
import pyproj
from odc.geo.geobox import GeoBox
from pyproj.exceptions import CRSError

from geochange.errors import UsageError, suggest
from geochange.exports.vectors.fields import LAYER, fields_of, unique_names
from geochange.exports.vectors.geojson import write_geojson
from geochange.exports.vectors.gpkg import write_gpkg
from geochange.io.files.atomic import check_target, explain_failure, replace_atomically
from geochange.maps.changemap import ChangeMap, open_map
from geochange.nn.checkpoints.onnxfile import is_onnx
from geochange.nn.checkpoints.shipped import find_model
from geochange.viz.figures import figure_png

DRIVERS = {".shp": "ESRI Shapefile", ".fgb": "FlatGeobuf", ".kml": "KML", ".csv": "CSV"}
"""Suffixes that GDAL writes as they are."""
SUFFIXES = (".gpkg", ".geojson", *DRIVERS, ".parquet", ".png", ".onnx")
LON_LAT = pyproj.CRS("EPSG:4326")
LON_LAT_ONLY = (".kml", ".geojson")
SHAPEFILE_NAMES = {
    "perimeter_m": "perim_m",
    "misregistration_risk": "misreg",
    "date_before": "date_bef",
    "date_after": "date_aft",
}
SHAPEFILE_NAME_LENGTH = 10


def export(
    result: str | os.PathLike[str] | ChangeMap,
    output: str | os.PathLike[str],
    *,
    crs: str | None = None,
    min_score: float = 0.0,
    overwrite: bool = False,
) -> Path:
    """Write the changes of a finished run, or a network, in the format of ``output``'s suffix.

    Parameters
    ----------
    result : path or ChangeMap
        Output directory of a run; for ``.onnx`` a checkpoint or the name of a shipped network.
    output : path
        ``.gpkg .geojson .shp .fgb .kml .csv .parquet``, or ``.png`` for a picture of the map.
        GeoPackage comes with its styles. CSV holds the geometry as WKT; KML and GeoJSON (RFC 7946)
        are always in longitude and latitude. Parquet needs ``pyarrow``. ``.onnx`` holds a network
        with normalisation, calibration and card: raw pixels in, probability out; see
        :func:`geochange.nn.checkpoints.onnxexport.convert`.
    crs : str, optional
        CRS of the output, such as ``EPSG:4326``. Default: that of the run.
    min_score : float
        Leave out changes whose ``score_mean`` is lower.

    Raises
    ------
    UsageError
        Another suffix; a CRS that is none, that the format does not allow, or for a run without
        one; Parquet without ``pyarrow``; a network without the extra ``onnx``.
    InputError
        The run has no polygons, or the checkpoint is none.
    OutputExistsError, OutputError, ResourceError

    Examples
    --------
    >>> export("out", "changes.shp", crs="EPSG:4326")  # doctest: +SKIP
    """
    target = Path(output)
    if is_onnx(target):
        return _export_network(result, target, plain=crs is None and not min_score, again=overwrite)
    found = result if isinstance(result, ChangeMap) else open_map(result)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        msg = f"cannot export to '{target.name}'{suggest(suffix, SUFFIXES)}"
        raise UsageError(msg)
    wanted = _choose_crs(found, target, crs)
    check_target(target, overwrite=overwrite)
    if suffix == ".png":
        with replace_atomically(target) as temporary:
            temporary.write_bytes(figure_png(found.plot()))
        return target
    frame = found.polygons()
    frame = frame[frame["score_mean"] >= min_score]
    _write(frame if wanted is None else frame.to_crs(wanted), target, suffix, found)
    return target


def _export_network(
    source: str | os.PathLike[str] | ChangeMap, target: Path, *, plain: bool, again: bool
) -> Path:
    if isinstance(source, ChangeMap) or Path(source).is_dir():
        msg = f"{target.name} is a network: give a checkpoint (.safetensors), not a run"
        raise UsageError(msg)
    if not plain:
        msg = f"crs and min_score are for the changes of a run; leave them out for {target.name}"
        raise UsageError(msg)
    check_target(target, overwrite=again)
    from geochange.nn.checkpoints.onnxexport import convert

    content = convert(find_model(source))
    with replace_atomically(target) as temporary:
        temporary.write_bytes(content)
    return target


def _choose_crs(found: ChangeMap, target: Path, crs: str | None) -> pyproj.CRS | None:
    """Return the CRS to bring the polygons to; None keeps them in that of the run."""
    fixed = target.suffix.lower() in LON_LAT_ONLY
    try:
        wanted = pyproj.CRS.from_user_input(crs) if crs is not None else None
    except CRSError as error:
        msg = f"'{crs}' is not a CRS; give one such as EPSG:4326"
        raise UsageError(msg) from error
    if fixed and wanted is not None and not wanted.equals(LON_LAT, ignore_axis_order=True):
        msg = f"{target.name} cannot be in {crs}: {target.suffix} is always in longitude/latitude"
        raise UsageError(msg)
    if found.geobox.crs is None and (fixed or wanted is not None):
        msg = (
            f"{found.path} has no CRS, so {target.name} cannot be in {crs or 'longitude/latitude'}"
        )
        raise UsageError(msg)
    if target.suffix.lower() == ".geojson":
        return None  # its writer brings them there and cuts them at the antimeridian
    return LON_LAT if fixed else wanted


def _write(frame: geopandas.GeoDataFrame, target: Path, suffix: str, found: ChangeMap) -> None:
    geobox = found.geobox
    if suffix == ".gpkg":
        # Of the grid a writer takes no more than the CRS.
        crs = None if frame.crs is None else frame.crs.to_wkt()
        grid = GeoBox(geobox.shape, geobox.affine, crs)
        write_gpkg([frame], target, fields=fields_of(frame), geobox=grid)
    elif suffix == ".geojson":
        write_geojson([frame], target, fields=fields_of(frame), geobox=geobox)
    elif suffix == ".parquet":
        _write_parquet(frame, target)
    elif suffix == ".shp":
        _write_shapefile(frame, target)
    else:
        with replace_atomically(target) as temporary:
            _write_layer(frame, temporary, LAYER)


def _write_layer(frame: geopandas.GeoDataFrame, path: Path, layer: str) -> None:
    pyogrio.write_dataframe(
        frame,
        path,
        layer=layer,
        driver=DRIVERS[path.suffix.lower()],
        geometry_type="MultiPolygon",
        promote_to_multi=True,
        layer_options={"GEOMETRY": "AS_WKT"} if path.suffix.lower() == ".csv" else {},
    )


def _write_parquet(frame: geopandas.GeoDataFrame, target: Path) -> None:
    try:
        with replace_atomically(target) as temporary:
            frame.to_parquet(temporary)
    except ImportError as error:
        msg = f"{target.name} needs pyarrow: pip install pyarrow"
        raise UsageError(msg) from error


def _write_shapefile(frame: geopandas.GeoDataFrame, target: Path) -> None:
    """Write the several files of a shapefile elsewhere, then move them into place."""
    with (
        explain_failure(target),
        tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as folder,
    ):
        _write_layer(_shorten(frame), Path(folder) / target.name, target.stem)
        for part in Path(folder).iterdir():
            part.replace(target.with_name(part.name))


def _shorten(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """Fit names to the ten characters of a shapefile, and dates to text."""
    names = [name for name in frame.columns if name != frame.geometry.name]
    wished = [SHAPEFILE_NAMES.get(name, name.replace("delta_", "d_")) for name in names]
    short = unique_names(wished, SHAPEFILE_NAME_LENGTH)
    frame = frame.rename(columns=dict(zip(names, short, strict=True)))
    for name in ("date_bef", "date_aft"):
        frame[name] = frame[name].astype("string").str[:10]
    return frame
