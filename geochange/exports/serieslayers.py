"""What a series leaves: rasters of when and how much, and polygons with dates."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window as RasterioWindow

from geochange.exports.rasters.cog import write_cog
from geochange.exports.vectors.fields import FIELDS, LAYER, delta_fields
from geochange.exports.vectors.geojson import write_geojson
from geochange.exports.vectors.gpkg import write_styled
from geochange.exports.vectors.styles import TEMPLATES, class_colors
from geochange.io.files.atomic import replace_atomically
from geochange.io.stores.tilestore import TileStore
from geochange.io.vector import read_batches
from geochange.maps.sweep import Runner
from geochange.tiles import TilePlan
from geochange.viz.timelines import time_colours

YEAR_DAYS = 365.25
NUDGE_DAYS = 0.1
"""Keeps the first day of a leap year from being rounded into the year before."""
BLOCK_PX = 512
_DATES = {"date_start": "datetime64[D]", "date_end": "datetime64[D]"}
_LEFT_OUT = ("misregistration_risk", "date_before", "date_after", "cloud_risk")
DATED_FIELDS = {name: kind for name, kind in FIELDS.items() if name not in _LEFT_OUT} | _DATES


@dataclass(frozen=True, slots=True)
class DayTotal:
    """Everything that changed up to one date: polygons, pixels, mapped area."""

    count: int
    pixels: int
    area_m2: float | None


def choose_zero(first: date) -> date:
    """Return the day from which a series counts: 1 January of the last leap year up to its first.

    Counted from there, days over 365.25 have every day in its own year, the first and the last of
    a year too; counted from any other year, 1 January 1990 can be 1989.9993.

    Examples
    --------
    >>> choose_zero(date(1990, 6, 1))
    datetime.date(1988, 1, 1)
    """
    return date(first.year - first.year % 4, 1, 1)


def write_dates(
    store: TileStore, path: Path, *, zero: date, tags: Mapping[str, str], run: Runner = map
) -> Path:
    """Write ``date.tif``: decimal years after the band's scale and offset, nodata elsewhere.

    The stored uint16 counts days since ``zero``, see :func:`choose_zero`, which the tag
    ``DAY_ZERO`` names, so the exact day is kept while QGIS and others show 2016.42.
    """
    return write_cog(
        store,
        path,
        description="date of change (decimal year)",
        scale=1 / YEAR_DAYS,
        offset=zero.year + NUDGE_DAYS / YEAR_DAYS,
        tags={**tags, "DAY_ZERO": zero.isoformat()},
        overviews="nearest",
        run=run,
    )


def write_magnitudes(
    stores: Sequence[TileStore],
    mask: TileStore,
    path: Path,
    *,
    bands: Sequence[str],
    tags: Mapping[str, str],
) -> Path:
    """Write ``magnitude.tif``: float32, a band a band, after minus before; NaN where no change is.

    Blocks go in one order through a plain file, so memory is flat and the bytes do not depend on
    the tiles.
    """
    geobox = mask.geobox
    height, width = (int(n) for n in geobox.shape)
    plain = path.with_name(f".{path.stem}.blocks.tif")
    profile = {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": len(stores),
        "dtype": "float32",
        "nodata": float("nan"),
        "crs": None if geobox.crs is None else geobox.crs.to_wkt(),
        "transform": geobox.affine,
        "tiled": True,
        "blockxsize": BLOCK_PX,
        "blockysize": BLOCK_PX,
        "interleave": "band",
        "compress": "zstd",
        "zstd_level": 1,
        "BIGTIFF": "IF_SAFER",
    }
    try:
        with rasterio.open(plain, "w", **profile) as dataset:
            dataset.update_tags(**tags)
            for number, (store, band) in enumerate(zip(stores, bands, strict=True), start=1):
                dataset.set_band_description(number, band)
                for tile in TilePlan((height, width), BLOCK_PX):
                    core = tile.core
                    change = np.where(mask.read(core) == 1, store.read(core), np.float32("nan"))
                    place = RasterioWindow(core.col, core.row, core.width, core.height)
                    dataset.write(change.astype(np.float32), number, window=place)
        with replace_atomically(path) as temporary:
            copy_raster(
                plain,
                temporary,
                driver="COG",
                compress="ZSTD",
                predictor="YES",
                overview_resampling="nearest",
                blocksize=BLOCK_PX,
            )
    finally:
        plain.unlink(missing_ok=True)
    return path


def dated_fields(bands: Iterable[str]) -> dict[str, str]:
    """Return name to numpy type of the fields of polygons with dates.

    Examples
    --------
    >>> list(dated_fields(["red"]))[-3:]
    ['date_start', 'date_end', 'delta_red']
    """
    return DATED_FIELDS | dict.fromkeys(delta_fields(bands), "float64")


def write_dated_changes(
    batches: Iterable[geopandas.GeoDataFrame],
    folder: Path,
    *,
    bands: Sequence[str],
    days: Sequence[date],
    mask: TileStore,
) -> None:
    """Write ``changes.gpkg``, styled by date, and ``changes.geojson``."""
    fields = dated_fields(bands)
    names = dict(zip((f"delta_{band}" for band in bands), delta_fields(bands), strict=True))
    classes: set[str] = set()

    def prepare() -> Iterable[geopandas.GeoDataFrame]:
        for batch in batches:
            classes.update(str(name) for name in batch["class"].unique())
            yield batch.rename(columns=names)

    def styles() -> dict[str, str]:
        template = TEMPLATES.get_template("by_date.qml.jinja")
        by_class = class_colors(classes)
        return {
            "by date": template.render(field="date_end", colors=time_colours(days)),
            "by class": template.render(field="class", colors=by_class),
        }

    path = write_styled(
        prepare(),
        folder / "changes.gpkg",
        layer=LAYER,
        fields=fields,
        geobox=mask.geobox,
        styles=styles,
    )
    write_geojson(read_batches(path), folder / "changes.geojson", fields=fields, geobox=mask.geobox)


def total_days(path: Path) -> list[tuple[str, DayTotal]]:
    """Count the polygons of a GeoPackage by the date that first shows them, early first."""
    query = (
        f"SELECT date_end, COUNT(*), SUM(pixels), SUM(area_m2) FROM {LAYER} "
        "GROUP BY date_end ORDER BY 1"
    )
    with closing(sqlite3.connect(path)) as connection:
        return [(str(row[0]), DayTotal(*row[1:])) for row in connection.execute(query)]
