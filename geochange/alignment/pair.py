"""Two dates on one grid: ``open_pair``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from odc.geo.geobox import GeoBox

from geochange.alignment.aoi import Aoi, parse_aoi
from geochange.alignment.grid import (
    choose_grid,
    crop_to_overlap,
    crop_to_polygons,
    gsd_m,
    turn_to,
)
from geochange.alignment.salvage import read_pieces
from geochange.blocks import PairBlock, PairTraits
from geochange.errors import DataWarning, InputError
from geochange.io.bands.matching import BandMatch, choose_bands, match_bands
from geochange.io.rasters.masks import Mask, VectorMask, open_mask
from geochange.io.rasters.scene import DateReader, Scene, Source, describe_date, read_date
from geochange.tiles import Tile, Window

DATES = ("before", "after")


@dataclass(frozen=True)
class Pair:
    """Two dates that share one grid; nothing is read until a tile is asked for.

    Attributes
    ----------
    before, after : DateReader
        Pixels of each date on ``geobox``; a :class:`geochange.io.reader.Reader`.
    geobox : GeoBox
        The one grid: CRS (may be None), affine, shape.
    aoi : Mask or None
        Pixels inside the area of interest.
    scenes : tuple of Scene
        The files behind the two dates.
    notes : tuple of str
        What opening did: grids, resampling, bands, masks. Shown by ``geochange info``, stored in
        ``run.json`` and the report.
    """

    before: DateReader
    after: DateReader
    geobox: GeoBox
    aoi: Mask | None = None
    scenes: tuple[Scene, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        height, width = self.geobox.shape
        return int(height), int(width)

    @property
    def paths(self) -> list[str]:
        """The files behind both dates, as GDAL opens them."""
        return [file.path for scene in self.scenes for file in scene.files]

    @property
    def dates(self) -> tuple[str | None, str | None]:
        """ISO dates of the two acquisitions, where known."""
        first, second = (scene.date for scene in self.scenes) if self.scenes else (None, None)
        return first, second

    @property
    def traits(self) -> PairTraits:
        """What a method may know before it sees pixels."""
        return PairTraits(
            bands_before=self.before.bands,
            bands_after=self.after.bands,
            roles=self.before.roles,
            gsd_m=gsd_m(self.geobox),
            dtype=self.scenes[0].files[0].dtype if self.scenes else "float32",
            roles_after=self.after.roles,
        )

    def take(self, positions: Sequence[int]) -> Pair:
        """Keep only the bands at ``positions`` of both dates; the others are not read."""
        return replace(self, before=self.before.take(positions), after=self.after.take(positions))

    def see(self, positions: Sequence[int]) -> Pair:
        """Read only the bands at ``positions``; the others keep their places and are 0."""
        return replace(self, before=self.before.see(positions), after=self.after.see(positions))

    def read(self, tile: Tile) -> PairBlock:
        """Read one tile with its halo at both dates."""
        return self.read_window(tile.read, tile)

    def read_window(self, window: Window, tile: Tile | None = None) -> PairBlock:
        """Read any window; pixels outside the grid or the AOI are invalid."""
        before, valid_before = self.before.read(window)
        after, valid_after = self.after.read(window)
        valid = valid_before & valid_after
        if self.aoi is not None:
            valid &= self.aoi.read(window)
        return PairBlock(before, after, valid, tile or Tile(0, window, window))

    def salvage(self, window: Window) -> PairBlock:
        """Read what can be read of a window; the rest is invalid and 0."""
        try:
            return self.read_window(window)
        except InputError:
            return self._salvage(Tile(0, window, window))

    def _salvage(self, tile: Tile) -> PairBlock:
        try:
            return read_pieces(self.read_window, tile)[0]
        except InputError:
            nothing = np.zeros(tile.read.shape, np.bool_)
            before, after = (
                np.zeros((len(date.bands), *nothing.shape), np.float32)
                for date in (self.before, self.after)
            )
            return PairBlock(before, after, nothing, tile)

    def blocks(self, tiles: Iterable[Tile]) -> Iterator[PairBlock]:
        """Read tiles one after the other."""
        return (self.read(tile) for tile in tiles)


def open_pair(
    before: Source,
    after: Source,
    *,
    grid: str | os.PathLike[str] = "before",
    bands: Sequence[str | int] | None = None,
    aoi: Aoi | None = None,
    mask_before: str | os.PathLike[str] | None = None,
    mask_after: str | os.PathLike[str] | None = None,
    mask_codes: Sequence[int] | None = None,
    resampling: str = "auto",
    nodata: float | None = None,
    date_before: str | None = None,
    date_after: str | None = None,
) -> Pair:
    """Bring two dates onto one grid, lazily: reads metadata only.

    Dates may differ in CRS, resolution, extent, sub-pixel origin, rotation, pixel type, band count
    and band order; each file is warped at most once, tile by tile, when it is read.

    Parameters
    ----------
    before, after : path, folder or list of paths
        One raster, or the single-band files of one date at several resolutions. ``/vsi`` paths,
        URLs of cloud-optimised GeoTIFFs and VRTs work as GDAL gives them.
    grid : {'before', 'after', 'finest'} or path
        Reference grid. The result is cut to the pixels that both dates cover.
    bands : sequence of str or int, optional
        Bands to compare: names, roles (``red``, ``nir``) or 1-based numbers of the before date,
        whose bands are looked up by name on the after date. Default: all that match, by name,
        else by role, else by order.
    aoi : path, "W,S,E,N", four numbers, shapely polygon or GeoDataFrame, optional
        Area of interest; see :func:`geochange.alignment.aoi.parse_aoi`.
    mask_before, mask_after : path, optional
        Raster of codes (such as Sentinel-2's SCL) or polygons to leave out of statistics, scores
        and polygons.
    mask_codes : sequence of int, optional
        Codes that mask; see :func:`geochange.io.rasters.masks.open_mask`.
    resampling : {'auto', 'nearest', 'bilinear', 'cubic', 'lanczos', 'average'}
        Kernel of the warp; ``auto`` is ``cubic``, and ``lanczos`` where
        registration moves pixels of one size, which blurs them less.
    nodata : float, optional
        Value without data at both dates, instead of what the files say.
    date_before, date_after : str, optional
        Days of acquisition as ``YYYY-MM-DD``, instead of what tags and names say.

    Raises
    ------
    InputError, GridError, BandError, UsageError
        One line that says what came, what was expected and what to do.

    Warns
    -----
    DataWarning
        Bands were matched by a guess, or most of them match none; a mask masks nothing.

    Examples
    --------
    >>> pair = open_pair("before.tif", "after.tif")  # doctest: +SKIP
    >>> pair.shape, pair.before.bands  # doctest: +SKIP
    ((768, 768), ('Blue', 'Green', 'Red', 'NIR'))
    """
    scenes = (
        describe_date(before).amend(nodata, date_before),
        describe_date(after).amend(nodata, date_after),
    )
    match = _choose_bands(scenes, bands)
    whole = choose_grid(*scenes, grid)
    turned = turn_to(scenes[0], whole), turn_to(scenes[1], whole)
    geobox = crop_to_overlap(whole, [scene.geobox for scene in turned])
    area = None
    if aoi is not None:
        polygons = parse_aoi(aoi, geobox)
        geobox = crop_to_polygons(geobox, polygons)
        area = VectorMask(tuple(polygons), geobox)
    notes = [match.note]
    readers = []
    positions = match.before, match.after
    masks_given = mask_before, mask_after
    for when, scene, index, mask in zip(DATES, turned, positions, masks_given, strict=True):
        notes += [f"{when}: {said}" for said in scene.notes]
        masks: tuple[Mask, ...] = ()
        if mask is not None:
            opened, said = open_mask(mask, geobox, scene.geobox, mask_codes)
            masks = (opened,)
            notes.append(f"{when}: {said}")
        readers.append(read_date(scene, index, geobox, resampling, masks))
    notes += _describe_grids(scenes, readers, geobox, whole)
    return Pair(readers[0], readers[1], geobox, area, turned, tuple(notes))


def _choose_bands(scenes: tuple[Scene, Scene], bands: Sequence[str | int] | None) -> BandMatch:
    (before, after), roles = (s.bands for s in scenes), [s.roles for s in scenes]
    if bands is None or not len(bands):
        match = match_bands(before, after, *roles)
    else:
        chosen = [bands] if isinstance(bands, str) else bands
        match = choose_bands(before, after, chosen, *roles)
    if match.doubtful:
        warnings.warn(match.note, DataWarning, stacklevel=3)
    return match


def _describe_grids(
    scenes: tuple[Scene, Scene],
    readers: Sequence[DateReader],
    geobox: GeoBox,
    whole: GeoBox,
) -> list[str]:
    """Say what was done to bring the dates together."""
    height, width = (int(n) for n in geobox.shape)
    place = "no CRS, pixel coordinates" if geobox.crs is None else str(geobox.crs)
    size = gsd_m(geobox)
    notes = [f"grid {height} x {width} px, {place}" + (f", {size:.4g} m" if size else "")]
    if tuple(geobox.shape) != tuple(whole.shape):
        rows, cols = (int(n) for n in whole.shape)
        notes.append(
            f"cut from {rows} x {cols} px to the area that both dates cover and is asked for"
        )
    for when, reader in zip(DATES, readers, strict=True):
        files = reader.readers
        warped = [f for f in files if f.shift is None]
        if warped:
            own = warped[0].file.geobox
            source = "own grid" if own.crs == geobox.crs else str(own.crs)
            count = f"{len(warped)} of {len(files)} files" if len(files) > 1 else "file"
            notes.append(f"{when}: {count} resampled ({warped[0].kernel}) from {source}")
    return notes
