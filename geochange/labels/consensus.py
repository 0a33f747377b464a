"""What most people say, as labels like any other; and where they differ, as a map."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from geochange.errors import UsageError
from geochange.evaluation.counts import UNKNOWN
from geochange.io.stores.tilestore import TileStore
from geochange.labels.comparison import Comparison
from geochange.labels.content import Labels, gather
from geochange.labels.fields import SILENT
from geochange.labels.schema import PALETTE, LabelClass, Schema
from geochange.labels.tracing import TILE_PX, trace
from geochange.maps.polygons import to_world
from geochange.tiles import Window

AGREE, CHANGE_DIFFERS, CLASS_DIFFERS = 0, 1, 2
SOURCE = "consensus"


@dataclass(frozen=True)
class ConsensusCodes:
    """What more than half of those who know a pixel say: :class:`~geochange.labels.tracing.Codes`.

    255 where there is no such majority, or fewer than ``least`` know the pixel.

    Attributes
    ----------
    comparison : Comparison
    least : int
    """

    comparison: Comparison
    least: int = 2

    @property
    def geobox(self) -> GeoBox:
        """Grid of the labels."""
        return self.comparison.geobox

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read a window, uint8 (H, W)."""
        return find_majority(
            self.comparison.read(window), tuple(self.comparison.classes), self.least
        )


def find_majority(
    codes: NDArray[np.uint8], values: tuple[int, ...], least: int = 2
) -> NDArray[np.uint8]:
    """Return the value that more than half of the known codes (N, ...) have, else 255.

    Examples
    --------
    >>> codes = np.array([[1, 1, 1, 0], [1, 0, 2, 255], [0, 0, 0, 255]], np.uint8)
    >>> find_majority(codes, (0, 1, 2))
    array([  1,   0, 255, 255], dtype=uint8)
    """
    known = (codes != UNKNOWN).sum(axis=0)
    found = np.full(codes.shape[1:], UNKNOWN, np.uint8)
    for value in values:
        votes = (codes == value).sum(axis=0)
        found[(2 * votes > known) & (known >= least)] = value
    return found


@dataclass(frozen=True)
class DisagreementCodes:
    """Where people differ: 0 agree, 1 on change or not, 2 on its class, 255 fewer than two know.

    Attributes
    ----------
    comparison : Comparison
    """

    comparison: Comparison

    @property
    def geobox(self) -> GeoBox:
        """Grid of the labels."""
        return self.comparison.geobox

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read a window, uint8 (H, W)."""
        return find_difference(self.comparison.read(window))


def find_difference(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return how the known codes (N, ...) differ; see :class:`DisagreementCodes`.

    Examples
    --------
    >>> find_difference(np.array([[0, 1, 1, 1], [0, 0, 2, 255]], np.uint8))
    array([  0,   1,   2, 255], dtype=uint8)
    """
    known = codes != UNKNOWN
    top = np.where(known, codes, 0).max(axis=0)
    low = np.where(known, codes, UNKNOWN).min(axis=0)
    kinds = [(low == 0) & (top > 0), low != top]
    found = np.select(kinds, [CHANGE_DIFFERS, CLASS_DIFFERS], AGREE)
    return np.where(known.sum(axis=0) >= 2, found, UNKNOWN).astype(np.uint8)


def find_consensus(comparison: Comparison, least: int = 2) -> Labels:
    """Return what most people say as labels; where they do not agree, of a class that is ignored.

    Classes are those of the people; one that is ignored is added where there is none. A tile in
    which nothing is agreed on is ``unsure`` or ``unusable`` when most people say so.

    Parameters
    ----------
    comparison : Comparison
    least : int
        How many people must know a pixel.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> find_consensus(compare(people)).polygons  # doctest: +SKIP
    """
    if not 1 <= least <= len(comparison.people):
        msg = f"a consensus needs 1 to {len(comparison.people)} people to know a pixel, got {least}"
        raise UsageError(msg)
    first, windows = comparison.first, list(comparison.windows.values())
    schema = _with_ignored(first.schema)
    with tempfile.TemporaryDirectory() as folder:
        codes = ConsensusCodes(comparison, least)
        traced = trace(_settle(codes, Path(folder)), schema, windows)
    crs = first.geobox.crs
    shapes = np.empty(len(traced.pixels), object)
    shapes[:] = traced.pixels
    frame = geopandas.GeoDataFrame(
        {"class_id": traced.classes},
        geometry=to_world(shapes, first.geobox),
        crs=None if crs is None else crs.to_wkt(),
    )
    who = ";".join(comparison.people)
    frame["source"], frame["annotator"] = SOURCE, who
    frame["schema_version"] = first.schema_version
    tiles = first.tiles.copy()
    tiles["state"] = [traced.states.get(w) or _silent_state(comparison, w) for w in windows]
    tiles["annotator"] = who
    for name in ("note", "updated"):
        tiles[name] = ""
    facts = {"consensus_of": list(comparison.people), "least": least}
    place = first.pair or first.geobox
    made = gather(frame, place, schema=schema, tiles=tiles, facts={**first.facts, **facts})
    return replace(made, schema_version=first.schema_version)


def _settle(codes: ConsensusCodes, folder: Path) -> TileStore:
    """Work the codes out once; they are read several times."""
    store = TileStore(folder, codes.geobox, TILE_PX, "uint8", UNKNOWN)
    for tile in store.plan:
        store.write(tile, codes.read(tile.core))
    return store


def _with_ignored(schema: Schema) -> Schema:
    if any(c.ignore for c in schema.classes):
        return schema
    number = next(n for n in range(1, UNKNOWN) if not schema.has(n))
    return Schema((*schema.classes, LabelClass(number, "ignore", PALETTE[-1], ignore=True)))


def _silent_state(comparison: Comparison, window: Window) -> str:
    said = Counter(states.get(window, "todo") for states in comparison.states)
    state, count = said.most_common(1)[0]
    return state if state in SILENT and 2 * count > sum(said.values()) else "todo"
