"""A file that holds classes pixel by pixel, on any grid."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.errors import DataWarning, GridError, InputError
from geochange.evaluation.counts import UNKNOWN
from geochange.evaluation.reference import extend_grid, place_label
from geochange.io.rasters.geotiff import GridReader
from geochange.io.rasters.rasterfile import RasterFile, describe_raster
from geochange.labels.schema import Schema
from geochange.labels.tracing import TracedLabels, plan_reads, trace
from geochange.tiles import Window


@dataclass(frozen=True)
class CodeFile:
    """A class raster of any grid by its nearest pixel; :class:`~geochange.labels.tracing.Codes`.

    Attributes
    ----------
    reader : GridReader
    nodata : float or None
        A further value that says nothing.
    changed : int or None
        The class of 255, for rasters of 0 and 255 alone.
    """

    reader: GridReader
    nodata: float | None = None
    changed: int | None = None

    @property
    def geobox(self) -> GeoBox:
        """See :class:`~geochange.labels.tracing.Codes`."""
        return self.reader.geobox

    def read(self, window: Window) -> NDArray[np.uint8]:
        """See :meth:`geochange.labels.tracing.Codes.read`."""
        pixels, valid = self.reader.read(window)
        known = valid if self.nodata is None else valid & (pixels[0] != self.nodata)
        if self.changed is not None:
            return np.where(known, (pixels[0] > 0) * self.changed, UNKNOWN).astype(np.uint8)
        wrong = known & ((pixels[0] < 0) | (pixels[0] > UNKNOWN) | (pixels[0] % 1 != 0))
        if wrong.any():
            msg = (
                f"{self.reader.file.path} holds {pixels[0][wrong][0]:g}, which is no class; a mask "
                "holds whole numbers 0 to 254, and 255 where nothing is known"
            )
            raise InputError(msg)
        return np.where(known, pixels[0], UNKNOWN).astype(np.uint8)


def trace_mask(
    path: str, geobox: GeoBox, schema: Schema, windows: Iterable[Window]
) -> TracedLabels:
    """Trace a mask file on the grid of a pair; see :func:`~geochange.labels.tracing.trace`.

    A mask of another grid is read by the nearest pixel; one without georeference must be of equal
    size.

    Warns
    -----
    DataWarning
        The mask holds 0 and 255 alone and calls 255 no nodata: 255 is taken as change.

    Raises
    ------
    InputError, GridError
    """
    file = place_label(describe_raster(path).take([0]), geobox)
    try:
        extend_grid(file, geobox)
    except GridError as error:
        msg = f"mask {path} does not overlap the images; check that both show the same place"
        raise GridError(msg) from error
    reader = GridReader(replace(file, nodata=(None,)), geobox, "nearest")
    changed = schema.classes[0].id if _is_binary_255(file, reader) else None
    if changed is not None:
        msg = f"{path} holds 0 and 255 alone: 255 is taken as {schema.classes[0].name}"
        warnings.warn(msg, DataWarning, stacklevel=2)
    return trace(CodeFile(reader, file.nodata[0], changed), schema, windows)


def _is_binary_255(file: RasterFile, reader: GridReader) -> bool:
    if file.nodata[0] == UNKNOWN:
        return False
    values: set[float] = set()
    for tile in plan_reads(reader.geobox):
        pixels, valid = reader.read(tile.core)
        values |= set(np.unique(pixels[0][valid]).tolist())
        if not values <= {0.0, float(UNKNOWN)}:
            return False
    return float(UNKNOWN) in values
