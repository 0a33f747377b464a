"""Vector files: areas of interest, masks and truth in; layers of features out, batch by batch."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import pyogrio
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyogrio.errors import DataLayerError, DataSourceError
from pyogrio.raw import write

from geochange.errors import GridError, InputError, InputNotFoundError

BATCH_SIZE = 10_000
"""Features held at a time when a layer is read in batches."""


def read_vector(
    path: str | Path, *, geobox: GeoBox | None = None, layer: str | None = None
) -> geopandas.GeoDataFrame:
    """Read the features of a vector file, in the CRS of a grid when one is given.

    Parameters
    ----------
    path : str or Path
        Any format that GDAL reads; ``/vsi`` paths too.
    geobox : GeoBox, optional
        Grid whose CRS the geometries are brought to. For a grid without CRS the file must have
        none either: its coordinates are taken as those of the grid.
    layer : str, optional
        Name of the layer; the first one when None.

    Returns
    -------
    GeoDataFrame
        Features with a geometry; those without one are left out.

    Raises
    ------
    InputNotFoundError
        No such file.
    InputError
        Not a vector file, no such layer, or no geometry in it.
    GridError
        One of file and grid has a CRS and the other has none.
    """
    if not str(path).startswith("/vsi") and "://" not in str(path) and not Path(path).exists():
        msg = f"no vector file at {path}; give the path of a GeoPackage, GeoJSON or Shapefile"
        raise InputNotFoundError(msg)
    try:
        frame = pyogrio.read_dataframe(path, layer=layer or _first_layer(path))
    except (DataSourceError, DataLayerError) as error:
        reason = str(error).splitlines()[0]
        msg = f"cannot read {path} as vector features ({reason}); expected polygons that GDAL reads"
        raise InputError(msg) from error
    if not isinstance(frame, geopandas.GeoDataFrame):
        msg = f"{path} has a table but no geometry; expected polygons"
        raise InputError(msg)
    frame = frame[frame.geometry.notna() & ~frame.geometry.is_empty]
    return frame if geobox is None else _reproject(frame, geobox, path)


def _first_layer(path: str | Path) -> str | None:
    """Return the first layer with geometry: styles and the like are layers too."""
    layers = pyogrio.list_layers(path)
    return next((str(name) for name, kind in layers if kind is not None), None)


def _reproject(
    frame: geopandas.GeoDataFrame, geobox: GeoBox, path: str | Path
) -> geopandas.GeoDataFrame:
    if (frame.crs is None) != (geobox.crs is None):
        state = (
            "no CRS but the images have one" if frame.crs is None else "a CRS but the images none"
        )
        msg = f"{path} has {state}; give both a CRS, or neither"
        raise GridError(msg)
    return frame if geobox.crs is None else frame.to_crs(geobox.crs.to_wkt())


def read_batches(
    path: str | Path, *, layer: str | None = None, batch_size: int = BATCH_SIZE
) -> Iterator[geopandas.GeoDataFrame]:
    """Read a layer in file order, at most ``batch_size`` features at a time.

    A layer without features gives one empty batch, so that its columns are known.
    """
    layer = layer or _first_layer(path)
    count = pyogrio.read_info(path, layer=layer)["features"]
    for start in range(0, max(count, 1), batch_size):
        yield pyogrio.read_dataframe(
            path, layer=layer, skip_features=start, max_features=batch_size
        )


def regroup(
    batches: Iterable[geopandas.GeoDataFrame], size: int
) -> Iterator[geopandas.GeoDataFrame]:
    """Yield the same features in batches of ``size``, the last one smaller.

    A file written so depends on its features alone, not on the batches that they came in.

    Examples
    --------
    >>> frames = [geopandas.GeoDataFrame({"id": [n, n + 1]}, geometry=[None] * 2) for n in (1, 3)]
    >>> [batch["id"].tolist() for batch in regroup(frames, size=3)]
    [[1, 2, 3], [4]]
    """
    held: list[geopandas.GeoDataFrame] = []
    count = 0
    for batch in batches:
        if len(batch):
            held.append(batch)
            count += len(batch)
        if count >= size:
            joined = pandas.concat(held, ignore_index=True)
            whole = count - count % size
            yield from (joined.iloc[start : start + size] for start in range(0, whole, size))
            held, count = [joined.iloc[whole:]], count - whole
    if count:
        yield pandas.concat(held, ignore_index=True)


def write_layer(
    path: str | Path,
    batches: Iterable[geopandas.GeoDataFrame],
    *,
    layer: str,
    fields: Mapping[str, str],
    geometry_type: str,
    geobox: GeoBox,
    driver: str = "GPKG",
    dataset_options: Mapping[str, str] | None = None,
    layer_options: Mapping[str, str] | None = None,
) -> int:
    """Write features batch by batch into a new layer; memory holds one batch.

    The layer has the same fields, types and geometry type whatever comes, also when nothing comes.

    Parameters
    ----------
    path : str or Path
        File to create.
    batches : iterable of GeoDataFrame
        Features in the CRS of ``geobox``. A column that is missing or None is written as NULL;
        columns that are not in ``fields`` are left out.
    layer : str
        Name of the layer.
    fields : mapping of str to str
        Name to numpy type (``"int64"``, ``"float64"``, ``"str"``, ``"datetime64[D]"``), in order.
    geometry_type : str
        As in OGR; single parts are promoted when it is a multi type.
    geobox : GeoBox
        Grid that gives the CRS; none is written for a grid without.

    Returns
    -------
    int
        Number of features written.
    """
    crs = geobox.crs.to_wkt() if geobox.crs is not None else None
    options: dict[str, Any] = {
        "layer": layer,
        "driver": driver,
        "geometry_type": geometry_type,
        "promote_to_multi": geometry_type.startswith("Multi"),
        "crs": crs,
        "fields": np.array(list(fields), dtype=object),
    }
    creation = {"dataset_options": dataset_options, "layer_options": layer_options}
    count = 0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        geometry, data, missing = _columns(geopandas.GeoDataFrame(geometry=[]), fields)
        write(path, geometry, data, field_mask=missing, **options, **creation)
        for batch in regroup(batches, BATCH_SIZE):
            geometry, data, missing = _columns(batch, fields)
            write(path, geometry, data, field_mask=missing, append=True, **options)
            count += len(batch)
    return count


def _columns(
    batch: geopandas.GeoDataFrame, fields: Mapping[str, str]
) -> tuple[NDArray[Any], list[NDArray[Any]], list[NDArray[np.bool_] | None]]:
    """Return WKB (N,), one array (N,) per field and, where some values are missing, its mask."""
    geometry = shapely.to_wkb(np.asarray(batch.geometry.array))
    data: list[NDArray[Any]] = []
    masks: list[NDArray[np.bool_] | None] = []
    for name, kind in fields.items():
        values = batch[name] if name in batch else batch.geometry.map(lambda _: None)
        missing = values.isna().to_numpy(dtype=bool)
        data.append(_as_type(values.to_numpy(), missing, kind))
        masks.append(missing if missing.any() and kind != "str" else None)
    return geometry, data, masks


def _as_type(values: NDArray[Any], missing: NDArray[np.bool_], kind: str) -> NDArray[Any]:
    if kind == "str":
        text = np.array([str(value) for value in values], dtype=object)
        text[missing] = None
        return text
    typed = np.zeros(len(values), dtype=kind)
    typed[~missing] = values[~missing].astype(kind)
    return typed
