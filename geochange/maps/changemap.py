"""The result of a run: lazy views of the files in its output directory."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.errors import InputError
from geochange.io.files.runfile import load_run
from geochange.io.stores.score import decode_score
from geochange.viz import pictures

if TYPE_CHECKING:
    import geopandas
    import xarray

    from geochange.explanation.result import Explanation

PICTURE_PX = 512
PANEL_PX = 400
LAYERS = ("score", "mask", "uncertainty")


@dataclass(frozen=True)
class Swipe:
    """A before/after swipe that a notebook shows and that can be saved as a page of its own."""

    html: str

    def __repr__(self) -> str:
        return "<Swipe: shown by a notebook, or save it with .to_html(path)>"

    def _repr_html_(self) -> str:
        return self.html

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the swipe as one self-contained HTML file and return its path."""
        page = (
            "<!doctype html><html lang=en><meta charset=utf-8><title>geochange swipe</title>"
            "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; "
            "img-src data:; style-src 'unsafe-inline'\">"
            f"<body style='margin:16px;background:#222'>{self.html}"
        )
        target = Path(path)
        target.write_text(page, encoding="utf-8")
        return target


@dataclass(frozen=True)
class ChangeMap:
    """A finished run; nothing is read until it is asked for.

    Parameters
    ----------
    path : Path
        Output directory of ``geochange.detect``, kept absolute. Layers that the run was told to
        leave out (``products``) are missed only where they are asked for.

    Examples
    --------
    >>> result = ChangeMap(Path("out"))  # doctest: +SKIP
    >>> result.polygons().head()  # doctest: +SKIP
    """

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path).absolute())

    @cached_property
    def run(self) -> Mapping[str, Any]:
        """Provenance: the content of ``run.json``."""
        content = load_run(self.path, "a run", "detect")
        if "grid" not in content:
            kind = content.get("kind", "another command")
            msg = f"{self.path} was written by {kind}; give the output directory of detect"
            raise InputError(msg)
        return content

    @cached_property
    def geobox(self) -> GeoBox:
        """Grid of score and mask."""
        grid = self.run["grid"]
        return GeoBox((grid["height"], grid["width"]), Affine(*grid["affine"]), grid["crs"])

    @property
    def threshold(self) -> float | None:
        """Score from which a pixel counts as change; None when nothing changed."""
        value = self.run["threshold"]["value"]
        return None if value is None else float(value)

    @property
    def count(self) -> int | None:
        """Number of change polygons; None for a run without polygons."""
        count = self._changes.get("count")
        return None if count is None else int(count)

    @property
    def area_m2(self) -> float | None:
        """Area of all changes on the ellipsoid in square metres; None without CRS or polygons."""
        area = self._changes.get("area_m2")
        return None if area is None else float(area)

    @property
    def _changes(self) -> Mapping[str, Any]:
        changes: Mapping[str, Any] = self.run.get("changes") or {}
        return changes

    def locate(self, name: str, product: str) -> Path:
        """Return a file of the run.

        Raises
        ------
        InputError
            It is not there: the run was told to leave ``product`` out.
        """
        file = self.path / name
        if not file.exists():
            unsure = product == "uncertainty"
            how = "uncertainty=True" if unsure else f"'{product}' among its products"
            msg = f"{self.path} has no {name}; run detect with {how}"
            raise InputError(msg)
        return file

    def polygons(self) -> geopandas.GeoDataFrame:
        """Read the changes as a GeoDataFrame in the grid's CRS; fields as in ``changes.gpkg``.

        Raises
        ------
        InputError
            The run has no polygons.
        """
        import pyogrio

        return pyogrio.read_dataframe(self.locate("changes.gpkg", "changes"), layer="changes")

    def open(self, layer: str = "score") -> xarray.DataArray:
        """Open ``score``, ``mask`` or ``uncertainty`` lazily as xarray over dask, ``(y, x)``.

        Score and uncertainty are float32 in [0, 1] with NaN where invalid; mask is uint8 0, 1 and
        255 (no data).

        Raises
        ------
        InputError
            Another layer, or one that the run left out.
        """
        import rioxarray
        import xarray

        if layer not in LAYERS:
            msg = f"no layer '{layer}'; known: {', '.join(LAYERS)}"
            raise InputError(msg)
        opened: Any = rioxarray.open_rasterio(
            self.locate(f"{layer}.tif", layer), chunks={"x": 2048, "y": 2048}, lock=False
        )
        array: xarray.DataArray = opened.squeeze("band", drop=True).rename(layer)
        if layer == "mask":
            return array
        score: xarray.DataArray = xarray.apply_ufunc(
            decode_score, array, dask="parallelized", output_dtypes=[np.float32], keep_attrs=True
        )
        units = {"units": "bit"} if layer == "uncertainty" else {}
        name = "change score" if layer == "score" else layer
        score.attrs = {"long_name": name, **units}  # scale and nodata are applied
        return score.drop_encoding()

    def picture(self, layer: str, max_px: int = PICTURE_PX) -> NDArray[np.uint8]:
        """Return ``before``, ``after`` or a layer as uint8 RGBA (H, W, 4), shrunk."""
        if layer in LAYERS:
            with rasterio.open(self.locate(f"{layer}.tif", layer)) as dataset:
                factor = max(1.0, max(dataset.shape) / max_px)
                shape = tuple(max(1, round(n / factor)) for n in dataset.shape)
                pixels = dataset.read(1, out_shape=shape)
            if layer == "mask":
                return pictures.render_mask(pixels)
            ramp = pictures.UNCERTAINTY_RAMP if layer == "uncertainty" else pictures.SCORE_RAMP
            return pictures.render_score(decode_score(pixels), ramp)
        return pictures.read_picture(self.path / "quicklook" / f"{layer}.png", max_px)

    @property
    def layers(self) -> tuple[str, ...]:
        """Which of ``score``, ``mask`` and ``uncertainty`` the run has."""
        return tuple(name for name in LAYERS if (self.path / f"{name}.tif").exists())

    @property
    def dates(self) -> tuple[str | None, str | None]:
        """ISO dates of the two acquisitions, where known."""
        inputs = self.run["inputs"]
        return inputs["before"].get("date"), inputs["after"].get("date")

    @property
    def labels(self) -> tuple[str, str]:
        """``before 2018-07-03`` and the like."""
        first, second = (date or "" for date in self.dates)
        return f"before {first}".strip(), f"after {second}".strip()

    def plot(self, **kwargs: Any) -> Any:
        """Draw both dates, and score and mask where there, side by side; returns the figure.

        Both dates share one stretch where their units allow. Axes are in units of the CRS, or
        pixels without one.
        """
        panels = [
            (self.labels[0], self.picture("before", PANEL_PX)),
            (self.labels[1], self.picture("after", PANEL_PX)),
        ]
        if "score" in self.layers:
            panels.append(("change score", self.picture("score", PANEL_PX)))
        if "mask" in self.layers:
            panels.append(("changes" if self.count is None else self._found, self._overlay()))
        height, width = (int(n) for n in self.geobox.shape)
        left, top = self.geobox.affine @ (0, 0)
        right, bottom = self.geobox.affine @ (width, height)
        from geochange.viz.figures import plot_panels

        return plot_panels(panels, (left, right, bottom, top), self._axes(), **kwargs)

    def plot_scores(self) -> Any:
        """Draw the histogram of the scores with the threshold; returns the matplotlib axes."""
        counts = np.asarray(self.run["score_histogram"], np.int64)
        from geochange.viz.figures import plot_score_histogram

        return plot_score_histogram(counts, self.threshold)

    def _axes(self) -> tuple[str, str]:
        crs = self.geobox.crs
        if crs is None:
            return "column (px)", "row (px)"
        if crs.geographic:
            return "longitude (°)", "latitude (°)"
        unit = {"metre": "m"}.get(crs.units[0], crs.units[0])
        return f"easting ({unit})", f"northing ({unit})"

    def _overlay(self) -> NDArray[np.uint8]:
        return pictures.blend(self.picture("after", PANEL_PX), self.picture("mask", PANEL_PX), 0.75)

    def swipe(self, width_px: int = 640) -> Swipe:
        """Return a before/after swipe without scripts: drag the corner of the upper picture."""
        size = max(PICTURE_PX, width_px)
        before, after = (
            pictures.encode_webp(self.picture(when, size), size) for when in ("before", "after")
        )
        return Swipe(pictures.swipe_html(before, after, self.labels, width_px))

    def explain(
        self, bbox: str | Sequence[float], output: Any = None, **settings: Any
    ) -> Explanation:
        """Say which bands, dates and pixels made a part of the map change.

        Takes what :func:`geochange.explain` takes; with ``crs=result.geobox.crs`` the box may be
        the ``bounds`` of one of :meth:`polygons`.
        """
        import geochange

        return geochange.explain(self, bbox, output, **settings)

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        height, width = (int(n) for n in self.geobox.shape)
        place = "no CRS" if self.geobox.crs is None else str(self.geobox.crs)
        area = "" if self.area_m2 is None else f" | {self.area_m2 / 1e4:.2f} ha"
        found = "nothing changed" if self.threshold is None else f"threshold {self.threshold:.3f}"
        return f"<ChangeMap {height} x {width} px {place} | {self._found}{area} | {found}>"

    @property
    def _found(self) -> str:
        if self.count is None:
            return "no polygons"
        return f"{self.count} change{'' if self.count == 1 else 's'}"

    def _repr_html_(self) -> str:
        names = ("before", "after", *self.layers)
        images = {n: pictures.encode_webp(self.picture(n, 384), 384) for n in names}
        swipe = pictures.swipe_html(images["before"], images["after"], self.labels, 300)
        figures = "".join(
            f'<figure style="margin:0"><img src="{pictures.data_uri(images[n])}" alt="{n}" '
            f'style="width:220px;background:#ddd"><figcaption>{n}</figcaption></figure>'
            for n in self.layers
        )
        rows = self._summary_rows()
        facts = "".join(
            f'<tr><th style="text-align:left">{html.escape(k)}</th>'
            f'<td style="text-align:left">{html.escape(v)}</td></tr>'
            for k, v in rows
        )
        return (
            '<div style="display:flex;gap:12px;flex-wrap:wrap;align-items:flex-start">'
            f"{swipe}{figures}<table>{facts}</table></div>"
        )

    def _summary_rows(self) -> list[tuple[str, str]]:
        run = self.run
        height, width = (int(n) for n in self.geobox.shape)
        area = "unknown (no CRS)" if self.area_m2 is None else f"{self.area_m2 / 1e4:.2f} ha"
        return [
            ("grid", f"{height} x {width} px, {self.geobox.crs or 'no CRS'}"),
            ("method", f"{run['method']['name']}: {run['method']['reason']}"),
            ("threshold", run["threshold"]["reason"]),
            ("changes", f"{self._found}, {area}" if self.count is not None else self._found),
            ("folder", str(self.path)),
        ]


def open_map(path: str | os.PathLike[str]) -> ChangeMap:
    """Open the output directory of a finished run.

    Raises
    ------
    InputNotFoundError, InputError
        No run of ``detect`` is there, or its ``run.json`` is damaged.

    Examples
    --------
    >>> open_map("nowhere")
    Traceback (most recent call last):
    ...
    geochange.errors.InputNotFoundError: ...nowhere is not the output directory of a run: ...
    """
    result = ChangeMap(Path(path))
    result.run  # noqa: B018 - read it now, so that a wrong folder is an error here
    return result
