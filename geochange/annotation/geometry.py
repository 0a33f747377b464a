"""Label geometry in pixels: x = column, y = row, the grid's top-left corner at (0, 0)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry
from shapely.ops import split as split_by_line

from geochange.annotation.refusals import UNUSABLE, RefusedError

MAX_VERTICES = 50_000
SIMPLIFY_PX = 0.75
"""Pre-labels may leave the stairs of their pixels by this much, so that they can be edited."""


def parse_polygon(given: Any, shape: tuple[int, int]) -> BaseGeometry:
    """Turn GeoJSON coordinates into a valid polygon inside a grid.

    Parameters
    ----------
    given : mapping
        ``{"type": "Polygon" or "MultiPolygon", "coordinates": ...}`` in pixels.
    shape : tuple of int
        ``(height, width)`` of the grid; what lies outside is cut off.

    Returns
    -------
    shapely.Polygon or shapely.MultiPolygon
        A ring that crosses itself is repaired.

    Raises
    ------
    RefusedError
        Not a polygon, too many vertices, or nothing of it is inside.

    Examples
    --------
    >>> bow = [[[0, 0], [4, 4], [4, 0], [0, 4], [0, 0]]]
    >>> parse_polygon({"type": "Polygon", "coordinates": bow}, (10, 10)).area
    8.0
    """
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind not in ("Polygon", "MultiPolygon"):
        msg = "a label needs a Polygon or MultiPolygon with coordinates in pixels"
        raise RefusedError(UNUSABLE, msg)
    rings = given.get("coordinates")
    depth = 3 if kind == "Polygon" else 4
    count = _count_vertices(rings, depth)
    if count > MAX_VERTICES:
        msg = f"a label of {count} vertices is too detailed; simplify it below {MAX_VERTICES}"
        raise RefusedError(UNUSABLE, msg)
    try:
        made = shapely.from_geojson(json.dumps({"type": kind, "coordinates": rings}))
    except ShapelyError as error:
        msg = "the coordinates of a label make no polygon; every ring needs 4 points, closed"
        raise RefusedError(UNUSABLE, msg) from error
    return confine(made, shape)


def _count_vertices(nested: Any, depth: int) -> int:
    """Count the positions of nested lists, which must be pairs of finite numbers."""
    if depth == 1:
        fine = (
            isinstance(nested, list)
            and len(nested) == 2
            and all(type(v) in (int, float) and math.isfinite(v) and abs(v) < 1e9 for v in nested)
        )
        if fine:
            return 1
    elif isinstance(nested, list):
        return sum(_count_vertices(part, depth - 1) for part in nested)
    msg = "the coordinates of a label are not lists of [column, row]"
    raise RefusedError(UNUSABLE, msg)


def confine(geometry: BaseGeometry, shape: tuple[int, int]) -> BaseGeometry:
    """Repair a geometry and cut it to a grid, keeping its areas only.

    Raises
    ------
    RefusedError
        Nothing is left.
    """
    fixed = polygonal(geometry if geometry.is_valid else shapely.make_valid(geometry))
    left, top, right, bottom = fixed.bounds if not fixed.is_empty else (0, 0, 0, 0)
    if left < 0 or top < 0 or right > shape[1] or bottom > shape[0]:
        fixed = polygonal(fixed.intersection(shapely.box(0, 0, shape[1], shape[0])))
    if fixed.is_empty or fixed.area <= 0:
        msg = "the label covers no area inside the image; draw it again"
        raise RefusedError(UNUSABLE, msg)
    return fixed


def polygonal(geometry: BaseGeometry) -> BaseGeometry:
    """Keep the areas of a geometry: one Polygon, or a MultiPolygon of several (or none)."""
    parts = [p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon" and p.area > 0]
    if geometry.geom_type == "GeometryCollection":
        parts = [
            piece
            for part in shapely.get_parts(geometry)
            for piece in shapely.get_parts(part)
            if piece.geom_type == "Polygon" and piece.area > 0
        ]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def plain_geometry(geometry: BaseGeometry) -> dict[str, Any]:
    """Return a geometry as GeoJSON type and coordinates."""
    content: dict[str, Any] = json.loads(shapely.to_geojson(geometry))
    return content


def simplify(geometry: BaseGeometry, tolerance_px: float = SIMPLIFY_PX) -> BaseGeometry:
    """Leave out vertices that move the outline by less than a tolerance; never returns nothing.

    Examples
    --------
    >>> stairs = shapely.union_all([shapely.box(i, i, i + 2, i + 2) for i in range(10)])
    >>> len(stairs.exterior.coords), len(simplify(stairs, 1.5).exterior.coords) < 10
    (41, True)
    """
    simpler = polygonal(shapely.make_valid(geometry.simplify(tolerance_px)))
    return geometry if simpler.is_empty else simpler


def combine(
    action: str, geometries: Sequence[BaseGeometry], line: Any = None, tolerance_px: float = 1.0
) -> list[BaseGeometry]:
    """Compute what a drawing tool asks for.

    Parameters
    ----------
    action : {'union', 'subtract', 'split', 'simplify', 'buffer'}
        ``subtract`` takes all others from the first; ``split`` cuts the first along ``line``;
        ``buffer`` makes ``line`` a stroke of radius ``tolerance_px``.
    geometries : sequence of shapely geometry
    line : list of [column, row], optional

    Returns
    -------
    list of shapely geometry
        One, or the pieces of a split, the largest first.

    Raises
    ------
    RefusedError
        Nothing is left, or the line does not cut.
    """
    if action == "buffer":
        return [polygonal(simplify(_line(line).buffer(tolerance_px, quad_segs=6), 0.05))]
    if not geometries:
        msg = f"'{action}' needs a polygon"
        raise RefusedError(UNUSABLE, msg)
    if action == "union":
        return [polygonal(shapely.union_all(list(geometries)))]
    if action == "subtract":
        return [polygonal(geometries[0].difference(shapely.union_all(list(geometries[1:]))))]
    if action == "simplify":
        return [simplify(geometries[0], tolerance_px)]
    if action == "split":
        return _split(geometries[0], line)
    msg = f"unknown action '{action}'; known: union, subtract, split, simplify, buffer"
    raise RefusedError(UNUSABLE, msg)


def _split(geometry: BaseGeometry, line: Any) -> list[BaseGeometry]:
    cutter = _line(line)
    parts = [piece for part in shapely.get_parts(geometry) for piece in _cut(part, cutter)]
    if len(parts) < 2:
        msg = "the line does not cut the polygon; draw it from outside to outside"
        raise RefusedError(UNUSABLE, msg)
    return sorted(parts, key=lambda part: -part.area)


def _cut(part: BaseGeometry, cutter: BaseGeometry) -> list[BaseGeometry]:
    pieces = shapely.get_parts(split_by_line(part, cutter))
    return [p for p in pieces if p.geom_type == "Polygon" and p.area > 0]


def _line(points: Any) -> BaseGeometry:
    usable = isinstance(points, list) and 1 <= len(points) <= MAX_VERTICES
    if not usable or _count_vertices(points, 2) < 1:
        msg = "a line needs points [column, row]"
        raise RefusedError(UNUSABLE, msg)
    xy = np.asarray(points, float)
    return shapely.LineString(np.vstack([xy, xy[-1:] + 1e-6]) if len(xy) == 1 else xy)
