"""A QGIS project of a series, whose temporal controller plays the dates and the changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox

from geochange.exports.paths import locate
from geochange.exports.qgis.project import (
    SCORE_STOPS,
    ShownDate,
    crs_facts,
    layer_facts,
    zip_document,
)
from geochange.exports.vectors.fields import LAYER
from geochange.exports.vectors.styles import TEMPLATES
from geochange.io.files.atomic import replace_atomically
from geochange.viz.timelines import VIRIDIS, time_colours

MOST_LAYERS = 120
"""Dates shown as layers; of more an even choice."""


def write_series_project(
    path: Path,
    *,
    dates: Sequence[ShownDate],
    days: Sequence[date],
    geobox: GeoBox,
    title: str = "geochange series",
) -> Path:
    """Write ``changes.qgz`` beside ``changes.gpkg``, ``date.tif`` and ``score.tif``.

    Each date is a layer that is shown from noon of its day to the next one, since a step of time
    ends on the day on which the next begins; a change appears on the first
    date that shows it and stays. The project's temporal range goes from the first day to a step
    after the last; the step is the shortest between two dates.

    Parameters
    ----------
    path : Path
    dates : sequence of ShownDate
        With days, in order of time.
    days : sequence of date
        All dates of the series.
    geobox : GeoBox
    """
    chosen = list(dates)
    if len(chosen) > MOST_LAYERS:
        places = [round(k * (len(chosen) - 1) / (MOST_LAYERS - 1)) for k in range(MOST_LAYERS)]
        chosen = [chosen[place] for place in sorted(set(places))]
    step, unit, end = choose_step(days)
    starts = [one.date or days[0] for one in chosen]
    periods = list(zip(starts, [*starts[1:], end], strict=True))
    years = days[0].year, days[-1].year + 1
    stops = [
        (years[0] + (years[1] - years[0]) * k / (len(VIRIDIS) - 1), color)
        for k, color in enumerate(VIRIDIS)
    ]
    document = TEMPLATES.get_template("series.qgs.jinja").render(
        title=title,
        crs=crs_facts(geobox.crs),
        extent=tuple(geobox.extent.boundingbox),
        layers=_layers(),
        scenes=[
            _scene(path.parent, number, one, period)
            for number, (one, period) in reversed(
                list(enumerate(zip(chosen, periods, strict=True)))
            )
        ],
        colors=time_colours(days),
        years=years,
        year_stops=stops,
        score_stops=SCORE_STOPS,
        step=step,
        unit=unit,
        period=(_instant(days[0]), _instant(end)),
    )
    with replace_atomically(path) as temporary:
        temporary.write_bytes(zip_document(f"{path.stem}.qgs", document))
    return path


def choose_step(days: Sequence[date]) -> tuple[int, str, date]:
    """Return a step of time, its unit in QGIS, and the day a step after the last.

    Dates of one day of the year are years apart, all others days: the least that occurs.

    Examples
    --------
    >>> choose_step([date(1985, 1, 1), date(1990, 1, 1), date(2000, 1, 1)])
    (5, 'y', datetime.date(2005, 1, 1))
    >>> choose_step([date(2020, 1, 1), date(2020, 1, 17), date(2020, 2, 2)])
    (16, 'd', datetime.date(2020, 2, 18))
    """
    last = days[-1]
    if len({(day.month, day.day) for day in days}) == 1 and (last.month, last.day) != (2, 29):
        years = min(later.year - day.year for day, later in pairwise(days))
        return years, "y", last.replace(year=last.year + years)
    step = min((later - day).days for day, later in pairwise(days))
    return step, "d", last + timedelta(step)


def _layers() -> dict[str, dict[str, Any]]:
    rows = {
        "changes": ("Changes by date", f"./changes.gpkg|layername={LAYER}", "ogr", True),
        "date": ("Date of change", "./date.tif", "gdal", False),
        "score": ("Change score", "./score.tif", "gdal", False),
    }
    return layer_facts(rows)


def _scene(
    folder: Path, number: int, shown: ShownDate, period: tuple[date, date]
) -> dict[str, Any]:
    return {
        "bands": shown.bands,
        "stretch": shown.stretch,
        "crs": crs_facts(shown.crs),
        "period": (f"{period[0]}T12:00:00Z", f"{period[1] - timedelta(1)}T23:59:59Z"),
        "layer": {
            "id": f"geochange_date_{number:04d}_layer",
            "name": str(shown.date),
            "source": locate(shown.path, folder),
            "provider": "gdal",
            "visible": True,
            "expanded": False,
        },
    }


def _instant(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
