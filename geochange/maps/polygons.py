"""Polygons of a mask of any size, the same for every tile size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from geochange.maps.front import Components
from geochange.maps.rings import GeometryArray, assemble_polygons
from geochange.maps.sweep import RasterSource, Runner, sweep


def polygonize(
    mask: RasterSource, *, connectivity: int = 8, run: Runner = map
) -> Iterator[tuple[int, BaseGeometry]]:
    """Yield ``(id, geometry)`` of every connected component of the pixels that are 1.

    Parameters
    ----------
    mask : RasterSource
        Anything with ``geobox``, ``tile_size`` and ``read(window)``; other values than 1 (0,
        nodata) are background.
    connectivity : {4, 8}
        With 8, pixels that share only a corner are one component.
    run : callable
        How the loop over tiles runs; see :class:`~geochange.maps.sweep.Runner`.

    Yields
    ------
    id : int
        1, 2, ... in the order of each component's last pixel (bottom-most row, then right-most
        column), which a sweep down the raster can number without knowing the rest.
    geometry : shapely.Polygon or shapely.MultiPolygon
        In pixel coordinates (x = column, y = row, the raster's top-left corner at the origin), with
        vertices at true corners only; :func:`to_world` moves it to the CRS. Valid in the sense of
        OGC: a component whose pixels touch only at corners becomes a MultiPolygon of its
        4-connected parts, and a ring never touches itself (a hole touches its shell instead).

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from affine import Affine
    >>> @dataclass
    ... class ArraySource:
    ...     pixels: np.ndarray
    ...     tile_size: int = 2
    ...     @property
    ...     def geobox(self):
    ...         return GeoBox(self.pixels.shape, Affine.identity(), None)
    ...     def read(self, window):
    ...         return self.pixels[window.slices_in(Window(0, 0, 0, 0))]
    >>> from geochange.tiles import Window
    >>> mask = ArraySource(np.array([[0, 1, 1], [0, 1, 1], [1, 0, 0]], np.uint8))
    >>> for number, geometry in polygonize(mask, connectivity=4):
    ...     print(number, geometry.wkt)
    1 POLYGON ((1 0, 3 0, 3 2, 1 2, 1 0))
    2 POLYGON ((0 2, 1 2, 1 3, 0 3, 0 2))
    >>> [geometry.geom_type for _, geometry in polygonize(mask)]
    ['MultiPolygon']
    """
    number = 0
    for components in sweep(mask, connectivity, run=run):
        for geometry in outline(components):
            number += 1
            yield number, geometry


def outline(components: Components) -> GeometryArray:
    """Return the geometry of each component in pixel coordinates, object (N,)."""
    stride = components.stride
    return assemble_polygons(components.corners, components.component, len(components), stride)


def to_world(geometry: GeometryArray, geobox: GeoBox) -> GeometryArray:
    """Move geometries from pixel coordinates to those of the grid's CRS.

    Parameters
    ----------
    geometry : shapely geometry, or object array of them
    geobox : GeoBox

    Examples
    --------
    >>> from affine import Affine
    >>> geobox = GeoBox((5, 5), Affine(10, 0, 500, 0, -10, 900), "EPSG:32633")
    >>> to_world(shapely.Point(1, 2), geobox).wkt
    'POINT (510 880)'
    """
    return _transform(geometry, geobox.affine)


def to_pixels(geometry: GeometryArray, geobox: GeoBox) -> GeometryArray:
    """Invert :func:`to_world`.

    Examples
    --------
    >>> from affine import Affine
    >>> geobox = GeoBox((5, 5), Affine(10, 0, 500, 0, -10, 900), "EPSG:32633")
    >>> to_pixels(shapely.Point(510, 880), geobox).wkt
    'POINT (1 2)'
    """
    return _transform(geometry, ~geobox.affine)


def _transform(geometry: GeometryArray, affine: Affine) -> GeometryArray:
    a, b, c, d, e, f = affine[:6]
    matrix = np.array([[a, d], [b, e]])
    moved: GeometryArray = shapely.transform(geometry, lambda xy: xy @ matrix + (c, f))
    return moved
