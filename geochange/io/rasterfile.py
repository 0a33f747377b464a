"""What a raster file holds, read from its metadata alone."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError

from geochange.errors import InputError, InputNotFoundError
from geochange.io.bands import band_role, sentinel2_name


@dataclass(frozen=True, slots=True)
class RasterFile:
    """What one raster file holds, read from its metadata.

    Attributes
    ----------
    path : str
        Anything GDAL opens: a path, ``/vsi...``, a URL or a VRT.
    geobox : GeoBox
        Its own grid; ``crs`` is None when it has none.
    bands : tuple of str
        Names: description, else Sentinel-2 token of the file's name, else colour, else ``band N``.
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
    stamp : tuple of int
        Time of change and size of a local file: a rewritten file is another one.
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
    stamp: tuple[int, int] = (0, 0)

    def take(self, positions: Sequence[int]) -> RasterFile:
        """Keep only the bands at ``positions`` (0-based, in that order)."""
        return replace(
            self,
            bands=tuple(self.bands[i] for i in positions),
            indexes=tuple(self.indexes[i] for i in positions),
            scales=tuple(self.scales[i] for i in positions),
            offsets=tuple(self.offsets[i] for i in positions),
            nodata=tuple(self.nodata[i] for i in positions),
        )


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
    return not (name.startswith("/vsi") or re.match(r"[A-Za-z][A-Za-z0-9_+]+:", name))


def describe_raster(path: str | os.PathLike[str]) -> RasterFile:
    """Read a file's metadata.

    Raises
    ------
    InputNotFoundError, InputError
        Missing, not a raster, complex pixels, or no bands but alpha.
    """
    with open_dataset(path) as dataset:
        if not dataset.count:
            listed = ", ".join(s.split(":")[-1] for s in dataset.subdatasets[:4])
            msg = f"{path} has no bands; give one of its subdatasets ({listed or 'none listed'})"
            raise InputError(msg)
        if any(np.dtype(d).kind == "c" for d in dataset.dtypes if not d.startswith("complex_int")):
            msg = f"{path} has complex pixels; give amplitude or intensity"
            raise InputError(msg)
        alpha = _alpha_band(dataset)
        indexes = tuple(i for i in dataset.indexes if i != alpha)
        flags = dataset.mask_flag_enums[0]
        affine = dataset.transform
        return RasterFile(
            path=os.fspath(path),
            geobox=GeoBox((dataset.height, dataset.width), affine, _short_crs(dataset.crs)),
            bands=_band_names(dataset, indexes),
            indexes=indexes,
            scales=tuple(float(dataset.scales[i - 1]) for i in indexes),
            offsets=tuple(float(dataset.offsets[i - 1]) for i in indexes),
            nodata=tuple(dataset.nodatavals[i - 1] for i in indexes),
            dtype=dataset.dtypes[indexes[0] - 1],
            alpha=alpha,
            masked=MaskFlags.per_dataset in flags and alpha is None,
            georeferenced=dataset.crs is not None or affine != Affine.identity(),
            date=_acquisition_date(dataset),
            stamp=_stamp(path),
        )


def _short_crs(crs: rasterio.crs.CRS | None) -> str | None:
    """``EPSG:n`` where the definition has such a code, else WKT."""
    if crs is None:
        return None
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.to_wkt()


def _stamp(path: str | os.PathLike[str]) -> tuple[int, int]:
    if not Path(path).is_file():
        return 0, 0
    status = Path(path).stat()
    return status.st_mtime_ns, status.st_size


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
        token = sentinel2_name(described) or (sentinel2_name(stem) if len(indexes) == 1 else None)
        colour = dataset.colorinterp[index - 1].name
        if described and band_role(described) and not sentinel2_name(described):
            names.append(described)
        elif token:
            names.append(token)
        elif described:
            names.append(described)
        else:
            names.append(colour if colour in ("red", "green", "blue") else f"band {index}")
    return tuple(names)


def _acquisition_date(dataset: rasterio.DatasetReader) -> str | None:
    """ISO date from common tags, else from eight digits in the file's or folder's name."""
    tags = {key.upper(): value for key, value in dataset.tags().items()}
    keys = ("ACQUISITION_DATE", "ACQUISITIONDATE", "ACQUISITIONDATETIME", "DATE_ACQUIRED")
    texts = [tags[k] for k in (*keys, "SENSING_TIME", "TIFFTAG_DATETIME") if k in tags]
    path = Path(dataset.name)
    for text in [*texts, path.stem, path.parent.name]:
        found = re.search(r"(?<!\d)((?:19|20)\d\d)[-:_/]?([01]\d)[-:_/]?([0-3]\d)(?!\d)", text)
        if found and 1 <= int(found[2]) <= 12 and 1 <= int(found[3]) <= 31:
            return f"{found[1]}-{found[2]}-{found[3]}"
    return None


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line."""
    return " ".join(str(error).split()) or type(error).__name__
