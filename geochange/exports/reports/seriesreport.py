"""A report of a series: animation, map of dates, and every change along time."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from geochange.exports.reports.report import OF_THE_MOMENT
from geochange.exports.serieslayers import DayTotal
from geochange.exports.vectors.styles import TEMPLATES
from geochange.io.files.atomic import replace_atomically
from geochange.viz.timelines import BAND_COLOURS

MAX_ANIMATION_BYTES = 6_000_000
"""A larger animation is left beside the report and not put into it."""


@dataclass(frozen=True, slots=True)
class DatedChange:
    """One change of the table.

    Attributes
    ----------
    number : int
    name : str
        Its class.
    start, end : str or None
        ISO dates between which it lies.
    before, after : bytes
        Pictures of these dates, PNG or WebP.
    plot : str
        SVG of the bands along time; empty where the images cannot be read.
    """

    number: int
    name: str
    start: str | None
    end: str
    score: float
    pixels: int
    area_m2: float | None
    before: bytes = b""
    after: bytes = b""
    plot: str = ""


@dataclass(frozen=True, slots=True)
class SeriesReport:
    """All that the report of a series shows.

    Attributes
    ----------
    days : sequence of date
    bands : sequence of str
    by_day : sequence of (ISO date, DayTotal)
    dates : sequence of (ISO date, share of valid pixels or None, file)
    colors : mapping
        Colour of each day.
    animation, map : bytes
        GIF or APNG, and PNG.
    lost : str
        What could not be read; empty where nothing is missing.
    """

    days: Sequence[date]
    bands: Sequence[str]
    shape: tuple[int, int]
    count: int
    changed_pixels: int
    changed_area_m2: float | None
    valid_pixels: int
    by_day: Sequence[tuple[str, DayTotal]]
    changes: Sequence[DatedChange]
    dates: Sequence[tuple[str, float | None, str]]
    colors: Mapping[str, str]
    method: str
    method_reason: str
    threshold: float | None
    threshold_reason: str
    animation: bytes = b""
    map: bytes = b""
    notes: Sequence[str] = ()
    lost: str = ""
    run: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    title: str = "Change over time"
    version: str = ""


def write_series_report(data: SeriesReport, path: Path) -> Path:
    """Write ``report.html``: one file, no network, no script.

    Raises
    ------
    OutputError, ResourceError
        The file cannot be written, the disk is full.
    """
    lasting = {name: fact for name, fact in data.run.items() if name not in OF_THE_MOMENT}
    colours = [BAND_COLOURS[n % len(BAND_COLOURS)] for n in range(len(data.bands))]
    document = TEMPLATES.get_template("series.html.jinja").render(
        data=data,
        pixels=data.shape[0] * data.shape[1],
        bands=list(zip(data.bands, colours, strict=True)),
        run=json.dumps(lasting, indent=2, ensure_ascii=False, default=str),
    )
    with replace_atomically(path) as temporary:
        temporary.write_text(document, encoding="utf-8")
    return path


def _animation_uri(image: bytes) -> str:
    kind = "gif" if image.startswith(b"GIF") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


TEMPLATES.filters["animation"] = _animation_uri
