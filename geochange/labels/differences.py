"""Where several people differ: a raster, and regions with what each of them says."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import shapely
from numpy.typing import NDArray

from geochange.evaluation.counts import UNKNOWN
from geochange.exports.rasters.cog import Color, write_cog
from geochange.exports.vectors.gpkg import StyledLayer, write_layers
from geochange.exports.vectors.styles import TEMPLATES
from geochange.io.stores.tilestore import TileStore
from geochange.labels.agreement import Agreement
from geochange.labels.comparison import Comparison
from geochange.labels.consensus import AGREE, CHANGE_DIFFERS, CLASS_DIFFERS, DisagreementCodes
from geochange.labels.fields import TILE_FIELDS
from geochange.labels.tracing import OneCode
from geochange.maps.polygons import polygonize, to_world
from geochange.tiles import Tile, TilePlan

KINDS = {CHANGE_DIFFERS: "change or not", CLASS_DIFFERS: "which class"}
COLOURS = {"change or not": "#d55e00", "which class": "#0072b2"}
FIELDS = {"id": "int64", "kind": "str", "pixels": "int64", "says": "str"}
RANKS = {
    "high": "#009e73",
    "middling": "#f0e442",
    "low": "#d55e00",
    "nothing to compare": "#999999",
}
MIDDLING, HIGH = 0.5, 0.8
"""Limits of the IoU of change by which tiles are ranked."""
TILE_SCORES = ("change_iou", "kappa", "alpha", "object_f1", "object_class", "verdict_agreement")
TILE_PX, READ_PX = 1024, 256
BATCH = 2000
"""Regions held at a time."""


def write_differences(comparison: Comparison, found: Agreement, folder: Path) -> None:
    """Write ``disagreement.tif`` and ``disagreement.gpkg`` into a folder.

    Parameters
    ----------
    comparison : Comparison
    found : Agreement
        Of it; its figures of tiles are in the layer ``tiles``.
    folder : Path

    Raises
    ------
    OutputError, ResourceError
    """
    codes = DisagreementCodes(comparison)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as name:
        store = TileStore(Path(name), comparison.geobox, TILE_PX, "uint8", UNKNOWN)
        for tile in store.plan:
            _store(codes, store, tile)
        write_cog(
            store, folder / "disagreement.tif", description="disagreement", overviews="nearest",
            tags={"SOFTWARE": "geochange"},
            colormap=_colours(),
        )  # fmt: skip
        layers = [
            StyledLayer(
                "disagreement", FIELDS, _trace(comparison, store),
                partial(_style, "kind", COLOURS),
            ),
            StyledLayer(
                "tiles", {**TILE_FIELDS, **dict.fromkeys(TILE_SCORES, "float64"), "rank": "str"},
                [_score_tiles(comparison, found)], partial(_style, "rank", RANKS, 0.5),
            ),
        ]  # fmt: skip
        write_layers(layers, folder / "disagreement.gpkg", geobox=comparison.geobox)


def _colours() -> dict[int, Color]:
    colours: dict[int, Color] = {AGREE: (255, 255, 255, 255), UNKNOWN: (128, 128, 128, 0)}
    for kind, name in KINDS.items():
        red, green, blue = bytes.fromhex(COLOURS[name][1:])
        colours[kind] = red, green, blue, 255
    return colours


def _store(codes: DisagreementCodes, store: TileStore, tile: Tile) -> None:
    store.write(tile, codes.read(tile.core))


def _style(field: str, colours: Mapping[str, str], opacity: float = 1.0) -> dict[str, str]:
    template = TEMPLATES.get_template("by_category.qml.jinja")
    return {f"by {field}": template.render(field=field, colors=colours, opacity=opacity)}


def _trace(comparison: Comparison, store: TileStore) -> Iterator[geopandas.GeoDataFrame]:
    """Yield regions in which people differ, and what each says in the middle of one."""
    crs, number = comparison.geobox.crs, 0
    for kind, name in KINDS.items():
        found = (shape for _, shape in polygonize(OneCode(store, kind), connectivity=4))
        while shapes := list(islice(found, BATCH)):
            geometry = np.array(shapes, object)
            rows = {
                "id": np.arange(number + 1, number + len(shapes) + 1),
                "kind": name,
                "pixels": shapely.area(geometry).round().astype(np.int64),
                "says": _quote(comparison, geometry),
            }
            number += len(shapes)
            yield geopandas.GeoDataFrame(
                rows,
                geometry=to_world(geometry, comparison.geobox),
                crs=None if crs is None else crs.to_wkt(),
            )


def _quote(comparison: Comparison, shapes: NDArray[Any]) -> list[str]:
    """Say what each person says in the middle of each shape; every tile is read once."""
    middles = shapely.point_on_surface(shapes)
    cols, rows = (np.floor(v(middles)).astype(int) for v in (shapely.get_x, shapely.get_y))
    plan = TilePlan(comparison.first.shape, READ_PX)
    tiles = rows // READ_PX * plan.grid[1] + cols // READ_PX
    quotes = [""] * len(shapes)
    for number in np.unique(tiles):
        core = plan[int(number)].core
        codes = comparison.read(core)
        for index in np.flatnonzero(tiles == number):
            said = codes[:, rows[index] - core.row, cols[index] - core.col]
            words = (comparison.classes.get(int(code), "?") for code in said)
            pairs = zip(comparison.people, words, strict=True)
            quotes[index] = "; ".join(f"{who}: {what}" for who, what in pairs)
    return quotes


def _score_tiles(comparison: Comparison, found: Agreement) -> geopandas.GeoDataFrame:
    tiles = comparison.first.tiles.copy()
    rows = pandas.Series(np.arange(len(found.tiles)), index=found.tiles)
    place = tiles["id"].map(rows)
    for name, values in found.counts.scores().items():
        if name in TILE_SCORES:
            tiles[name] = [values[int(n)] if n == n else np.nan for n in place]
    iou = tiles["change_iou"].to_numpy()
    limits = [iou >= HIGH, iou >= MIDDLING, iou < MIDDLING]
    tiles["rank"] = np.select(limits, list(RANKS)[:3], list(RANKS)[3])
    tiles[["state", "annotator", "note", "updated"]] = ""
    return tiles
