"""A QGIS project of a run, written as text: QGIS is not needed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from geochange.exports.paths import locate
from geochange.exports.rasters.cog import MASK_COLORS
from geochange.exports.vectors.fields import LAYER
from geochange.exports.vectors.styles import TEMPLATES, polygon_context
from geochange.io.files.atomic import replace_atomically
from geochange.viz.pictures import SCORE_RAMP, UNCERTAINTY_RAMP

SCORE_STOPS = (
    (0.0, SCORE_RAMP[0], 0),
    (0.3, SCORE_RAMP[0], 0),
    (0.5, SCORE_RAMP[1], 160),
    (0.7, SCORE_RAMP[2], 255),
    (1.0, SCORE_RAMP[4], 255),
)
"""Score, colour and opacity (0-255): low scores let the image through."""

UNCERTAINTY_STOPS = tuple(
    (place / 4, color, 64 * place - (place == 4)) for place, color in enumerate(UNCERTAINTY_RAMP)
)
"""Entropy in bits, colour and opacity: where the network is sure, the image shows."""

THEMES = {
    "Before": ("before",),
    "After": ("after",),
    "Before + change": ("changes", "before"),
    "After + change": ("changes", "after"),
    "After + score": ("score", "after"),
}
UNCERTAINTY_THEME = {"After + uncertainty": ("uncertainty", "after")}
MAX_BOOKMARKS = 200
BOOKMARK_MARGIN_PX = 32
ARCHIVE_TIME = (2000, 1, 1, 0, 0, 0)
"""Time of the file inside the archive, so that the same run gives the same project."""


@dataclass(frozen=True, slots=True)
class ShownDate:
    """One date as QGIS shows it.

    Attributes
    ----------
    path : str
        Raster that GDAL opens; local paths are written relative to the project.
    bands : tuple of int
        One band, or three for red, green and blue; counted from 1.
    stretch : tuple of (low, high)
        Values shown as black and as white, one pair a band; give both dates the same.
    crs : CRS or None
        CRS of the raster.
    date : datetime.date or None
        Day of the image.
    """

    path: str
    bands: tuple[int, ...]
    stretch: tuple[tuple[float, float], ...]
    crs: CRS | None = None
    date: date | None = None


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A named place: ``bounds`` are (west, south, east, north) in the CRS of the grid."""

    name: str
    bounds: tuple[float, float, float, float]

    @property
    def extent(self) -> str:
        """The bounds as a WKT polygon."""
        w, s, e, n = self.bounds
        return f"POLYGON(({w} {s}, {e} {s}, {e} {n}, {w} {n}, {w} {s}))"


def list_bookmarks(changes: geopandas.GeoDataFrame, geobox: GeoBox) -> list[Bookmark]:
    """Return one bookmark a change, in the order of ``changes``.

    Parameters
    ----------
    changes : GeoDataFrame
        Polygons in the CRS of ``geobox`` with ``class`` and ``score_mean``; take those of
        ``best_changes(path, MAX_BOOKMARKS)``.
    geobox : GeoBox
        Its pixel size gives the margin around a change.
    """
    margin = BOOKMARK_MARGIN_PX * float(np.sqrt(abs(geobox.affine.determinant)))
    rows = zip(
        changes["class"], changes["score_mean"], changes.geometry.bounds.to_numpy(), strict=True
    )
    return [
        Bookmark(f"{rank:03d} {name} {score:.2f}", (w - margin, s - margin, e + margin, n + margin))
        for rank, (name, score, (w, s, e, n)) in enumerate(rows, start=1)
    ]


def write_project(
    path: str | Path,
    *,
    before: ShownDate,
    after: ShownDate,
    geobox: GeoBox,
    classes: Sequence[str],
    fields: Mapping[str, str],
    bookmarks: Sequence[Bookmark] = (),
    uncertainty: bool = False,
    title: str = "geochange",
) -> Path:
    """Write ``changes.qgz`` beside ``score.tif``, ``mask.tif`` and ``changes.gpkg``.

    It shows both dates with one stretch, the score, the mask and the polygons by class; it has
    themes for linked map views and swiping, bookmarks for a review and a time range.

    Parameters
    ----------
    path : str or Path
        File to write; layers are named relative to its folder.
    before, after : ShownDate
        The two dates.
    geobox : GeoBox
        Grid of the outputs; without CRS the project has none.
    classes : sequence of str
        Classes of the polygons.
    fields : mapping of str to str
        Fields of the polygons, name to numpy type.
    bookmarks : sequence of Bookmark
        Places to visit, in order.
    uncertainty : bool
        Show ``uncertainty.tif`` too.
    title : str
        Title of the project.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError, ResourceError
        The file cannot be written, the disk is full.
    """
    folder = Path(path).parent
    names = {"before": _dated("Before", before.date), "after": _dated("After", after.date)}
    document = TEMPLATES.get_template("project.qgs.jinja").render(
        title=title,
        crs=crs_facts(geobox.crs),
        extent=tuple(geobox.extent.boundingbox),
        groups=names,
        layers=_layers(folder, before, after, uncertainty=uncertainty),
        scenes={"before": _show(before), "after": _show(after)},
        periods=_periods(before.date, after.date),
        themes=THEMES | (UNCERTAINTY_THEME if uncertainty else {}),
        bookmarks=bookmarks,
        ramps={"score": SCORE_STOPS, "uncertainty": UNCERTAINTY_STOPS},
        change_color="#{:02x}{:02x}{:02x}".format(*MASK_COLORS[1][:3]),
        **polygon_context(classes, {**fields, "status": "str"}),
    )
    with replace_atomically(path) as temporary:
        temporary.write_bytes(zip_document(f"{Path(path).stem}.qgs", document))
    return Path(path)


def zip_document(name: str, document: str) -> bytes:
    """Return an archive that holds one document, the same for the same document."""
    archive = io.BytesIO()
    entry = zipfile.ZipInfo(name, ARCHIVE_TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(entry, document)
    return archive.getvalue()


def _layers(
    folder: Path, before: ShownDate, after: ShownDate, *, uncertainty: bool
) -> dict[str, dict[str, Any]]:
    """Describe the layers; QGIS replaces ids of ten characters and fewer."""
    rows = {
        "changes": ("Changes", f"./changes.gpkg|layername={LAYER}", "ogr", True),
        "mask": ("Change mask", "./mask.tif", "gdal", False),
        "score": ("Change score", "./score.tif", "gdal", False),
        "uncertainty": ("Uncertainty", "./uncertainty.tif", "gdal", False),
        "after": (Path(after.path).name, locate(after.path, folder), "gdal", True),
        "before": (Path(before.path).name, locate(before.path, folder), "gdal", True),
    }
    if not uncertainty:
        del rows["uncertainty"]
    return layer_facts(rows, expanded=("changes", "score"))


def layer_facts(
    rows: Mapping[str, tuple[str, str, str, bool]], expanded: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Return what the templates of projects say of layers: name, source, provider, visible."""
    return {
        key: {
            "id": f"geochange_{key}_layer",
            "name": name,
            "source": source,
            "provider": provider,
            "visible": visible,
            "expanded": key in expanded,
        }
        for key, (name, source, provider, visible) in rows.items()
    }


def _show(shown: ShownDate) -> dict[str, Any]:
    return {"bands": shown.bands, "stretch": shown.stretch, "crs": crs_facts(shown.crs)}


def crs_facts(crs: CRS | None) -> dict[str, Any] | None:
    """Return what the templates of projects say of a coordinate system."""
    if crs is None:
        return None
    return {"wkt": crs.to_wkt(), "epsg": crs.to_epsg(), "geographic": crs.geographic}


def _dated(word: str, day: date | None) -> str:
    return f"{word} {day.isoformat()}" if day else word


def _periods(before: date | None, after: date | None) -> dict[str, tuple[str, str]]:
    """Show the before image until the after image exists, and that one for a day."""
    if before is None or after is None:
        return {}
    days = [f"{day.isoformat()}T00:00:00Z" for day in (before, after, after + timedelta(days=1))]
    return {
        "before": (days[0], days[1]),
        "after": (days[1], days[2]),
        "project": (days[0], days[2]),
    }
