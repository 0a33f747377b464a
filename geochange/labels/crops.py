"""Which windows of the pair become chips: its tiles, or squares of one size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely

from geochange.evaluation.counts import UNKNOWN
from geochange.labels.content import Labels
from geochange.labels.mask import LabelMask
from geochange.tiles import TilePlan, Window


@dataclass(frozen=True, slots=True)
class Crop:
    """A window of the pair whose labels say something.

    Attributes
    ----------
    name : str
    tile : int
        Number of the tile; of the first one where it touches several.
    verdict : str
        State of the tile, or ``mixed``.
    annotator : str
        Who has looked; several are separated by ``;``.
    window : Window
    changed_px, known_px : int
        Pixels of any class, and pixels that are known at all.
    """

    name: str
    tile: int
    verdict: str
    annotator: str
    window: Window
    changed_px: int
    known_px: int


def list_crops(labels: Labels, size: int = 0) -> list[Crop]:
    """List the windows in which any pixel is known, from the top left on.

    Parameters
    ----------
    labels : Labels
    size : int
        Edge in pixels; squares at the right and lower border reach beyond the grid. 0: the tiles.

    Examples
    --------
    >>> list_crops(labels)[0].name  # doctest: +SKIP
    'tile0001'
    """
    mask = LabelMask(labels)
    crops = []
    for window, touched in _windows(labels, size):
        codes = mask.read(window)
        known = int(np.count_nonzero(codes != UNKNOWN))
        if known:
            changed = known - int(np.count_nonzero(codes == 0))
            crops.append(_describe(labels, window, touched, size, changed, known))
    return crops


def _windows(labels: Labels, size: int) -> Iterator[tuple[Window, list[int]]]:
    """Yield windows and the positions of the tiles that they touch."""
    tiles = labels.tiles
    left, top, width, height = (
        tiles[name].to_numpy(np.int64) for name in ("col", "row", "width", "height")
    )
    if not size:
        for n in range(len(tiles)):
            yield Window(*(int(side[n]) for side in (top, left, height, width))), [n]
        return
    tree = shapely.STRtree(shapely.box(left, top, left + width, top + height))
    for tile in TilePlan(labels.shape, size):
        core = tile.core
        inner = shapely.box(
            core.col + 0.5, core.row + 0.5, core.stop_col - 0.5, core.stop_row - 0.5
        )
        yield Window(core.row, core.col, size, size), sorted(tree.query(inner, "intersects"))


def _describe(
    labels: Labels, window: Window, touched: list[int], size: int, changed: int, known: int
) -> Crop:
    rows = labels.tiles.iloc[touched]
    states = set(rows["state"])
    people = sorted({str(name) for name in rows["annotator"].dropna() if name})
    tile = int(rows["id"].iloc[0]) if len(rows) else 0
    name = crop_name(tile, window, by_tile=not size)
    verdict = states.pop() if len(states) == 1 else "mixed"
    return Crop(name, tile, verdict, ";".join(people), window, changed, known)


def crop_name(tile: int, window: Window, *, by_tile: bool) -> str:
    """Return what the files of a crop are called.

    Examples
    --------
    >>> crop_name(7, Window(0, 512, 256, 256), by_tile=False)
    'r00000_c00512'
    """
    return f"tile{tile:04d}" if by_tile else f"r{window.row:05d}_c{window.col:05d}"
