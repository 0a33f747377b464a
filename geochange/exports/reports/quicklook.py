"""Pictures of a run: the whole pair small, and each of the best changes close up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from geochange.alignment.pair import Pair
from geochange.blocks import BoolArray, PairBlock
from geochange.maps.preview import Preview
from geochange.maps.runs import Runs
from geochange.maps.sweep import Runner
from geochange.tiles import Tile, Window
from geochange.viz import pictures

THUMBNAIL_PX = 160
MIN_SIDE_PX, MAX_SIDE_PX = 48, 512
"""Ground that a thumbnail shows: twice the change, within these limits."""


@dataclass(frozen=True)
class Quicklook:
    """Before and after as pictures, with one stretch where their units allow.

    Attributes
    ----------
    before, after : uint8 (h, w, 4)
    change : bool (h, w)
        Cells with any change; filled by :meth:`mark`.
    factor : int
        Pixels per cell along each axis.
    limits : tuple of two lists of (low, high)
        The stretch of each date, one pair per shown band.
    same_stretch : bool
    bands : tuple of int
        Positions of the shown bands.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    change: BoolArray
    factor: int
    limits: tuple[pictures.Limits, pictures.Limits]
    same_stretch: bool
    bands: tuple[int, ...]

    @classmethod
    def of(cls, preview: Preview) -> Quicklook:
        """Stretch and render a preview."""
        before, after, valid = preview.images()
        *limits, same = pictures.stretch_pair(before, after, valid)
        first = pictures.render_rgb(before, valid, limits[0])
        second = pictures.render_rgb(after, valid, limits[1])
        change, grid = np.zeros_like(valid), preview.grid
        return cls(first, second, change, grid.factor, (limits[0], limits[1]), same, grid.bands)

    def mark(self, runs: Runs) -> None:
        """Show runs of change, placed on the whole grid."""
        row, col = np.divmod(runs.starts, runs.stride)
        width = self.change.shape[1]
        first = row // self.factor * width + col // self.factor
        last = first - col // self.factor + (col + runs.lengths - 1) // self.factor
        self.change.reshape(-1)[Runs(first, last + 1, width).places] = True

    def save(self, folder: Path) -> None:
        """Write ``before.png`` and ``after.png``."""
        folder.mkdir(exist_ok=True)
        for name, picture in (("before", self.before), ("after", self.after)):
            (folder / f"{name}.png").write_bytes(pictures.encode_png(picture))


def draw_thumbnails(
    pair: Pair, quicklook: Quicklook, changes_px: Sequence[Any], *, run: Runner = map
) -> Iterator[tuple[bytes, bytes]]:
    """Yield pictures of each change at both dates, its outline alone drawn on the after date.

    Parameters
    ----------
    pair : Pair
    quicklook : Quicklook
        Gives bands and stretch.
    changes_px : sequence of Polygon or MultiPolygon
        In pixels of the grid.
    run : callable
        How the loop over the changes runs; see :class:`~geochange.maps.sweep.Runner`.

    Yields
    ------
    before, after : bytes
        WebP; empty where nothing of the pair can be read.
    """
    shown, limits = pair.take(quicklook.bands), quicklook.limits

    def draw(tile: Tile) -> tuple[bytes, bytes]:
        return _draw(shown.salvage(tile.read), changes_px[tile.index], limits)

    windows = [_frame(change) for change in changes_px]
    return run(draw, [Tile(number, window, window) for number, window in enumerate(windows)])


def _frame(change_px: Any) -> Window:
    left, top, right, bottom = change_px.bounds
    side = int(np.clip(2 * max(right - left, bottom - top), MIN_SIDE_PX, MAX_SIDE_PX))
    return Window(int((top + bottom - side) / 2), int((left + right - side) / 2), side, side)


def _draw(
    block: PairBlock, change_px: Any, limits: Sequence[pictures.Limits]
) -> tuple[bytes, bytes]:
    window = block.tile.read
    if not block.valid.any():
        return b"", b""
    place = Affine.translation(window.col, window.row)
    edge = pictures.outline(rasterize([change_px], window.shape, transform=place, dtype="uint8"))
    drawn = [
        pictures.render_rgb(image, block.valid, stretch)
        for image, stretch in zip((block.before, block.after), limits, strict=True)
    ]
    drawn[1][edge] = (*pictures.CHANGE_COLOUR, 255)
    first, second = (
        pictures.encode_webp(pictures.enlarge(picture, THUMBNAIL_PX), THUMBNAIL_PX)
        for picture in drawn
    )
    return first, second
