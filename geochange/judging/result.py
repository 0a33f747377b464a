"""What was found of images: rows of a table, with a place where there is one."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import shapely
from odc.geo.geobox import GeoBox

from geochange.errors import UsageError, suggest
from geochange.exports.vectors.gpkg import StyledLayer, write_layers
from geochange.exports.vectors.styles import TEMPLATES
from geochange.io.files.atomic import replace_atomically
from geochange.tiles import Window

SUFFIXES = (".csv", ".json", ".gpkg")
LAYER = "images"
COLUMNS = (
    "image", "row", "col", "height", "width", "valid_share", "probability", "decision",
)  # fmt: skip
KINDS = ("str", "int64", "int64", "int64", "int64", "float64", "float64", "str")
CHANGED, UNCHANGED, NO_DATA = "changed", "unchanged", "no data"
COLORS = {CHANGED: "#e41a1c", UNCHANGED: "#4daf4a", NO_DATA: "#bbbbbb"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of an image, or a tile of it.

    Attributes
    ----------
    image : str
        Its name.
    window : Window
        The tile, or the whole image.
    probability : float
        Of change; NaN where no pixel is valid.
    decision : str
        ``changed``, ``unchanged`` or ``no data``.
    valid_share : float
        Share of its pixels that are valid.
    geobox : GeoBox
        Grid of the image.
    """

    image: str
    window: Window
    probability: float
    decision: str
    valid_share: float
    geobox: GeoBox = field(repr=False)

    @property
    def row(self) -> dict[str, object]:
        """Cells by the names of :data:`COLUMNS`; None stands for no probability."""
        known = None if math.isnan(self.probability) else round(self.probability, 6)
        place = self.window
        cells = (
            self.image, place.row, place.col, place.height, place.width,
            round(self.valid_share, 4), known, self.decision,
        )  # fmt: skip
        return dict(zip(COLUMNS, cells, strict=True))

    @property
    def polygon(self) -> shapely.Polygon:
        """Its outline in the CRS of its grid."""
        (top, left), (bottom, right) = (
            (self.window.row, self.window.col),
            (self.window.stop_row, self.window.stop_col),
        )
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        return shapely.Polygon([self.geobox.affine * corner for corner in corners])


@dataclass(frozen=True)
class Judgement:
    """Verdicts of one call.

    Attributes
    ----------
    verdicts : list of Verdict
    threshold : float
        Probability from which an image counts as changed.
    model : dict
        The network: its title and hash.
    """

    verdicts: Sequence[Verdict]
    threshold: float
    model: Mapping[str, object]

    @property
    def changed(self) -> list[Verdict]:
        """Those that changed."""
        return [verdict for verdict in self.verdicts if verdict.decision == CHANGED]

    def __str__(self) -> str:
        silent = sum(verdict.decision == NO_DATA for verdict in self.verdicts)
        without = f", {silent} without data" if silent else ""
        return (
            f"{len(self.changed)} of {len(self.verdicts)} changed{without} (probability of at "
            f"least {self.threshold:.4g})"
        )

    def to_csv(self) -> str:
        """Return a table, one row a verdict."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(verdict.row for verdict in self.verdicts)
        return stream.getvalue()

    def to_json(self) -> str:
        """Return threshold, network and rows as JSON."""
        rows = [verdict.row for verdict in self.verdicts]
        facts: dict[str, Any] = {"threshold": self.threshold, "model": dict(self.model)}
        return json.dumps({**facts, "images": rows}, indent=2)

    def to_frame(self) -> geopandas.GeoDataFrame:
        """Return the verdicts with their outlines.

        Raises
        ------
        UsageError
            The images have several CRSs, or none.
        """
        systems = {str(verdict.geobox.crs) for verdict in self.verdicts}
        if len(systems) != 1 or self.verdicts[0].geobox.crs is None:
            found = ", ".join(sorted(systems)) or "no image"
            msg = f"outlines need images of one CRS, got {found}; write .csv or .json instead"
            raise UsageError(msg)
        rows = [verdict.row for verdict in self.verdicts]
        outlines = [verdict.polygon for verdict in self.verdicts]
        crs = self.verdicts[0].geobox.crs.to_wkt()
        return geopandas.GeoDataFrame(rows, geometry=outlines, crs=crs)

    def write(self, path: str | Path) -> Path:
        """Write a ``.csv``, ``.json`` or ``.gpkg`` file; it appears whole or not at all.

        Raises
        ------
        UsageError, OutputError, ResourceError
        """
        path = Path(path)
        check_suffix(path)
        if path.suffix == ".gpkg":
            fields = dict(zip(COLUMNS, KINDS, strict=True))
            layer = StyledLayer(LAYER, fields, [self.to_frame()], _draw_style)
            return write_layers([layer], path, geobox=self.verdicts[0].geobox)
        text = self.to_csv() if path.suffix == ".csv" else self.to_json()
        with replace_atomically(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return path


def check_suffix(path: Path) -> None:
    """Refuse a file of another kind.

    Raises
    ------
    UsageError
    """
    if path.suffix not in SUFFIXES:
        hint = suggest(path.suffix, SUFFIXES)
        msg = f"cannot write {path.name}: '{path.suffix}' is no format of verdicts{hint}"
        raise UsageError(msg)


def _draw_style() -> dict[str, str]:
    """Return the style for QGIS: outlines coloured by the decision."""
    style = TEMPLATES.get_template("by_decision.qml.jinja").render(colors=COLORS)
    return {"by decision": style}
