"""How far a change may be a shift between the dates: thin strips along edges of the before date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from geochange.blocks import BoolArray, PairBlock
from geochange.maps.polygons import to_pixels
from geochange.maps.rings import GeometryArray
from geochange.tiles import TilePlan, Window

FIELD = "misregistration_risk"
CELL_PX = 512
"""Polygons are read in cells of at most this size."""
MARGIN_PX = 3
"""What lies this near tells how the dates differ where nothing changed."""
FULL_STRIP = 4.0
"""A strip this many times as long as it is wide is one beyond doubt."""
LEAST_STRIP = 0.05
LEAST_PX = 0.1
"""A residual below this harms less than resampling; the risk is taken as 0 and nothing is read."""

Vectors = NDArray[np.float64]


class ResidualField(Protocol):
    """What is left of the displacement, as :class:`~geochange.registration.residual.Residual`."""

    def near(self, places: Vectors) -> tuple[Vectors, Vectors]:
        """Return mean (M, 2) and scatter (M,) in pixels at places (x, y), (M, 2)."""
        ...


class BlockSource(Protocol):
    """Two dates on one grid."""

    @property
    def geobox(self) -> GeoBox:
        """The grid."""
        ...

    def salvage(self, window: Window) -> PairBlock:
        """Read a window at both dates; what cannot be read is invalid."""
        ...


def add_risk(
    batches: Iterable[geopandas.GeoDataFrame], pair: BlockSource, residual: ResidualField | None
) -> Iterator[geopandas.GeoDataFrame]:
    """Yield change polygons with a field ``misregistration_risk``.

    A shift ``e`` between the dates makes a false difference of ``e`` times the gradient of the
    before date, in strips along its edges. The risk is how much of the difference, less that of the
    ground beside, this explains (root mean square over the polygon, median over the bands, at most
    1), times how far the polygon is a strip: 0 for a square, 1 from four times as long as wide.

    Parameters
    ----------
    batches : iterable of GeoDataFrame
    pair : BlockSource
        As it was compared.
    residual : ResidualField or None
        What is left of the displacement; None where nobody knows, which leaves the risk unknown.

    Yields
    ------
    GeoDataFrame
        0 is no risk, 1 a high one; NaN where it is not known.
    """
    for batch in batches:
        risk = np.full(len(batch), np.nan)
        if residual is not None and len(batch):
            shapes = to_pixels(batch.geometry.to_numpy(), pair.geobox)
            risk = measure_risk(shapes, pair, residual)
        yield batch.assign(**{FIELD: risk})


def measure_risk(
    shapes: GeometryArray, pair: BlockSource, residual: ResidualField
) -> NDArray[np.float64]:
    """Return the risk of polygons in pixel coordinates, float64 (N,)."""
    strip = measure_strips(shapes)
    centres = shapely.get_coordinates(shapely.centroid(shapes))
    mean, scatter = residual.near(centres)
    likely = (strip > LEAST_STRIP) & (np.hypot(*mean.T) + scatter > LEAST_PX)
    risk = np.where(likely, strip, 0.0)
    for number in np.flatnonzero(likely):
        risk[number] *= _explain(shapes[number], pair, mean[number], float(scatter[number]))
    return risk


def measure_strips(shapes: GeometryArray) -> NDArray[np.float64]:
    """Return how far polygons are strips, from the rectangle of equal area and perimeter.

    Examples
    --------
    >>> measure_strips(np.array([shapely.box(0, 0, 3, 3), shapely.box(0, 0, 1, 9)]))
    array([0., 1.])
    """
    area, perimeter = shapely.area(shapes), shapely.length(shapes)
    root = np.sqrt(np.maximum(perimeter**2 - 16 * area, 0))
    width, length = (perimeter - root) / 4, (perimeter + root) / 4
    elongation = np.divide(length, width, out=np.ones_like(width), where=width > 0)
    strips: NDArray[np.float64] = np.clip((elongation - 1) / (FULL_STRIP - 1), 0, 1)
    return strips


def _explain(shape: BaseGeometry, pair: BlockSource, mean: Vectors, scatter: float) -> float:
    """Return how much of the difference in a polygon a shift explains, 0 to 1; NaN unknown."""
    left, top, right, bottom = (round(edge) for edge in shape.bounds)
    frame = Window(top, left, bottom - top, right - left).pad(MARGIN_PX)
    sums: Sums | None = None
    around = shapely.buffer(shape, MARGIN_PX, quad_segs=2)
    shapely.prepare([shape, around])
    for tile in TilePlan(frame.shape, CELL_PX):
        core = tile.core
        cell = Window(frame.row + core.row, frame.col + core.col, core.height, core.width)
        if not around.intersects(shapely.box(cell.col, cell.row, cell.stop_col, cell.stop_row)):
            continue
        block = pair.salvage(cell.pad(1))
        if len(block.before) != len(block.after):
            return np.nan
        sums = sums or Sums(len(block.before))
        sums.add(block, _cover(shape, cell), _cover(around, cell), mean, scatter)
    return sums.explained() if sums else np.nan


def _cover(shape: BaseGeometry, cell: Window) -> BoolArray:
    """Return the pixels whose middle lies in a polygon, bool (H, W)."""
    cols, rows = np.meshgrid(
        np.arange(cell.col, cell.stop_col) + 0.5, np.arange(cell.row, cell.stop_row) + 0.5
    )
    inside: BoolArray = shapely.contains_xy(shape, cols, rows)
    return inside


@dataclass
class Sums:
    """What a polygon's pixels show, band by band, added up cell by cell."""

    bands: int
    inside: int = 0
    outside: int = 0
    total: Vectors = field(init=False)
    square: Vectors = field(init=False)
    beside: Vectors = field(init=False)
    expected: Vectors = field(init=False)

    def __post_init__(self) -> None:
        self.total, self.square, self.beside, self.expected = np.zeros((4, self.bands))

    def add(
        self,
        block: PairBlock,
        covered: BoolArray,
        around: BoolArray,
        mean: Vectors,
        scatter: float,
    ) -> None:
        """Add a cell, of which the block holds 1 px more on every side."""
        inner = (slice(1, -1), slice(1, -1))
        known = block.valid[inner]
        before = np.where(block.valid, block.before, np.float32(np.nan)).astype(np.float64)
        difference = block.after[:, *inner] - before[:, *inner]
        inside, outside = covered & known, around & ~covered & known
        self.inside += int(inside.sum())
        self.outside += int(outside.sum())
        self.total += difference[:, inside].sum(axis=1)
        self.square += (difference[:, inside] ** 2).sum(axis=1)
        self.beside += difference[:, outside].sum(axis=1)
        along_x = (before[:, 1:-1, 2:] - before[:, 1:-1, :-2])[:, inside] / 2
        along_y = (before[:, 2:, 1:-1] - before[:, :-2, 1:-1])[:, inside] / 2
        moved = (along_x * mean[0] + along_y * mean[1]) ** 2
        moved += scatter**2 * (along_x**2 + along_y**2) / 2
        self.expected += np.nansum(moved, axis=1)

    def explained(self) -> float:
        """Return how much of the difference is explained; NaN where no pixel is known."""
        if not self.inside:
            return np.nan
        offset = self.beside / max(self.outside, 1)
        seen = self.square - 2 * offset * self.total + self.inside * offset**2
        ratio = np.divide(self.expected, seen, out=np.zeros(self.bands), where=seen > 0)
        return float(min(1.0, np.median(np.sqrt(ratio))))
