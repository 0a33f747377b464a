"""Everything that a run leaves, written from its findings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
from numpy.typing import NDArray

from geochange.alignment.pair import Pair
from geochange.detectability.files import draw_sensitivity
from geochange.errors import DataWarning, UsageError, suggest
from geochange.exports.qgis.project import MAX_BOOKMARKS, ShownDate, list_bookmarks, write_project
from geochange.exports.rasters.cog import write_mask, write_score
from geochange.exports.rasters.uncertainty import write_uncertainty
from geochange.exports.rasters.vrt import write_stack_vrt
from geochange.exports.registered import draw_registration
from geochange.exports.reports.quicklook import Quicklook, draw_thumbnails
from geochange.exports.reports.report import ReportData, ReportedChange, write_report
from geochange.exports.vectors.changes import best_changes, count_undescribed, total_classes
from geochange.exports.vectors.fields import delta_fields, polygon_fields
from geochange.exports.vectors.geojson import write_geojson
from geochange.exports.vectors.gpkg import write_gpkg
from geochange.io.filters.radiometry import invert_limits
from geochange.io.rasters.scene import DateReader
from geochange.io.stores.tilestore import TileStore
from geochange.io.vector import read_batches
from geochange.maps.polygons import to_pixels
from geochange.maps.sweep import Runner
from geochange.maps.threshold import Threshold
from geochange.registration.result import UNREGISTERED, Registration
from geochange.viz import pictures

PRODUCTS = ("score", "mask", "changes", "qgis", "report")
UNCERTAINTY = "uncertainty"
"""One more, for scores that are probabilities."""
REPORTED_CHANGES = 24


@dataclass(frozen=True)
class Findings:
    """What a run found, before it is written for other software.

    Attributes
    ----------
    pair : Pair
    score, mask : TileStore
    histogram : int64 (65535,)
        Of the stored score.
    threshold : Threshold
    quicklook : Quicklook
    run : mapping
        Provenance so far; its ``changes`` are filled when the polygons are written.
    registration : Registration
    """

    pair: Pair
    score: TileStore
    mask: TileStore
    histogram: NDArray[np.int64]
    threshold: Threshold
    quicklook: Quicklook
    run: dict[str, Any]
    registration: Registration = UNREGISTERED

    @property
    def fields(self) -> dict[str, str]:
        """Fields of the polygons; band means only where both dates have the same bands."""
        return polygon_fields(self.bands)

    @property
    def bands(self) -> tuple[str, ...]:
        """Bands that polygons are compared by; none when the dates have different numbers."""
        before, after = self.pair.before.bands, self.pair.after.bands
        return before if len(before) == len(after) else ()


def check_products(products: Sequence[str]) -> None:
    """Raise :class:`geochange.errors.UsageError` for products that are not known, or not alone."""
    if isinstance(products, str):
        msg = f"products is a list of names, got '{products}'; write ['{products}']"
        raise UsageError(msg)
    for name in products:
        if name not in PRODUCTS:
            msg = f"unknown product '{name}'{suggest(name, PRODUCTS)}"
            raise UsageError(msg)
    if "changes" not in products and {"qgis", "report"} & set(products):
        msg = "products 'qgis' and 'report' need 'changes'; add it"
        raise UsageError(msg)


def write_changes(
    findings: Findings, batches: Iterable[geopandas.GeoDataFrame], folder: Path
) -> None:
    """Write ``changes.gpkg`` from features and ``changes.geojson`` from that; note the totals."""
    geobox, fields = findings.pair.geobox, findings.fields
    deltas = (f"delta_{band}" for band in findings.bands)
    names = dict(zip(deltas, delta_fields(findings.bands), strict=True))
    renamed = (batch.rename(columns=names) for batch in batches)
    path = write_gpkg(renamed, folder / "changes.gpkg", fields=fields, geobox=geobox)
    write_geojson(read_batches(path), folder / "changes.geojson", fields=fields, geobox=geobox)
    for field in list(names.values())[:1]:
        if missing := count_undescribed(path, field):
            note = f"{missing} changes have no band means: the inputs could not be read any more"
            findings.run["notes"].append(note)
            warnings.warn(note, DataWarning, stacklevel=2)
    classes = total_classes(path)
    valid = int(findings.histogram.sum())
    pixels = sum(c.pixels for c in classes)
    areas = [c.area_m2 for c in classes]
    findings.run["changes"] = {
        "count": sum(c.count for c in classes),
        "pixels": pixels,
        "share_of_valid": pixels / valid if valid else 0.0,
        "area_m2": None if geobox.crs is None else sum(area or 0.0 for area in areas),
        "classes": {c.name: c.count for c in classes},
    }


def write_rasters(
    findings: Findings, folder: Path, products: Iterable[str], *, run: Runner = map
) -> None:
    """Write what is asked for of ``score.tif``, ``mask.tif`` and ``uncertainty.tif``.

    What a stopped run has written already stays as it is.
    """
    tags = {"GEOCHANGE_RUN": str(findings.run["fingerprint"]), "SOFTWARE": "geochange"}
    score, mask, unsure = (folder / f"{name}.tif" for name in ("score", "mask", "uncertainty"))
    if "score" in products and not score.exists():
        write_score(findings.score, score, tags=tags, run=run)
    if "mask" in products and not mask.exists():
        write_mask(findings.mask, mask, tags=tags, run=run)
    if UNCERTAINTY in products and not unsure.exists():
        write_uncertainty(findings.score, unsure, tags=tags, run=run)


def write_views(
    findings: Findings, folder: Path, products: Iterable[str], *, run: Runner = map
) -> None:
    """Write what people look at, ``changes.qgz`` and ``report.html``."""
    if not {"qgis", "report"} & set(products):
        return
    best = best_changes(folder / "changes.gpkg", MAX_BOOKMARKS)
    if "qgis" in products:
        write_qgis_project(findings, best, folder)
    if "report" in products:
        write_run_report(findings, best.head(REPORTED_CHANGES), folder, run=run)


def write_qgis_project(findings: Findings, best: geopandas.GeoDataFrame, folder: Path) -> None:
    """Write ``changes.qgz`` and, for a date of several files, a VRT that shows it."""
    pair = findings.pair
    shown = [
        _show_date(findings, reader, limits, when, folder / f"{name}.vrt")
        for name, reader, limits, when in zip(
            ("before", "after"),
            (pair.before, pair.after),
            findings.quicklook.limits,
            pair.dates,
            strict=True,
        )
    ]
    write_project(
        folder / "changes.qgz",
        before=shown[0],
        after=shown[1],
        geobox=pair.geobox,
        classes=list(findings.run["changes"]["classes"]),
        fields=findings.fields,
        bookmarks=list_bookmarks(best, pair.geobox),
        uncertainty=(folder / "uncertainty.tif").exists(),
    )


def _show_date(
    findings: Findings, reader: DateReader, limits: pictures.Limits, when: str | None, vrt: Path
) -> ShownDate:
    shown = [band for band in findings.quicklook.bands if band < len(reader.bands)] or [0]
    located = reader.locate(shown)
    path, bands = located[0][0], tuple(band for _, band in located)
    if len({name for name, _ in located}) > 1:
        path, bands = str(write_stack_vrt(located, vrt)), tuple(range(1, len(located) + 1))
    stretch = tuple(_file_limits(reader, shown, limits))
    crs = reader.readers[0].file.geobox.crs
    return ShownDate(path, bands, stretch, crs, _day(when))


def _file_limits(reader: DateReader, shown: list[int], limits: pictures.Limits) -> pictures.Limits:
    """Return the stretch in values of the files, which software that opens them shows."""
    found = list(limits[: len(shown)])
    for maps in reversed(reader.radiometry):
        found = invert_limits(found, [maps[band] for band in shown])
    return found


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def write_run_report(
    findings: Findings, best: geopandas.GeoDataFrame, folder: Path, *, run: Runner = map
) -> None:
    """Write ``report.html``."""
    pair, facts = findings.pair, findings.run
    names = [pair_name(scene.files[0].path, len(scene.files)) for scene in pair.scenes]
    quicklook = findings.quicklook
    data = ReportData(
        geobox=pair.geobox,
        before_name=names[0],
        after_name=names[1],
        before=pictures.encode_webp(quicklook.before, 1024),
        after=pictures.encode_webp(quicklook.after, 1024),
        change=pictures.encode_png(pictures.render_mask(quicklook.change.view(np.uint8))),
        changes=tuple(_report_changes(findings, best, run)),
        classes=tuple(total_classes(folder / "changes.gpkg")),
        valid_pixels=int(findings.histogram.sum()),
        same_stretch=quicklook.same_stretch,
        changed_pixels=facts["changes"]["pixels"],
        changed_area_m2=facts["changes"]["area_m2"],
        histogram=findings.histogram,
        threshold=findings.threshold.value,
        method=facts["method"]["name"],
        method_reason=facts["method"]["reason"],
        threshold_method=facts["threshold"]["reason"],
        date_before=_day(pair.dates[0]),
        date_after=_day(pair.dates[1]),
        parameters=facts["settings"],
        notes=tuple(facts["notes"]),
        displacements=_draw_displacements(findings),
        sensitivity=tuple(facts.get("sensitivity", {}).get("sentences", ())),
        detection=_draw_detection(facts.get("sensitivity", {})),
        run=facts,
        command=facts["command"],
        version=facts["geochange"],
    )
    write_report(data, folder / "report.html")


def _draw_displacements(findings: Findings) -> bytes:
    """Return a PNG of what registration measured; empty where it measured nothing."""
    if not any(tie.is_used for tie in findings.registration.ties):
        return b""
    figure = draw_registration(findings.registration, findings.pair.shape)
    return pictures.shrink_png(figure)


def _draw_detection(limits: Mapping[str, Any]) -> bytes:
    """Return a PNG of the probability of detection; empty where it was not measured."""
    if "limits" not in limits:
        return b""
    return pictures.shrink_png(draw_sensitivity(limits, stacked=True))


def pair_name(path: str, files: int) -> str:
    """Name a date for people: its file, or the folder of its files."""
    place = Path(path)
    return place.name if files == 1 else f"{place.parent.name}/ ({files} files)"


def _report_changes(
    findings: Findings, best: geopandas.GeoDataFrame, run: Runner
) -> Iterator[ReportedChange]:
    shapes = to_pixels(best.geometry.to_numpy(), findings.pair.geobox).tolist()
    thumbnails = draw_thumbnails(findings.pair, findings.quicklook, shapes, run=run)
    for row, shape, (before, after) in zip(
        best.to_dict("records"), shapes, thumbnails, strict=True
    ):
        left, top, right, bottom = shape.bounds
        yield ReportedChange(
            number=int(row["id"]),
            name=str(row["class"]),
            score_mean=float(row["score_mean"]),
            score_max=float(row["score_max"]),
            pixels=int(row["pixels"]),
            row=(top + bottom) / 2,
            col=(left + right) / 2,
            area_m2=_number(row["area_m2"]),
            perimeter_m=_number(row["perimeter_m"]),
            before=before,
            after=after,
        )


def _number(value: Any) -> float | None:
    return None if value is None or np.isnan(value) else float(value)
