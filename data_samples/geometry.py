"""Lines and areas from which the scenes are laid out, in metres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import splev, splprep
from shapely import affinity, contains_xy, prepare
from shapely.geometry import LineString, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import split

Points = list[tuple[float, float]]


def curve(points: Points, step_m: float = 4.0) -> LineString:
    """Return a smooth line through points.

    Parameters
    ----------
    points : list of (x, y)
        At least two points.
    step_m : float
        Distance between the vertices of the line.

    Returns
    -------
    shapely.LineString
        The line.
    """
    if len(points) == 2:
        return LineString(points)
    x, y = np.array(points).T
    spline, _ = splprep([x, y], s=0, k=min(3, len(points) - 1))
    count = max(8, int(LineString(points).length / step_m))
    return LineString(np.column_stack(splev(np.linspace(0, 1, count), spline)))


def rectangle(x: float, y: float, length: float, width: float, angle: float) -> Polygon:
    """Return a rectangle around (x, y) whose length lies along `angle` degrees."""
    half = box(-length / 2, -width / 2, length / 2, width / 2)
    return affinity.translate(affinity.rotate(half, angle, origin=(0, 0)), x, y)


def blob(
    x: float, y: float, radius: float, rng: np.random.Generator, *, rough: float = 0.25
) -> Polygon:
    """Return an irregular round area.

    Parameters
    ----------
    x, y : float
        Centre.
    radius : float
        Mean radius.
    rng : numpy.random.Generator
        Source of the shape.
    rough : float
        Strength of the irregularity.

    Returns
    -------
    shapely.Polygon
        A valid polygon.
    """
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    r = np.ones_like(angle)
    for order in range(2, 12):
        r += rough / order**0.9 * rng.normal() * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    r = radius * np.clip(r, 0.35, 2.0)
    squeeze, turn = rng.uniform(0.7, 1.0), rng.uniform(0, 180)
    shape = Polygon(np.column_stack([r * np.cos(angle), r * np.sin(angle) * squeeze]))
    moved = affinity.translate(affinity.rotate(shape, turn, origin=(0, 0)), x, y)
    return moved.buffer(0)


def pieces(geometry: BaseGeometry) -> list[Polygon]:
    """Return the polygons of a geometry."""
    if geometry.geom_type == "Polygon":
        return [] if geometry.is_empty else [geometry]
    parts = getattr(geometry, "geoms", [])
    return [part for part in parts if part.geom_type == "Polygon" and part.area > 0]


def mosaic(
    area: Polygon, rng: np.random.Generator, *, target_m2: float, angle: float
) -> list[Polygon]:
    """Cut an area into field-like pieces by repeated, slightly skew cuts.

    Parameters
    ----------
    area : shapely.Polygon
        Area to cut.
    rng : numpy.random.Generator
        Source of the cuts.
    target_m2 : float
        Pieces below about this size are left whole.
    angle : float
        Main direction of the boundaries, degrees.

    Returns
    -------
    list of shapely.Polygon
        The pieces, which together cover the area.
    """
    if area.area < target_m2 * rng.uniform(0.6, 2.2):
        return [area]
    turned = affinity.rotate(area, -angle, origin=(0, 0))
    left, top, right, bottom = turned.bounds
    across = right - left > (bottom - top) * rng.uniform(0.7, 1.5)
    share, skew = rng.uniform(0.3, 0.7), rng.normal(0, 0.05)
    if across:
        middle = left + share * (right - left)
        bend = skew * (bottom - top)
        line = LineString([(middle - bend, top - 1), (middle + bend, bottom + 1)])
    else:
        middle = top + share * (bottom - top)
        bend = skew * (right - left)
        line = LineString([(left - 1, middle - bend), (right + 1, middle + bend)])
    parts = pieces(split(area, affinity.rotate(line, angle, origin=(0, 0))))
    if len(parts) < 2:
        return [area]
    return [
        piece for part in parts for piece in mosaic(part, rng, target_m2=target_m2, angle=angle)
    ]


@dataclass(frozen=True)
class Parcel:
    """A plot of land beside a street.

    Parameters
    ----------
    x, y : float
        Middle of the side at the street.
    along : tuple of float
        Unit vector along the street.
    inward : tuple of float
        Unit vector away from the street.
    width, depth : float
        Size in metres.
    """

    x: float
    y: float
    along: tuple[float, float]
    inward: tuple[float, float]
    width: float
    depth: float

    def point(self, u: float, v: float) -> tuple[float, float]:
        """Return the place `u` along the street and `v` away from it."""
        return (
            self.x + u * self.along[0] + v * self.inward[0],
            self.y + u * self.along[1] + v * self.inward[1],
        )

    def quad(self, u0: float, u1: float, v0: float, v1: float) -> Polygon:
        """Return the area between two distances along and two away from the street."""
        corners = ((u0, v0), (u1, v0), (u1, v1), (u0, v1))
        return Polygon([self.point(u, v) for u, v in corners])

    @property
    def area(self) -> Polygon:
        """The whole plot."""
        return self.quad(-self.width / 2, self.width / 2, 0, self.depth)

    @property
    def angle(self) -> float:
        """Direction of the street, degrees."""
        return float(np.degrees(np.arctan2(self.along[1], self.along[0])))


def frontage(
    street: LineString,
    rng: np.random.Generator,
    *,
    offset_m: float,
    widths_m: tuple[float, float],
    depths_m: tuple[float, float],
) -> Iterator[Parcel]:
    """Yield plots along both sides of a street.

    Parameters
    ----------
    street : shapely.LineString
        Middle of the street.
    rng : numpy.random.Generator
        Source of the sizes.
    offset_m : float
        Distance from the middle of the street to the plots.
    widths_m, depths_m : tuple of float
        Smallest and largest size of a plot.

    Yields
    ------
    Parcel
        The plots of one side, then those of the other.
    """
    for side in (-1.0, 1.0):
        position = rng.uniform(2, 8)
        while True:
            width = rng.uniform(*widths_m)
            if position + width > street.length - 1:
                break
            middle = position + width / 2
            a, b = street.interpolate(middle - 1), street.interpolate(middle + 1)
            run = max(float(np.hypot(b.x - a.x, b.y - a.y)), 1e-6)
            along = ((b.x - a.x) / run, (b.y - a.y) / run)
            inward = (-side * along[1], side * along[0])
            place = street.interpolate(middle)
            yield Parcel(
                place.x + offset_m * inward[0],
                place.y + offset_m * inward[1],
                along,
                inward,
                width - 0.3,
                rng.uniform(*depths_m),
            )
            position += width


def scatter(
    area: BaseGeometry, rng: np.random.Generator, *, spacing_m: float, share: float = 1.0
) -> list[tuple[float, float]]:
    """Return points in an area about `spacing_m` apart, without a visible grid."""
    points: list[tuple[float, float]] = []
    cells: dict[tuple[int, int], list[tuple[float, float]]] = {}
    left, top, right, bottom = area.bounds
    count = int((right - left) * (bottom - top) / spacing_m**2 * 3.2)
    candidates = np.column_stack([rng.uniform(left, right, count), rng.uniform(top, bottom, count)])
    prepare(area)
    candidates = candidates[contains_xy(area, candidates[:, 0], candidates[:, 1])]
    for x, y in candidates:
        cell = (int(x // spacing_m), int(y // spacing_m))
        near = (
            q
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
            for q in cells.get((cell[0] + i, cell[1] + j), ())
        )
        if all((qx - x) ** 2 + (qy - y) ** 2 > spacing_m**2 for qx, qy in near):
            cells.setdefault(cell, []).append((x, y))
            if rng.random() < share:
                points.append((float(x), float(y)))
    return points
