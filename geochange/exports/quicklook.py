"""Pictures of a run: the whole pair small, and each of the best changes close up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from geochange.alignment.pair import Pair
from geochange.maps.preview import Preview
from geochange.tiles import Window
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
    limits : tuple of two lists of (low, high)
        The stretch of each date, one pair per shown band.
    same_stretch : bool
    bands : tuple of int
        Positions of the shown bands.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
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
        return cls(first, second, (limits[0], limits[1]), same, preview.bands)

    def save(self, folder: Path) -> None:
        """Write ``before.png`` and ``after.png``."""
        folder.mkdir(exist_ok=True)
        for name, picture in (("before", self.before), ("after", self.after)):
            (folder / f"{name}.png").write_bytes(pictures.encode_png(picture))


def draw_thumbnails(pair: Pair, quicklook: Quicklook, change_px: Any) -> tuple[bytes, bytes]:
    """Return pictures of one change at both dates, its outline alone drawn on the after date.

    Parameters
    ----------
    change_px : Polygon or MultiPolygon
        The change, in pixels of the grid.
    """
    left, top, right, bottom = change_px.bounds
    side = int(np.clip(2 * max(right - left, bottom - top), MIN_SIDE_PX, MAX_SIDE_PX))
    row, col = int((top + bottom - side) / 2), int((left + right - side) / 2)
    window = Window(row, col, side, side)
    block = pair.read_window(window)
    place = Affine.translation(col, row)
    edge = pictures.outline(rasterize([change_px], window.shape, transform=place, dtype="uint8"))
    drawn = [
        pictures.render_rgb(image[list(quicklook.bands)], block.valid, limits)
        for image, limits in zip((block.before, block.after), quicklook.limits, strict=True)
    ]
    drawn[1][edge] = (*pictures.CHANGE_COLOUR, 255)
    first, second = (
        pictures.encode_webp(pictures.enlarge(picture, THUMBNAIL_PX), THUMBNAIL_PX)
        for picture in drawn
    )
    return first, second
