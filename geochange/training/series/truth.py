"""What is known of a series: at which date each pixel changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.features import rasterize

from geochange.errors import InputError
from geochange.series.stack import Series

NO_CHANGE, UNKNOWN_DATE = -1, -2
NAMES = ("truth.tif", "label.tif", "truth.gpkg", "label.gpkg", "label.geojson")
"""Files of a stack's folder that are taken for its labels, the first that is there."""
FIELDS = ("date_end", "date")
"""Fields of polygons that hold the first day of a change."""
Truth = NDArray[np.int16]


def read_truth(path: Path, series: Series) -> Truth:
    """Read dated labels.

    Parameters
    ----------
    path : Path
        A raster on the grid of the series that holds the position of the first date which shows
        the change, counted from 1, 0 for no change and nodata or 255 for unknown; dates are those
        of the series, or those of its tag ``DATES`` (ISO days joined by commas). Or polygons with
        the first day in a field ``date_end``, as ``geochange series`` writes them, or ``date``.
    series : Series

    Returns
    -------
    int16 (H, W)
        Position of the first date of the series that shows the change, :data:`NO_CHANGE` or
        :data:`UNKNOWN_DATE`.

    Raises
    ------
    InputError
        Another grid, a date that is none, or polygons without dates.
    """
    if path.suffix.lower() in (".tif", ".tiff"):
        return _read_raster(path, series)
    return _read_polygons(path, series)


def _read_raster(path: Path, series: Series) -> Truth:
    with rasterio.open(path) as dataset:
        if dataset.shape != series.shape:
            msg = f"{path} has {dataset.shape} px, the series {series.shape}; label it on its grid"
            raise InputError(msg)
        stored = dataset.read(1)
        nodata, listed = dataset.nodata, dataset.tags().get("DATES", "")
    unknown = (stored == (nodata or 255)) | np.isnan(stored)
    counted = np.where(unknown, 0, stored).astype(np.int64)
    places = _find_places(listed.split(","), series, path) if listed else np.arange(len(series))
    for named in (int(counted.min()), int(counted.max())):
        if not 0 <= named <= len(places):
            msg = f"{path} names date {named} of {len(places)}; count from 1, 0 is no change"
            raise InputError(msg)
    table = np.concatenate([[NO_CHANGE], places])
    truth: Truth = table[counted].astype(np.int16)
    truth[unknown] = UNKNOWN_DATE
    return truth


def _read_polygons(path: Path, series: Series) -> Truth:
    import geopandas as gpd

    frame = gpd.read_file(path)
    field = next((name for name in FIELDS if name in frame.columns), None)
    if field is None:
        msg = f"{path} has no field {' or '.join(FIELDS)}; give each polygon the day it changed"
        raise InputError(msg)
    if series.geobox.crs is not None and frame.crs is not None:
        frame = frame.to_crs(str(series.geobox.crs))
    days = [str(value)[:10] for value in frame[field]]
    places = _find_places(days, series, path)
    shapes = [(shape, int(at) + 1) for shape, at in zip(frame.geometry, places, strict=True)]
    if not shapes:
        return np.full(series.shape, NO_CHANGE, np.int16)
    found = rasterize(shapes, series.shape, transform=series.geobox.affine, dtype="int16")
    truth: Truth = (found - 1).astype(np.int16)
    return truth


def _find_places(days: Sequence[str], series: Series, path: Path) -> NDArray[np.int64]:
    """Return the first date of the series on or after each day."""
    try:
        wanted = [date.fromisoformat(day.strip()).toordinal() for day in days]
    except ValueError as error:
        msg = f"{path} holds a day that is none ({error}); write YYYY-MM-DD"
        raise InputError(msg) from error
    places = np.searchsorted(series.ordinals, wanted)
    return np.where(places < len(series), places, NO_CHANGE).astype(np.int64)


def take_dates(truth: Truth, chosen: NDArray[np.intp], *, reverse: bool = False) -> Truth:
    """Return the truth for some of the dates, in order or backwards.

    What changed before the first or after the last of them is no change among them.

    Examples
    --------
    >>> truth = np.array([[-1, 0, 2, 5, 7, -2]], np.int16)
    >>> take_dates(truth, np.array([1, 4, 5])).tolist()
    [[-1, -1, 1, 2, -1, -2]]
    >>> take_dates(truth, np.array([1, 4, 5]), reverse=True).tolist()
    [[-1, -1, 2, 1, -1, -2]]
    """
    place = np.searchsorted(chosen, truth)
    inside = (truth >= 0) & (place > 0) & (place < len(chosen))
    found = np.where(inside, len(chosen) - place if reverse else place, NO_CHANGE)
    return np.where(truth == UNKNOWN_DATE, UNKNOWN_DATE, found).astype(np.int16)


def show_first(truth: Truth, valid: NDArray[np.bool_]) -> Truth:
    """Move dates to the first valid one that shows the change; unknown where none can.

    Examples
    --------
    >>> valid = np.array([1, 1, 0, 1], bool)[:, None, None].repeat(3, 2)
    >>> show_first(np.array([[2, 1, -1]], np.int16), valid).tolist()
    [[3, 1, -1]]
    """
    dates = len(valid)
    order = np.arange(dates)[:, None, None]
    after = np.where(valid & (order >= truth), order, dates).min(axis=0)
    before = (valid & (order < truth)).any(axis=0)
    seen = np.where(before & (after < dates), after, UNKNOWN_DATE)
    return np.where(truth >= 0, seen, truth).astype(np.int16)
