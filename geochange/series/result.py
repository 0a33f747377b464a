"""The result of a series: lazy views of the files in its output directory."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from geochange.errors import InputError, InputNotFoundError
from geochange.io.files.runfile import load_run

if TYPE_CHECKING:
    import geopandas

LAYERS = ("date", "score", "magnitude", "mask")


@dataclass(frozen=True)
class SeriesMap:
    """A finished run over a series; nothing is read until it is asked for.

    Parameters
    ----------
    path : Path
        Output directory of ``geochange.detect_series``.

    Examples
    --------
    >>> result = SeriesMap(Path("out"))  # doctest: +SKIP
    >>> result.polygons()[["date_start", "date_end", "area_m2"]]  # doctest: +SKIP
    """

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path).absolute())

    @cached_property
    def run(self) -> Mapping[str, Any]:
        """Provenance: the content of ``run.json``."""
        content = load_run(self.path, "a series", "series")
        if content.get("kind") != "series":
            msg = f"{self.path} was written by {content.get('kind')}; give that of a series"
            raise InputError(msg)
        return content

    @property
    def days(self) -> tuple[date, ...]:
        """The dates of the series."""
        return tuple(date.fromisoformat(day) for day in self.run["days"])

    @property
    def count(self) -> int:
        """Number of polygons."""
        return int(self.run["changes"]["count"])

    def locate(self, layer: str) -> Path:
        """Return the file of a layer.

        Raises
        ------
        InputNotFoundError
        """
        file = self.path / f"{layer}.tif"
        if layer not in LAYERS or not file.exists():
            msg = f"{self.path} has no layer '{layer}'; it has {', '.join(LAYERS)}"
            raise InputNotFoundError(msg)
        return file

    def read(self, layer: str = "date") -> NDArray[Any]:
        """Read a layer whole: decimal years, scores or changes as float32, NaN without data.

        ``magnitude`` has the shape (C, H, W), the others (H, W).
        """
        with rasterio.open(self.locate(layer)) as dataset:
            stored = dataset.read(masked=True)
            values = stored.astype(np.float64) * np.array(dataset.scales)[:, None, None]
            values += np.array(dataset.offsets)[:, None, None]
        filled: NDArray[Any] = values.filled(np.nan).astype(np.float32)
        return filled if layer == "magnitude" else filled[0]

    def read_days(self) -> NDArray[np.datetime64]:
        """Read when each pixel changed, datetime64[D] (H, W); NaT where it did not."""
        with rasterio.open(self.locate("date")) as dataset:
            stored, nodata = dataset.read(1), dataset.nodata
            zero = np.datetime64(dataset.tags()["DAY_ZERO"], "D")
        days = zero + stored.astype("timedelta64[D]")
        days[stored == nodata] = np.datetime64("NaT")
        found: NDArray[np.datetime64] = days
        return found

    def polygons(self) -> geopandas.GeoDataFrame:
        """Read the changes, one row a polygon, with ``date_start`` and ``date_end``."""
        import pyogrio

        return pyogrio.read_dataframe(self.path / "changes.gpkg", layer="changes")

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        days = self.days
        return (
            f"<SeriesMap {self.path}: {len(days)} dates, {days[0]} to {days[-1]}, "
            f"{self.count} changes>"
        )

    def _repr_html_(self) -> str:
        """Show the animation and the numbers."""
        rows = "".join(
            f"<tr><td>{html.escape(day)}</td><td>{found['count']}</td></tr>"
            for day, found in self.run["changes"]["by_day"].items()
        )
        picture = ""
        for name, kind in (("animation.gif", "gif"), ("animation.png", "png")):
            file = self.path / name
            if file.exists():
                data = base64.b64encode(file.read_bytes()).decode()
                picture = f'<img style="max-width:480px" src="data:image/{kind};base64,{data}">'
        return (
            f"<p>{len(self.days)} dates, {self.days[0]} to {self.days[-1]}: "
            f"{self.count} changes</p>"
            f'<div style="display:flex;gap:24px;align-items:start">{picture}'
            f"<table><tr><th>first seen</th><th>changes</th></tr>{rows}</table></div>"
        )
