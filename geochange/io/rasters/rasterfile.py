"""What a raster file holds, read from its metadata alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError

from geochange.errors import InputError, InputNotFoundError
from geochange.io.bands.roles import band_role, find_band_token, standard_name, tell_sensor

_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)[-:_/]?([01]\d)[-:_/]?([0-3]\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class RasterFile:
    """What one raster file holds, read from its metadata.

    Attributes
    ----------
    path : str
        Anything GDAL opens: an absolute path, ``/vsi...``, a URL or a VRT.
    geobox : GeoBox
        Its own grid; ``crs`` is None when it has none, or one of a local plane.
    bands : tuple of str
        Names: description, else band number in the file's name, else colour, else ``band N``.
    indexes : tuple of int
        1-based GDAL band numbers of ``bands``; an alpha band is not among them.
    scales, offsets : tuple of float
    nodata : tuple of float or None
    dtype : str
    alpha : int or None
        GDAL band number of the alpha band.
    masked : bool
        The file has a mask of its own (internal or ``.msk``).
    georeferenced : bool
        False when the affine is the identity that GDAL makes up.
    date : str or None
        ISO date from tags or the file's name.
    stamp : tuple
        Name, time of change and size of every local file behind it (a VRT has several): a
        rewritten file is another one.
    roles : tuple of (str or None)
        Common-name role of each band.
    sensor : str or None
        See :func:`geochange.io.bands.roles.tell_sensor`.
    texts : tuple of str
        What may name the sensor: tags, file, folder.
    plane : str
        WKT of a local coordinate system without a place on Earth; empty in all other cases.
    paletted : bool
        Pixels are indexes into a table of colours.
    block_shape : tuple of int
        Rows and columns that are decoded at a time.
    """

    path: str
    geobox: GeoBox
    bands: tuple[str, ...]
    indexes: tuple[int, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    nodata: tuple[float | None, ...]
    dtype: str
    alpha: int | None = None
    masked: bool = False
    georeferenced: bool = True
    date: str | None = None
    stamp: tuple[tuple[str, int, int], ...] = ()
    roles: tuple[str | None, ...] = ()
    sensor: str | None = None
    texts: tuple[str, ...] = ()
    plane: str = ""
    paletted: bool = False
    block_shape: tuple[int, int] = (1, 1)

    def take(self, positions: Sequence[int]) -> RasterFile:
        """Keep only the bands at ``positions`` (0-based, in that order)."""
        return replace(
            self,
            bands=tuple(self.bands[i] for i in positions),
            indexes=tuple(self.indexes[i] for i in positions),
            scales=tuple(self.scales[i] for i in positions),
            offsets=tuple(self.offsets[i] for i in positions),
            nodata=tuple(self.nodata[i] for i in positions),
            roles=tuple(self.roles[i] for i in positions),
        )

    def named_by(self, sensor: str | None) -> RasterFile:
        """Give bands the names and roles that ``sensor`` gives them."""
        names = tuple(standard_name(name, sensor) for name in self.bands)
        roles = tuple(band_role(name, sensor) for name in names)
        return replace(self, bands=names, roles=roles, sensor=sensor)


def open_dataset(path: str | os.PathLike[str]) -> rasterio.DatasetReader:
    """Open a raster for reading; GDAL's errors become one line that names the file.

    Raises
    ------
    InputNotFoundError, InputError
    """
    name = os.fspath(path)
    if _is_local(name) and not Path(name).exists():
        msg = f"no such file: {name}; check the path"
        raise InputNotFoundError(msg)
    try:
        return rasterio.open(name, sharing=False)
    except (RasterioError, OSError) as error:
        msg = f"{name} is not a raster that GDAL can read ({one_line(error)})"
        raise InputError(msg) from error


def _is_local(name: str) -> bool:
    """Tell a plain path from ``/vsi...``, a URL or ``DRIVER:...``."""
    remote = name.startswith("/vsi") or re.match(r"[A-Za-z][A-Za-z0-9_+]+:", name)
    return not remote or Path(name).exists()


def describe_raster(path: str | os.PathLike[str]) -> RasterFile:
    """Read a file's metadata.

    Raises
    ------
    InputNotFoundError, InputError
        Missing, not a raster, complex pixels, ground control points instead of a grid, or no bands.
    """
    name = os.fspath(path)
    name = os.path.abspath(name) if _is_local(name) else name
    with open_dataset(path) as dataset:
        _check_readable(dataset, name)
        alpha = _alpha_band(dataset)
        indexes = tuple(i for i in dataset.indexes if i != alpha)
        local = dataset.crs is not None and CRS(dataset.crs.to_wkt()).proj.is_engineering
        crs = None if local else _short_crs(dataset.crs)
        texts = (*_sensor_tags(dataset), Path(name).stem, Path(name).parent.name)
        names = _band_names(dataset, indexes)
        file = RasterFile(
            path=name,
            geobox=GeoBox((dataset.height, dataset.width), dataset.transform, crs),
            bands=names,
            indexes=indexes,
            scales=tuple(float(dataset.scales[i - 1]) for i in indexes),
            offsets=tuple(float(dataset.offsets[i - 1]) for i in indexes),
            nodata=tuple(dataset.nodatavals[i - 1] for i in indexes),
            dtype=dataset.dtypes[indexes[0] - 1],
            alpha=alpha,
            masked=MaskFlags.per_dataset in dataset.mask_flag_enums[0] and alpha is None,
            georeferenced=dataset.crs is not None or dataset.transform != Affine.identity(),
            date=_acquisition_date(dataset),
            stamp=tuple(_stamps(dataset.files)),
            texts=texts,
            plane=dataset.crs.to_wkt() if local else "",
            paletted=ColorInterp.palette in dataset.colorinterp,
            block_shape=dataset.block_shapes[0],
        )
    return file.named_by(tell_sensor(names, texts))


def _check_readable(dataset: rasterio.DatasetReader, name: str) -> None:
    if not dataset.count:
        listed = ", ".join(s.split(":")[-1] for s in dataset.subdatasets[:4])
        msg = f"{name} has no bands; give one of its subdatasets ({listed or 'none listed'})"
        raise InputError(msg)
    if any(np.dtype(d).kind == "c" for d in dataset.dtypes if not d.startswith("complex_int")):
        msg = f"{name} has complex pixels; give amplitude or intensity"
        raise InputError(msg)
    if dataset.crs is None and dataset.gcps[0]:
        msg = f"{name} has ground control points but no grid; rectify it first with gdalwarp"
        raise InputError(msg)


def _short_crs(crs: rasterio.crs.CRS | None) -> str | None:
    """``EPSG:n`` where the definition has such a code, else WKT."""
    if crs is None:
        return None
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.to_wkt()


def _stamps(paths: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    for path in map(Path, paths):
        if path.is_file():
            status = path.stat()
            yield str(path.absolute()), status.st_mtime_ns, status.st_size


def _alpha_band(dataset: rasterio.DatasetReader) -> int | None:
    """Return the band that is alpha: its colour says so and nothing gives it another meaning."""
    for index, colour in zip(dataset.indexes, dataset.colorinterp, strict=True):
        described = dataset.descriptions[index - 1]
        unnamed = not described or described.lower() == "alpha"
        if colour is ColorInterp.alpha and unnamed and dataset.count > 1:
            return int(index)
    return None


def _band_names(dataset: rasterio.DatasetReader, indexes: tuple[int, ...]) -> tuple[str, ...]:
    stem = Path(dataset.name).stem
    names = []
    for index in indexes:
        described = (dataset.descriptions[index - 1] or "").strip()
        token = find_band_token(described or (stem if len(indexes) == 1 else ""))
        colour = dataset.colorinterp[index - 1].name
        made_up = colour if colour in ("red", "green", "blue") else f"band {index}"
        names.append(described if band_role(described) else token or described or made_up)
    return tuple(names)


def _sensor_tags(dataset: rasterio.DatasetReader) -> list[str]:
    """Values of the tags that name a sensor or its platform."""
    wanted = re.compile(r"SENSOR(_?ID)?|SPACECRAFT(_?(ID|NAME))?|PLATFORM|SATELLITE(ID)?")
    return [
        value
        for domain in (None, "IMAGERY")
        for key, value in dataset.tags(ns=domain).items()
        if wanted.fullmatch(key.upper())
    ]


def _acquisition_date(dataset: rasterio.DatasetReader) -> str | None:
    """ISO date of acquisition from tags, else from the file's name, else from the folder's.

    TIFF's own DateTime is no such date: it tells when a program wrote the file.
    """
    tags = {k.upper(): v for ns in (None, "IMAGERY") for k, v in dataset.tags(ns=ns).items()}
    keys = ("ACQUISITION_DATE", "ACQUISITIONDATE", "ACQUISITIONDATETIME", "DATE_ACQUIRED")
    texts = [tags[key] for key in (*keys, "SENSING_TIME") if key in tags]
    path = Path(dataset.name).absolute()
    days = (day for text in [*texts, path.stem, path.parent.name] for day in _days(text))
    return next(days, None)


def _days(text: str) -> Iterator[str]:
    """ISO dates in a text, those of the calendar only."""
    for year, month, day in _DAY.findall(text):
        try:
            yield date.fromisoformat(f"{year}-{month}-{day}").isoformat()
        except ValueError:
            continue


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line."""
    return " ".join(str(error).split()) or type(error).__name__
