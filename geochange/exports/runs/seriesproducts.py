"""Everything that a run over a series leaves, written from its findings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
from numpy.typing import NDArray

from geochange.engine.stages import Stages
from geochange.exports.qgis.project import ShownDate
from geochange.exports.qgis.seriesproject import write_series_project
from geochange.exports.rasters.cog import write_mask, write_score
from geochange.exports.rasters.vrt import write_stack_vrt
from geochange.exports.reports.animation import ANIMATIONS, animate
from geochange.exports.reports.seriesreport import (
    MAX_ANIMATION_BYTES,
    DatedChange,
    SeriesReport,
    write_series_report,
)
from geochange.exports.serieslayers import (
    DayTotal,
    choose_zero,
    total_days,
    write_dated_changes,
    write_dates,
    write_magnitudes,
)
from geochange.exports.vectors.changes import best_changes
from geochange.io.filters.radiometry import invert_limits
from geochange.io.rasters.scene import DateReader
from geochange.io.stores.tilestore import TileStore
from geochange.maps.dated import DAY_NODATA, DatedEvidence, Dating, dated_features
from geochange.maps.polygons import to_pixels
from geochange.maps.threshold import Threshold
from geochange.series.frames import Frames, shrink_days
from geochange.series.profiles import Profile, profile_changes
from geochange.series.scoring import SeriesStores
from geochange.series.stack import Series
from geochange.tiles import Tile
from geochange.viz import pictures
from geochange.viz.timelines import plot_lines, time_colours

REPORTED_CHANGES = 24
PROFILE_VALUES = 400_000_000
"""Plots of a series that would read more numbers than this are left out."""


@dataclass(frozen=True)
class SeriesFindings:
    """What a run over a series found, before it is written for other software.

    Attributes
    ----------
    series : Series
        The dates that were read.
    everything : Series or None
        All dates, for plots; None where earlier files are gone.
    days : tuple of date
        All that the result speaks of.
    stores : SeriesStores
    mask : TileStore
    histogram : int64 (65535,)
    threshold : Threshold
    frames : Frames
    run : dict
        Provenance so far; its ``changes`` are filled here.
    connectivity, least_px : int
    animation : {'gif', 'apng'}
    """

    series: Series
    everything: Series | None
    days: tuple[date, ...]
    stores: SeriesStores
    mask: TileStore
    histogram: NDArray[np.int64]
    threshold: Threshold
    frames: Frames
    run: dict[str, Any]
    connectivity: int
    least_px: float
    animation: str = "gif"

    @property
    def zero(self) -> date:
        """Day that ``date.tif`` stores as 0."""
        return choose_zero(self.days[0])


def write_series_products(
    findings: SeriesFindings, folder: Path, scratch: Path, stages: Stages
) -> None:
    """Write rasters, polygons, animation, project and report."""
    days = TileStore(
        scratch / "days",
        findings.series.geobox,
        findings.mask.tile_size,
        "uint16",
        DAY_NODATA,
    )
    with stages.stage("dates"):
        found = _settle(findings, days, stages)
    tags = {"GEOCHANGE_RUN": str(findings.run["fingerprint"]), "SOFTWARE": "geochange"}
    with stages.stage("rasters"):
        _write_rasters(findings, days, folder, tags, stages)
    with stages.stage("polygons"):
        _write_polygons(findings, days, found, folder, stages)
    small = shrink_days(days, findings.zero.toordinal(), DAY_NODATA, findings.frames.factor)
    with stages.stage("report"):
        animation = animate(findings.frames, findings.days, small, findings.animation)
        (folder / ANIMATIONS[findings.animation]).write_bytes(animation)
        shown = [
            _show(findings, reader, day, folder)
            for reader, day in zip(
                (findings.everything or findings.series).readers,
                (findings.everything or findings.series).days,
                strict=True,
            )
        ]
        write_series_project(
            folder / "changes.qgz",
            dates=shown,
            days=findings.days,
            geobox=findings.series.geobox,
        )
        _write_report(findings, small, animation, folder, stages)


def _settle(findings: SeriesFindings, days: TileStore, stages: Stages) -> list[int]:
    """Write the stored day of every changed pixel; returns those that occur, early first."""
    zero = findings.zero.toordinal()
    dating = Dating(findings.mask, findings.stores.day, zero)

    def settle(tile: Tile) -> list[int]:
        stored = dating.settle(tile)
        days.write(tile, stored)
        return [int(day) for day in np.unique(stored)]

    seen: set[int] = set()
    for part in stages.run_here(settle, days.plan):
        seen.update(part)
    return sorted(seen - {DAY_NODATA})


def _write_rasters(
    findings: SeriesFindings, days: TileStore, folder: Path, tags: dict[str, str], stages: Stages
) -> None:
    stores = findings.stores
    magnitudes = [stores.magnitude(band) for band in range(stores.bands)]
    if not (folder / "score.tif").exists():
        write_score(stores.score, folder / "score.tif", tags=tags, run=stages.run)
    if not (folder / "mask.tif").exists():
        write_mask(findings.mask, folder / "mask.tif", tags=tags, run=stages.run)
    if not (folder / "date.tif").exists():
        write_dates(days, folder / "date.tif", zero=findings.zero, tags=tags, run=stages.run)
    if not (folder / "magnitude.tif").exists():
        write_magnitudes(
            magnitudes,
            findings.mask,
            folder / "magnitude.tif",
            bands=findings.series.bands,
            tags=tags,
        )


def _write_polygons(
    findings: SeriesFindings, days: TileStore, found: Sequence[int], folder: Path, stages: Stages
) -> None:
    stores, series = findings.stores, findings.series
    evidence = DatedEvidence(
        stores.score,
        stores.since,
        tuple(stores.magnitude(band) for band in range(stores.bands)),
    )
    features = dated_features(
        days,
        evidence,
        found,
        findings.zero.toordinal(),
        series.bands,
        series.roles,
        connectivity=findings.connectivity,
        least_px=max(1, math.ceil(findings.least_px / 2)),
        run=partial(stages.run_here, in_flight=4),
    )
    write_dated_changes(
        features, folder, bands=series.bands, days=findings.days, mask=findings.mask
    )
    by_day = total_days(folder / "changes.gpkg")
    valid, pixels = int(findings.histogram.sum()), sum(one.pixels for _, one in by_day)
    known = series.geobox.crs is not None
    findings.run["changes"] = {
        "count": sum(one.count for _, one in by_day),
        "pixels": pixels,
        "share_of_valid": pixels / valid if valid else 0.0,
        "area_m2": sum(one.area_m2 or 0.0 for _, one in by_day) if known else None,
        "by_day": {
            day: {"count": one.count, "pixels": one.pixels, "area_m2": one.area_m2}
            for day, one in by_day
        },
    }


def _show(findings: SeriesFindings, reader: DateReader, day: date, folder: Path) -> ShownDate:
    bands = list(findings.frames.bands)
    located = reader.locate(bands)
    path, numbers = located[0][0], tuple(number for _, number in located)
    if len({name for name, _ in located}) > 1:
        vrt = folder / "dates" / f"{day}.vrt"
        vrt.parent.mkdir(exist_ok=True)
        path, numbers = str(write_stack_vrt(located, vrt)), tuple(range(1, len(located) + 1))
    limits = list(findings.frames.limits)[: len(bands)]
    for maps in reversed(reader.radiometry):
        limits = invert_limits(limits, [maps[band] for band in bands])
    return ShownDate(path, numbers, tuple(limits), reader.readers[0].file.geobox.crs, day)


def _write_report(
    findings: SeriesFindings,
    small: NDArray[np.int32],
    animation: bytes,
    folder: Path,
    stages: Stages,
) -> None:
    best = best_changes(folder / "changes.gpkg", REPORTED_CHANGES)
    run, frames = findings.run, findings.frames
    colours = time_colours(findings.days)
    lost = run["quarantine"]
    data = SeriesReport(
        days=findings.days,
        bands=findings.series.bands,
        shape=findings.series.shape,
        count=run["changes"]["count"],
        changed_pixels=run["changes"]["pixels"],
        changed_area_m2=run["changes"]["area_m2"],
        valid_pixels=int(findings.histogram.sum()),
        by_day=[(day, DayTotal(**one)) for day, one in run["changes"]["by_day"].items()],
        changes=tuple(_list_changes(findings, best, stages)),
        dates=_list_dates(findings),
        colors=colours,
        method=run["method"]["name"],
        method_reason=run["method"]["reason"],
        threshold=findings.threshold.value,
        threshold_reason=findings.threshold.reason,
        animation=animation if len(animation) <= MAX_ANIMATION_BYTES else b"",
        map=pictures.encode_png(_draw_map(frames, small, colours)),
        notes=tuple(run["notes"]),
        lost=f"{len(lost)} tiles are without data: {lost[0]['reason']}" if lost else "",
        run=run,
        command=run["command"],
        version=run["geochange"],
    )
    write_series_report(data, folder / "report.html")


def _draw_map(
    frames: Frames, small: NDArray[np.int32], colours: dict[str, str]
) -> NDArray[np.uint8]:
    """Paint the dates of change over the last date in grey."""
    last = frames.render(-1)
    grey = last[..., :3].mean(axis=2, keepdims=True) * 0.5 + 110
    picture = np.dstack([np.repeat(grey, 3, axis=2), last[..., 3:]]).astype(np.uint8)
    for ordinal in np.unique(small[small > 0]):
        colour = colours.get(date.fromordinal(int(ordinal)).isoformat(), "#e41a1c")
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        picture[small == ordinal] = (*rgb, 255)
    return pictures.enlarge(picture, 480)


def _list_changes(
    findings: SeriesFindings, best: geopandas.GeoDataFrame, stages: Stages
) -> list[DatedChange]:
    shapes = to_pixels(best.geometry.to_numpy(), findings.series.geobox).tolist()
    rows = best.to_dict("records")
    intervals = [(_day(row["date_start"]), _day(row["date_end"]) or "") for row in rows]
    profiles: list[Profile | None] = [None] * len(rows)
    series = findings.everything
    values = 0 if series is None else len(series) * len(series.bands) * len(rows) * 80**2
    if series is not None and values <= PROFILE_VALUES:
        limits = findings.frames.limits
        profiles = list(
            profile_changes(series, shapes, intervals, findings.frames.bands, limits, stages)
        )
    return [
        _report(findings, row, interval, profile)
        for row, interval, profile in zip(rows, intervals, profiles, strict=True)
    ]


def _report(
    findings: SeriesFindings,
    row: dict[str, Any],
    interval: tuple[str | None, str],
    profile: Profile | None,
) -> DatedChange:
    plot, before, after = "", b"", b""
    if profile is not None and findings.everything is not None:
        start, end = (date.fromisoformat(day) if day else None for day in interval)
        plot = plot_lines(
            findings.everything.days, profile.values, findings.series.bands, (start, end)
        )
        before, after = profile.before, profile.after
    area = row["area_m2"]
    return DatedChange(
        number=int(row["id"]),
        name=str(row["class"]),
        start=interval[0],
        end=interval[1],
        score=float(row["score_mean"]),
        pixels=int(row["pixels"]),
        area_m2=None if area is None or np.isnan(area) else float(area),
        before=before,
        after=after,
        plot=plot,
    )


def _day(value: Any) -> str | None:
    text = str(value)[:10]
    return text if text[:4].isdigit() else None


def _list_dates(findings: SeriesFindings) -> list[tuple[str, float | None, str]]:
    shares = dict(zip(findings.frames.days, findings.frames.valid_shares, strict=True))
    files = {
        day: Path(scene.files[0].path).name
        for day, scene in zip(
            (findings.everything or findings.series).days,
            (findings.everything or findings.series).scenes,
            strict=True,
        )
    }
    return [(day.isoformat(), shares.get(day), files.get(day, "-")) for day in findings.days]
