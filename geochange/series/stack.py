"""Many dates on one grid: ``open_series``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.alignment.aoi import Aoi, parse_aoi
from geochange.alignment.grid import choose_grid, crop_to_polygons, gsd_m, turn_to
from geochange.alignment.pair import Pair
from geochange.blocks import BoolArray, FloatArray, PairTraits
from geochange.errors import BandError, DataWarning, GridError, InputError, UsageError
from geochange.io.bands.matching import match_bands, select_bands
from geochange.io.grids.pixelgrid import outline, pixel_to_pixel, touches
from geochange.io.rasters.masks import Mask, VectorMask, open_mask
from geochange.io.rasters.scene import DateReader, Scene, Source, read_date
from geochange.series.listing import Dated, Days, list_dates
from geochange.tiles import Window

MaskOf = str | os.PathLike[str] | None


@dataclass(frozen=True)
class Series:
    """Dates that share one grid, in the order of their days; nothing is read until asked for.

    Attributes
    ----------
    readers : tuple of DateReader
        Pixels of each date on ``geobox``.
    days : tuple of datetime.date
    geobox : GeoBox
        The one grid, that of the reference date.
    reference : int
        Position of the date to which grids, places and values of the others are brought.
    aoi : VectorMask or None
    scenes : tuple of Scene
        The files behind the dates.
    notes : tuple of str
        What opening did.
    names : tuple of (str, str or None)
        Names and roles of the bands, where not those of the reference date's files count.
    masks : tuple of str or None
        The file that masks each date, where there are masks.
    """

    readers: tuple[DateReader, ...]
    days: tuple[date, ...]
    geobox: GeoBox
    reference: int = 0
    aoi: VectorMask | None = None
    scenes: tuple[Scene, ...] = ()
    notes: tuple[str, ...] = ()
    names: tuple[tuple[str, str | None], ...] = ()
    masks: tuple[str | None, ...] = ()

    def __len__(self) -> int:
        return len(self.readers)

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        height, width = self.geobox.shape
        return int(height), int(width)

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands, as the reference date calls them."""
        if self.names:
            return tuple(name for name, _ in self.names)
        return self.readers[self.reference].bands

    @property
    def roles(self) -> tuple[str | None, ...]:
        """Common-name roles of the bands."""
        if self.names:
            return tuple(role for _, role in self.names)
        return self.readers[self.reference].roles

    @property
    def ordinals(self) -> NDArray[np.int64]:
        """Days as proleptic Gregorian ordinals, int64 (T,)."""
        return np.array([day.toordinal() for day in self.days], np.int64)

    @property
    def paths(self) -> list[str]:
        """The files behind all dates."""
        return [file.path for scene in self.scenes for file in scene.files]

    @property
    def traits(self) -> PairTraits:
        """What a method may know before it sees pixels; both sides are the reference date's."""
        dtype = self.scenes[0].files[0].dtype if self.scenes else "float32"
        return PairTraits(self.bands, self.bands, self.roles, gsd_m(self.geobox), dtype)

    def pair(self, before: int, after: int) -> Pair:
        """Return two of the dates as a pair."""
        both = before, after
        return Pair(
            self.readers[before],
            self.readers[after],
            self.geobox,
            self.aoi,
            tuple(self.scenes[i].amend(day=self.days[i].isoformat()) for i in both),
        )

    def read_one(self, position: int, window: Window) -> tuple[FloatArray, BoolArray]:
        """Read a window of one date: float32 (C, H, W) and bool (H, W)."""
        pixels, valid = self.readers[position].read(window)
        if self.aoi is not None:
            valid = valid & self.aoi.read(window)
        return pixels, valid

    def read(self, window: Window) -> tuple[FloatArray, BoolArray]:
        """Read a window of all dates: float32 (T, C, H, W) and bool (T, H, W)."""
        dates = [self.read_one(position, window) for position in range(len(self))]
        return np.stack([pixels for pixels, _ in dates]), np.stack([valid for _, valid in dates])

    def walk(self, window: Window) -> Iterator[tuple[FloatArray, BoolArray]]:
        """Read a window of one date after the other."""
        return (self.read_one(position, window) for position in range(len(self)))

    def take(self, positions: Sequence[int]) -> Series:
        """Return some of the dates, the reference among them."""
        if self.reference not in positions:
            msg = f"the reference date {self.days[self.reference]} must be kept"
            raise UsageError(msg)
        return replace(
            self,
            readers=tuple(self.readers[i] for i in positions),
            days=tuple(self.days[i] for i in positions),
            scenes=tuple(self.scenes[i] for i in positions),
            masks=tuple(self.masks[i] for i in positions) if self.masks else (),
            reference=list(positions).index(self.reference),
        )


def open_series(
    images: Sequence[Source] | str | os.PathLike[str],
    *,
    dates: Days | None = None,
    reference: str | int = "first",
    bands: Sequence[str | int] | None = None,
    aoi: Aoi | None = None,
    masks: Sequence[MaskOf] | None = None,
    mask_codes: Sequence[int] | None = None,
    resampling: str = "cubic",
    nodata: float | None = None,
) -> Series:
    """Bring many dates onto one grid, lazily: reads metadata only.

    Parameters
    ----------
    images : sequence of sources, or path
        A file, a folder, a list of files or a STAC item (``.json``) a date, in any order; or one
        CSV with the columns ``path,date``.
    dates : sequence of str, mapping or path, optional
        Days as ``YYYY-MM-DD``: in the order of ``images``, by path, or a CSV with ``path,date``.
        Default: from STAC items, tags, and names of files and folders.
    reference : {'first', 'last', 'middle'} or str or int
        The date whose grid the series has: also a day, or a position in order of time.
    bands : sequence of str or int, optional
        Names, roles or 1-based numbers of bands of the reference date. Default: those that all
        dates have.
    aoi : path, "W,S,E,N", four numbers, polygon or GeoDataFrame, optional
    masks : sequence of path or None, optional
        A mask for each image, in the order of ``images``; None where there is none.
    mask_codes : sequence of int, optional
        See :func:`geochange.open_pair`.
    resampling : {'nearest', 'bilinear', 'cubic', 'lanczos', 'average'}
        Kernel of the warp, where a date has another grid.
    nodata : float, optional
        Value without data at all dates, instead of what the files say.

    Raises
    ------
    InputError, GridError, BandError, UsageError
        Fewer than two dates, unknown or equal days, dates that lie elsewhere, bands that do not
        match: one line that names the files.

    Examples
    --------
    >>> series = open_series(["1985.tif", "1990.tif", "1995.tif"])  # doctest: +SKIP
    >>> len(series), series.shape, series.days[0]  # doctest: +SKIP
    (3, (697, 377), datetime.date(1985, 1, 1))
    """
    found = list_dates(images, dates, nodata)
    position = find_reference([one.day for one in found], reference)
    grid = found[position].scene.geobox
    scenes = [_place(one, found[position], grid) for one in found]
    table, note = match_all(scenes, position, bands)
    geobox, area = grid, None
    if aoi is not None:
        polygons = parse_aoi(aoi, grid)
        geobox = crop_to_polygons(grid, polygons)
        area = VectorMask(tuple(polygons), geobox)
    given = order_masks(images, found, masks)
    readers, notes = [], [note]
    for one, scene, index, mask in zip(found, scenes, table, given, strict=True):
        opened, said = open_own_mask(mask, one.day, scene, geobox, mask_codes)
        notes += [note for note in (one.said, *scene.notes, said) if note]
        readers.append(read_date(scene, index, geobox, resampling, opened))
    days = tuple(one.day for one in found)
    notes = [*_describe_series(days, geobox, position), *notes, *_say_warped(days, readers)]
    return Series(
        tuple(readers), days, geobox, position, area, tuple(scenes), tuple(notes),
        masks=name_masks(given),
    )  # fmt: skip


def find_reference(days: Sequence[date], reference: str | int) -> int:
    """Return the position of the reference date.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> find_reference([date(1985, 1, 1), date(1990, 1, 1), date(1995, 1, 1)], "middle")
    1
    """
    named = {"first": 0, "last": len(days) - 1, "middle": len(days) // 2}
    if reference in named:
        return named[str(reference)]
    if isinstance(reference, int) and 0 <= reference < len(days):
        return reference
    listed = [day.isoformat() for day in days]
    if str(reference) in listed:
        return listed.index(str(reference))
    msg = (
        f"no reference date '{reference}'; give first, middle, last, a position below {len(days)} "
        f"or one of the days {listed[0]} ... {listed[-1]}"
    )
    raise UsageError(msg)


def _place(one: Dated, reference: Dated, grid: GeoBox) -> Scene:
    """Return a date's scene where it lies on the grid; refuse one that lies elsewhere."""
    choose_grid(reference.scene, one.scene, "before")  # refuses what cannot be brought together
    turned = turn_to(one.scene, grid)
    if not touches(pixel_to_pixel(turned.geobox, grid, outline(turned.geobox)), grid):
        msg = (
            f"{one.scene.files[0].path} ({one.day}) does not overlap the reference date "
            f"{reference.scene.files[0].path}; leave it out, or choose another reference"
        )
        raise GridError(msg)
    return turned


def match_all(
    scenes: Sequence[Scene], reference: int, bands: Sequence[str | int] | None = None
) -> tuple[list[list[int]], str]:
    """Return the positions of the bands to read of each date, and a note.

    Raises
    ------
    BandError
        A band that a date does not have, or dates of different bands without names.
    """
    own = scenes[reference]
    wanted = list(range(len(own.bands)))
    if bands is not None and len(bands):
        wanted = select_bands(own.bands, [bands] if isinstance(bands, str) else bands, own.roles)
    maps = []
    for scene in scenes:
        match = match_bands(own.bands, scene.bands, own.roles, scene.roles)
        if len(match.before) != len(match.after):
            msg = (
                f"{scene.files[0].path} has {len(scene.bands)} bands and {own.files[0].path} has "
                f"{len(own.bands)}, and no names tell which are the same; name them or leave it out"
            )
            raise BandError(msg)
        if match.doubtful and scene.bands != own.bands:
            warnings.warn(f"{scene.files[0].path}: {match.note}", DataWarning, stacklevel=3)
        maps.append(dict(zip(match.before, match.after, strict=True)))
    common = [band for band in wanted if all(band in known for known in maps)]
    missing = [own.bands[band] for band in wanted if band not in common]
    if not common or (missing and bands is not None and len(bands)):
        lacking = next(
            scene.files[0].path
            for scene, known in zip(scenes, maps, strict=True)
            if any(band not in known for band in wanted)
        )
        msg = f"band {missing[0]} is missing at {lacking}; choose bands that all dates have"
        raise BandError(msg)
    note = f"bands {', '.join(own.bands[band] for band in common)}"
    note += f"; not at all dates and left out: {', '.join(missing)}" * bool(missing)
    return [[known[band] for band in common] for known in maps], note


def order_masks(
    images: Any, found: Sequence[Dated], masks: Sequence[MaskOf] | None
) -> list[MaskOf]:
    """Return the mask of each date in order of time.

    Raises
    ------
    UsageError, InputError
        Not one an image, or images that are tables or STAC items.
    """
    if masks is None:
        return [None] * len(found)
    if isinstance(images, str | os.PathLike):
        msg = "masks go with a list of images, not with a table; give the images"
        raise UsageError(msg)
    if len(masks) != len(images):
        msg = f"{len(masks)} masks for {len(images)} images; give one an image, or None"
        raise UsageError(msg)
    listed = [str(image) for image in images]
    if any(str(one.source) not in listed for one in found):
        msg = "masks go with a list of rasters, not with STAC items; give the rasters"
        raise InputError(msg)
    return [masks[listed.index(str(one.source))] for one in found]


def name_masks(given: Sequence[MaskOf]) -> tuple[str | None, ...]:
    """Return the paths of masks; none where no date has one."""
    named = tuple(None if one is None else os.fspath(one) for one in given)
    return named if any(named) else ()


def open_own_mask(
    mask: MaskOf, day: date, scene: Scene, geobox: GeoBox, codes: Sequence[int] | None
) -> tuple[tuple[Mask, ...], str]:
    """Open the mask of a date on a grid, where it has one, and say what masks."""
    if mask is None:
        return (), ""
    opened, said = open_mask(mask, geobox, scene.geobox, codes)
    return (opened,), f"{day}: {said}"


def _describe_series(days: Sequence[date], geobox: GeoBox, reference: int) -> list[str]:
    height, width = (int(n) for n in geobox.shape)
    place = "no CRS, pixel coordinates" if geobox.crs is None else str(geobox.crs)
    size = gsd_m(geobox)
    return [
        f"{len(days)} dates from {days[0]} to {days[-1]}, reference {days[reference]}",
        f"grid {height} x {width} px, {place}" + (f", {size:.4g} m" if size else ""),
    ]


def _say_warped(days: Sequence[date], readers: Sequence[DateReader]) -> list[str]:
    warped = [
        str(day)
        for day, reader in zip(days, readers, strict=True)
        if any(part.shift is None for part in reader.readers)
    ]
    return [f"resampled from other grids: {', '.join(warped)}"] if warped else []
