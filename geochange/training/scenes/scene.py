"""A scene to learn from: a pair on one grid, its labels, and the part of it that is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.alignment.pair import Pair, open_pair
from geochange.blocks import BoolArray, FloatArray
from geochange.errors import GeochangeError, GridError, InputError
from geochange.evaluation.counts import UNKNOWN
from geochange.evaluation.reference import (
    DEFAULT_IGNORE,
    LabelRaster,
    Reference,
    ReferencePolygons,
    extend_grid,
    place_label,
)
from geochange.io.rasters.geotiff import GridReader
from geochange.io.rasters.masks import VectorMask, is_vector
from geochange.io.rasters.rasterfile import describe_raster
from geochange.io.vector import read_vector
from geochange.tiles import Window
from geochange.training.scenes.layouts import SceneFiles
from geochange.training.settings.data import DataConfig


@dataclass(slots=True)
class Sample:
    """Pixels and labels of a window.

    Attributes
    ----------
    before, after : float32 (C, H, W)
        0 where invalid.
    label : uint8 (H, W)
        0 unchanged, 1 changed, 255 unknown; unknown wherever ``valid`` is not.
    valid : bool (H, W)
        True where both dates hold data.
    """

    before: FloatArray
    after: FloatArray
    label: NDArray[np.uint8]
    valid: BoolArray


@dataclass(frozen=True)
class TrainingScene:
    """One scene; a description that opens nothing when it is pickled and built again.

    Attributes
    ----------
    name : str
    pair : Pair
    label : Reference or None
        Labels on the pair's grid; None for a scene without.
    area : Window
        Part of the pair's grid that is used; nothing outside it is ever read.
    weight : float
        How often its pixels are drawn.
    """

    name: str
    pair: Pair
    label: Reference | None
    area: Window
    weight: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` of the used part in pixels."""
        return self.area.shape

    @property
    def geobox(self) -> GeoBox:
        """Grid of the used part."""
        whole = self.pair.geobox
        affine = whole.affine @ Affine.translation(self.area.col, self.area.row)
        return GeoBox(self.area.shape, affine, whole.crs)

    @property
    def bands(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Band names of the two dates."""
        return self.pair.before.bands, self.pair.after.bands

    def read(self, window: Window) -> Sample:
        """Read a window of the used part, which may leave it; everything outside is invalid.

        Parameters
        ----------
        window : Window
            Rows and columns from the corner of the used part.
        """
        place = replace(window, row=window.row + self.area.row, col=window.col + self.area.col)
        block = self.pair.read_window(place)
        valid = block.valid & _inside(window, self.shape)
        label = self._read_label(place)
        label[~valid] = UNKNOWN
        before, after = (
            np.where(valid, date, np.float32(0)) for date in (block.before, block.after)
        )
        return Sample(before, after, label, valid)

    def read_label(self, window: Window) -> NDArray[np.uint8]:
        """Read labels alone, uint8 (H, W); validity of the images is not looked at."""
        place = replace(window, row=window.row + self.area.row, col=window.col + self.area.col)
        label = self._read_label(place)
        label[~_inside(window, self.shape)] = UNKNOWN
        return label

    def _read_label(self, place: Window) -> NDArray[np.uint8]:
        if self.label is None:
            return np.full(place.shape, UNKNOWN, np.uint8)
        return self.label.read(place)[0]


def _inside(window: Window, shape: tuple[int, int]) -> BoolArray:
    """Pixels of a window that lie in an array of ``shape`` from (0, 0) on, bool (H, W)."""
    inside = np.zeros(window.shape, bool)
    common = Window(0, 0, *shape).intersect(window)
    if common is not None:
        inside[common.slices_in(window)] = True
    return inside


def open_scene(
    files: SceneFiles,
    data: DataConfig,
    changed: Sequence[int] | None = None,
) -> TrainingScene:
    """Bring the dates and the label of a scene onto one grid; reads metadata only.

    Parameters
    ----------
    files : SceneFiles
    data : DataConfig
        Its bands and its kernel of resampling count.
    changed : sequence of int, optional
        Label values that mean change; default: all but 0 and those that say nothing.

    Raises
    ------
    InputError, GridError, BandError
        As :func:`geochange.open_pair`, with the scene's name in front.
    """
    source = files.source
    try:
        pair = open_pair(
            files.before,
            files.after,
            bands=data.bands or None,
            resampling=data.resampling,
            mask_before=files.mask_before or None,
            mask_after=files.mask_after or None,
        )
        label = _open_label(files.label, pair.geobox, changed, source.ignore)
    except GeochangeError as error:
        msg = f"scene {files.name}: {error}"
        raise type(error)(msg) from error
    height, width = pair.shape
    top, bottom = (round(share * height) for share in source.rows)
    left, right = (round(share * width) for share in source.cols)
    area = Window(top, left, max(1, bottom - top), max(1, right - left))
    return TrainingScene(files.name, pair, label, area, source.weight)


def _open_label(
    path: str, geobox: GeoBox, changed: Sequence[int] | None, ignore: Sequence[int]
) -> Reference | None:
    if not path:
        return None
    if is_vector(path):
        if changed or ignore:
            msg = f"label {path} holds polygons: changed and ignore are values of a label raster"
            raise InputError(msg)
        return _open_polygons(path, geobox)
    file = place_label(describe_raster(path).take([0]), geobox)
    try:
        extend_grid(file, geobox)
    except GridError as error:
        msg = f"label {path} does not overlap the images; check that both show the same place"
        raise GridError(msg) from error
    nodata = file.nodata[0]
    silent = tuple(ignore) or ((DEFAULT_IGNORE,) if nodata is None else (DEFAULT_IGNORE, nodata))
    named = tuple(changed) if changed else None
    reader = GridReader(replace(file, nodata=(None,)), geobox, "nearest")
    return LabelRaster(reader, named, tuple(v for v in silent if v not in (named or ())))


def _open_polygons(path: str, geobox: GeoBox) -> ReferencePolygons:
    frame = read_vector(path, geobox=geobox)
    polygons = frame.geometry[frame.geom_type.isin(["Polygon", "MultiPolygon"])]
    met = tuple(polygons[shapely.intersects(polygons.array, geobox.extent.geom)])
    if len(polygons) and not met:
        msg = f"label {path} does not overlap the images: no polygon lies on them; check its CRS"
        raise GridError(msg)
    return ReferencePolygons(VectorMask(met, geobox))
