"""One date of a pair: one file, or several files of different resolution, read as one image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from geochange.blocks import BoolArray, FloatArray
from geochange.errors import GridError, InputError, UsageError
from geochange.io.bands.naming import name_bands
from geochange.io.filters.filter import Filter
from geochange.io.filters.radiometry import BandMap, map_bands
from geochange.io.grids.displacement import Displacement
from geochange.io.grids.pixelgrid import pixel_size
from geochange.io.rasters.folder import list_folder
from geochange.io.rasters.geotiff import GridReader
from geochange.io.rasters.masks import Mask
from geochange.io.rasters.rasterfile import RasterFile, describe_raster
from geochange.tiles import Window

Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""What a date may be given as: a file, a folder, or a list of files."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The files of one date, described.

    Attributes
    ----------
    files : tuple of RasterFile
    notes : tuple of str
        What was left out and why.
    """

    files: tuple[RasterFile, ...]
    notes: tuple[str, ...] = ()

    def amend(self, nodata: float | None = None, day: str | None = None) -> Scene:
        """Return the scene with another nodata value and day than its files say, where given.

        Raises
        ------
        UsageError
            ``day`` is no ISO date.
        """
        files = self.files
        if nodata is not None:
            files = tuple(replace(f, nodata=(float(nodata),) * len(f.bands)) for f in files)
        if day is not None:
            try:
                day = date.fromisoformat(day).isoformat()
            except ValueError as error:
                msg = f"'{day}' is not a day; write YYYY-MM-DD"
                raise UsageError(msg) from error
            files = tuple(replace(f, date=day) for f in files)
        return replace(self, files=files)

    @property
    def geobox(self) -> GeoBox:
        """Grid of the finest file: the date's own grid."""
        return min(self.files, key=lambda file: pixel_size(file.geobox)).geobox

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of all bands, file after file; no two are equal, whatever the case."""
        return tuple(name for file in self.files for name in file.bands)

    @property
    def roles(self) -> tuple[str | None, ...]:
        """Common-name roles of ``bands``, as their sensor numbers them."""
        return tuple(role for file in self.files for role in file.roles)

    @property
    def date(self) -> str | None:
        """ISO date of acquisition, when a file tells it."""
        return next((file.date for file in self.files if file.date), None)

    @property
    def georeferenced(self) -> bool:
        """Whether every file says where it lies."""
        return all(file.georeferenced for file in self.files)

    @property
    def plane(self) -> str:
        """WKT of the local coordinate system that the files lie in, empty when on Earth."""
        return self.files[0].plane


def describe_date(source: Source) -> Scene:
    """Describe one date: metadata only, no pixels.

    Parameters
    ----------
    source : path, folder or list of paths
        Files of a folder are its rasters except those whose names tell that they are no bands
        (SCL, QA, masks, true-colour previews), which is noted. A Sentinel-2 ``.SAFE`` folder is
        read as the finest copy of each band.

    Raises
    ------
    InputNotFoundError, InputError, GridError

    Examples
    --------
    >>> describe_date("no_such.tif")
    Traceback (most recent call last):
    ...
    geochange.errors.InputNotFoundError: no such file: no_such.tif; check the path
    """
    paths, notes = _list_files(source)
    files = [describe_raster(path) for path in paths]
    _check_files(files)
    files, said = name_bands(files)
    alphas = [f"band {f.alpha} of {Path(f.path).name}" for f in files if f.alpha is not None]
    if alphas:
        said.append(f"read as transparency, not as a band: {', '.join(alphas)}")
    return Scene(tuple(files), (*notes, *said))


def _list_files(source: Source) -> tuple[list[str], list[str]]:
    """Return paths and notes of what was left out."""
    if isinstance(source, str | os.PathLike) and os.fspath(source):
        return list_folder(Path(source)) if Path(source).is_dir() else ([os.fspath(source)], [])
    if isinstance(source, list | tuple) and source:
        return [os.fspath(path) for path in source], []
    given = "an empty list" if isinstance(source, list | tuple) else repr(source)[:60]
    msg = f"a date needs a file, a folder or a list of files, got {given}"
    raise InputError(msg)


def _check_files(files: Sequence[RasterFile]) -> None:
    for file in files:
        if file.paletted:
            msg = f"{file.path} has a table of colours; expand it: gdal_translate -expand rgb"
            raise InputError(msg)
        if (file.geobox.crs, file.plane) != (files[0].geobox.crs, files[0].plane) and None in (
            file.geobox.crs,
            files[0].geobox.crs,
        ):
            bare = file if file.geobox.crs is None else files[0]
            msg = (
                f"{bare.path} has no CRS but other files of its date have one; "
                "assign it with gdal_edit"
            )
            raise GridError(msg)


@dataclass(frozen=True)
class DateReader:
    """One date on the pair's grid: the bands of one or several files, and its masks.

    Attributes
    ----------
    readers : tuple of GridReader
        One per file, all on the same grid.
    order : tuple of int
        Positions of the wanted bands in the readers' bands, file after file.
    masks : tuple of Mask
    radiometry : tuple of tuple of BandMap
        Maps of pixel values, one a band, applied one after the other.
    smoothing : Filter or None
        Applied last; windows are read with the margin that it needs.
    seen : tuple of int or None
        Positions of the bands that are read: the others keep their places, empty, and have no say
        in what is valid. None: all are.
    """

    readers: tuple[GridReader, ...]
    order: tuple[int, ...]
    masks: tuple[Mask, ...] = ()
    radiometry: tuple[tuple[BandMap, ...], ...] = ()
    smoothing: Filter | None = None
    seen: tuple[int, ...] | None = None

    @property
    def geobox(self) -> GeoBox:
        """The pair's grid."""
        return self.readers[0].geobox

    @property
    def bands(self) -> tuple[str, ...]:
        """Band names in the order of the pixels' first axis."""
        names = [name for reader in self.readers for name in reader.bands]
        return tuple(names[i] for i in self.order)

    @property
    def roles(self) -> tuple[str | None, ...]:
        """Common-name roles of ``bands``."""
        roles = [role for reader in self.readers for role in reader.file.roles]
        return tuple(roles[i] for i in self.order)

    def locate(self, positions: Sequence[int]) -> list[tuple[str, int]]:
        """Return path and 1-based GDAL band number of the bands at ``positions``."""
        everything = [(r.file.path, index) for r in self.readers for index in r.file.indexes]
        return [everything[self.order[position]] for position in positions]

    def take(self, positions: Sequence[int]) -> DateReader:
        """Keep only the bands at ``positions``; files that hold none of them are not read."""
        kept: list[GridReader] = []
        where: dict[int, int] = {}
        start = count = 0
        for reader in self.readers:
            places = [self.order[p] - start for p in positions]
            own = sorted(i for i in places if 0 <= i < len(reader.bands))
            if own:
                kept.append(replace(reader, file=reader.file.take(own)))
                where |= {start + i: count + n for n, i in enumerate(own)}
                count += len(own)
            start += len(reader.bands)
        return replace(
            self,
            readers=tuple(kept),
            order=tuple(where[self.order[p]] for p in positions),
            radiometry=tuple(tuple(maps[p] for p in positions) for maps in self.radiometry),
            smoothing=self.smoothing and self.smoothing.take(positions),
            seen=self.seen and tuple(n for n, p in enumerate(positions) if p in self.seen),
        )

    def displace(self, displacement: Displacement) -> DateReader:
        """Return the date, and its masks, read where a displacement says that its content lies."""
        return replace(
            self,
            readers=tuple(replace(r, displacement=displacement) for r in self.readers),
            masks=tuple(mask.displace(displacement) for mask in self.masks),
        )

    def normalize(self, maps: Sequence[BandMap]) -> DateReader:
        """Return the date with its values mapped, one map a band, after what is done already."""
        return replace(self, radiometry=(*self.radiometry, tuple(maps)))

    def smooth(self, smoothing: Filter) -> DateReader:
        """Return the date smoothed."""
        return replace(self, smoothing=smoothing)

    def see(self, positions: Sequence[int]) -> DateReader:
        """Read no bands but those at ``positions``; the others are 0 in the same order."""
        return replace(self, seen=tuple(positions))

    @cached_property
    def _seen(self) -> DateReader:
        return replace(self, seen=None).take(self.seen or ())

    def read(self, window: Window) -> tuple[FloatArray, BoolArray]:
        """Read a window; see :class:`geochange.io.reader.Reader`."""
        if self.seen is not None:
            part, valid = self._seen.read(window)
            pixels = np.zeros((len(self.order), *window.shape), part.dtype)
            pixels[list(self.seen)] = part
            return pixels, valid
        if self.smoothing is None:
            return self._read_mapped(window)
        wide = window.pad(self.smoothing.halo)
        pixels, valid = self._read_mapped(wide)
        inner = window.slices_in(wide)
        return self.smoothing.apply(pixels, valid)[:, *inner], valid[inner]

    def _read_mapped(self, window: Window) -> tuple[FloatArray, BoolArray]:
        pixels, valid = self._read_files(window)
        for maps in self.radiometry:
            pixels = map_bands(pixels, valid, maps)
        return pixels, valid

    def _read_files(self, window: Window) -> tuple[FloatArray, BoolArray]:
        if len(self.readers) == 1:
            pixels, valid = self.readers[0].read(window)
            if self.order != tuple(range(len(pixels))):
                pixels = pixels[list(self.order)]
        else:
            parts = [reader.read(window) for reader in self.readers]
            stacked = [band for part, _ in parts for band in part]
            pixels = np.stack([stacked[i] for i in self.order])
            valid = np.logical_and.reduce([part_valid for _, part_valid in parts])
        for mask in self.masks:
            valid = valid & ~mask.read(window)
        if (len(self.readers) > 1 or self.masks) and not valid.all():
            np.copyto(pixels, 0.0, where=~valid)
        return pixels, valid


def read_date(
    scene: Scene,
    positions: Sequence[int],
    geobox: GeoBox,
    resampling: str = "auto",
    masks: tuple[Mask, ...] = (),
) -> DateReader:
    """Return a reader of the scene's bands at ``positions`` on ``geobox``; opens nothing.

    Only files that hold wanted bands will be read.
    """
    readers: list[GridReader] = []
    where: dict[int, int] = {}
    start = kept = 0
    for file in scene.files:
        own = [i for i in range(len(file.bands)) if start + i in set(positions)]
        if own:
            readers.append(GridReader(file.take(own), geobox, resampling))
            where |= {start + i: kept + n for n, i in enumerate(own)}
            kept += len(own)
        start += len(file.bands)
    return DateReader(tuple(readers), tuple(where[i] for i in positions), masks)
