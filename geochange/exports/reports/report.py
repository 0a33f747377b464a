"""A report of a run that can be mailed, printed and read without any software."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.exports.reports.cartography import (
    MapFrame,
    area_text,
    frame_of,
    length_text,
    scale_bar,
)
from geochange.exports.vectors.changes import ClassTotal
from geochange.exports.vectors.styles import TEMPLATES, class_colors
from geochange.io.files.atomic import replace_atomically
from geochange.viz.pictures import CHANGE_COLOUR, data_uri

CHANGE_COLOR = "#{:02x}{:02x}{:02x}".format(*CHANGE_COLOUR)
HISTOGRAM_BINS = 120
OF_THE_MOMENT = ("created", "seconds", "peak_memory_bytes")
"""What of ``run.json`` differs when the same run is made again."""
SHOWN_ELSEWHERE = ("sensitivity",)
MAX_THUMBNAIL_BYTES = 2_000_000
"""Thumbnails beyond this are left out, from the end of the list, so that the report stays small."""


@dataclass(frozen=True, slots=True)
class ReportedChange:
    """One row of the table of changes.

    Attributes
    ----------
    number : int
        Id of the polygon.
    name : str
        Its class.
    row, col : float
        Its place on the grid in pixels.
    area_m2, perimeter_m : float or None
        None without CRS.
    before, after : bytes
        Thumbnails, PNG or WebP; empty where the images cannot be read.
    """

    number: int
    name: str
    score_mean: float
    score_max: float
    pixels: int
    row: float
    col: float
    area_m2: float | None = None
    perimeter_m: float | None = None
    before: bytes = b""
    after: bytes = b""


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that a report shows.

    Attributes
    ----------
    geobox : GeoBox
        Grid of the outputs; the pictures show all of it.
    before_name, after_name : str
        How the two dates are called, usually by file.
    before, after, change : bytes
        Pictures of the whole grid, PNG or WebP; ``change`` is transparent where nothing changed.
    changes : tuple of ReportedChange
        The changes to show, best first.
    classes : tuple of ClassTotal
        All polygons, by class.
    valid_pixels, changed_pixels : int
    same_stretch : bool
        Whether both pictures have one contrast stretch.
    changed_area_m2 : float or None
        None without CRS.
    histogram : int64 (levels,)
        Counts of the score over [0, 1].
    threshold : float or None
        None when the method found that nothing changed.
    method, method_reason, threshold_method : str
    parameters : mapping
        Name to value.
    notes : tuple of str
        What was done to bring the pair together, and warnings.
    displacements : bytes
        Picture of what registration measured, PNG; empty where it measured nothing.
    sensitivity : tuple of str
        Sentences on how small and faint a change is found; empty where that was not measured.
    detection : bytes
        Picture of the probability of detection, PNG.
    run : mapping
        Provenance, as in ``run.json``; :data:`OF_THE_MOMENT` is not shown, so that equal runs give
        equal reports.
    command : str
        Command that repeats the run.
    """

    geobox: GeoBox
    before_name: str
    after_name: str
    before: bytes
    after: bytes
    change: bytes
    changes: tuple[ReportedChange, ...]
    classes: tuple[ClassTotal, ...]
    valid_pixels: int
    changed_pixels: int
    histogram: NDArray[np.int64]
    threshold: float | None
    method: str
    threshold_method: str
    changed_area_m2: float | None = None
    same_stretch: bool = True
    method_reason: str = ""
    date_before: date | None = None
    date_after: date | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    displacements: bytes = b""
    sensitivity: tuple[str, ...] = ()
    detection: bytes = b""
    run: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    title: str = "Change report"
    version: str = ""


def write_report(data: ReportData, path: str | Path) -> Path:
    """Write ``report.html``: one file, no network, no library, everything escaped.

    Parameters
    ----------
    data : ReportData
    path : str or Path
        File to write; an existing one is replaced at the end.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError, ResourceError
        The file cannot be written, the disk is full.
    """
    height, width = (int(size) for size in data.geobox.shape)
    frame = frame_of(data.geobox)
    document = TEMPLATES.get_template("report.html.jinja").render(
        data=data,
        size=(width, height),
        pixels=width * height,
        count=sum(item.count for item in data.classes),
        classes_found=len(data.classes),
        class_pixels=max(1, sum(item.pixels for item in data.classes)),
        change_color=CHANGE_COLOR,
        crs=_crs_text(data.geobox),
        frame=frame,
        bar=_bar(frame),
        bounds=[f"{value:.9g}" for value in data.geobox.extent.boundingbox],
        colors=class_colors(item.name for item in data.classes),
        rows=_rows(data),
        place_title="Column, row" if data.geobox.crs is None else "Latitude, longitude",
        histogram=draw_histogram(data.histogram, data.threshold),
        run=json.dumps(_lasting(data.run), indent=2, ensure_ascii=False, default=str),
    )
    with replace_atomically(path) as temporary:
        temporary.write_text(document, encoding="utf-8")
    return Path(path)


def _lasting(run: Mapping[str, Any]) -> dict[str, Any]:
    left_out = OF_THE_MOMENT + SHOWN_ELSEWHERE
    return {name: fact for name, fact in run.items() if name not in left_out}


def _crs_text(geobox: GeoBox) -> str:
    if geobox.crs is None:
        return "no CRS (pixel coordinates)"
    name, code = geobox.crs.proj.name, geobox.crs.to_epsg()
    return f"{name} (EPSG:{code})" if code else str(name)


def _bar(frame: MapFrame) -> tuple[float, str] | None:
    """Return the scale bar in percent of the width of the map, and its label."""
    if not frame.width_m:
        return None
    length = scale_bar(frame.width_m)
    return 100 * length / frame.width_m, length_text(length)


def _rows(data: ReportData) -> list[dict[str, Any]]:
    """Return the table of changes with its thumbnails, as many as there is room for."""
    height, width = data.geobox.shape
    rows: list[dict[str, Any]] = []
    used = 0
    for change in data.changes:
        used += len(change.before) + len(change.after)
        readable = bool(change.before and change.after)
        shown = readable and used <= MAX_THUMBNAIL_BYTES
        rows.append(
            {
                "change": change,
                "place": place_text(data.geobox, change.row, change.col),
                "x": 100 * change.col / width,
                "y": 100 * change.row / height,
                "readable": readable,
                "before": data_uri(change.before) if shown else "",
                "after": data_uri(change.after) if shown else "",
            }
        )
    return rows


def place_text(geobox: GeoBox, row: float, col: float) -> str:
    """Return a place for people: degrees to five decimals (about a metre), pixels without CRS.

    Examples
    --------
    >>> from affine import Affine
    >>> place_text(GeoBox((9, 9), Affine(10, 0, 500000, 0, -10, 5000000), "EPSG:32632"), 0, 0)
    '45.15348, 9.00000'
    """
    if geobox.crs is None:
        return f"{col:.0f}, {row:.0f}"
    x, y = geobox.affine @ (col, row)
    lon, lat = geobox.crs.transformer_to_crs("EPSG:4326")(x, y)
    return f"{lat:.5f}, {lon:.5f}"


def draw_histogram(counts: NDArray[np.int64], threshold: float | None) -> dict[str, Any]:
    """Return the bars and ticks of a histogram with a logarithmic axis, in a 100 x 100 box.

    Parameters
    ----------
    counts : int64 (levels,)
        Counts over [0, 1].
    threshold : float or None
        Bars from here on count as change.

    Examples
    --------
    >>> picture = draw_histogram(np.array([9, 0, 0, 99]), threshold=0.5)
    >>> [(bar["height"], bar["change"]) for bar in picture["bars"]]
    [(50.0, False), (0.0, False), (0.0, True), (100.0, True)]
    """
    edges = np.linspace(0, len(counts), min(HISTOGRAM_BINS, len(counts)) + 1).astype(int)
    pooled = np.add.reduceat(counts, edges[:-1])
    decades = max(1, math.ceil(math.log10(1 + int(pooled.max()))))
    heights = 100 * np.log10(1.0 + pooled) / decades
    left = 100 * edges[:-1] / len(counts)
    width = 100 / len(pooled)
    boundary = math.inf if threshold is None else 100 * threshold
    return {
        "bars": [
            {
                "x": float(x),
                "width": width,
                "height": round(float(height), 2),
                "change": bool(x + width / 2 > boundary),
            }
            for x, height in zip(left, heights, strict=True)
        ],
        "ticks": [(f"{10**power:,}", 100 * power / decades) for power in range(1, decades + 1)],
    }


def count_text(number: float) -> str:
    """Write a count with groups of three digits.

    Examples
    --------
    >>> count_text(1234567)
    '1,234,567'
    """
    return f"{number:,.0f}"


def share_text(part: float, whole: float) -> str:
    """Write a share in percent, small ones too.

    Examples
    --------
    >>> share_text(1, 3), share_text(2, 100_000), share_text(0, 0)
    ('33.3 %', '0.002 %', '-')
    """
    if not whole:
        return "-"
    percent = 100 * part / whole
    return f"{percent:.1f} %" if percent >= 1 or percent == 0 else f"{percent:.2g} %"


TEMPLATES.filters |= {"area": area_text, "count": count_text, "uri": data_uri}
TEMPLATES.globals |= {"share": share_text}
