"""What a printed map says of its grid: how long a kilometre is and where north lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyproj
from odc.geo.geobox import GeoBox


@dataclass(frozen=True, slots=True)
class MapFrame:
    """Scale and bearing at the centre of a grid.

    Attributes
    ----------
    width_m : float or None
        Ground distance across the grid in metres, None without CRS.
    north_degrees : float or None
        Clockwise angle from the top of the picture to true north, None without CRS.
    centre : (longitude, latitude) or None
        Centre of the grid on WGS 84.
    """

    width_m: float | None
    north_degrees: float | None
    centre: tuple[float, float] | None


def frame_of(geobox: GeoBox) -> MapFrame:
    """Measure a grid along its middle row and column, on the WGS 84 ellipsoid.

    Examples
    --------
    >>> grid = GeoBox.from_bbox((400_000, 0, 410_000, 10_000), "EPSG:32633", resolution=10)
    >>> frame = frame_of(grid)
    >>> round(frame.width_m), round(frame.north_degrees, 2)
    (10003, 0.0)
    """
    if geobox.crs is None:
        return MapFrame(None, None, None)
    height, width = (int(size) for size in geobox.shape)
    row, col = height / 2, width / 2
    pixels = [(col, row), (col, row - 0.5), (col - 0.5, row), (col + 0.5, row)]
    xs, ys = zip(*(geobox.affine * pixel for pixel in pixels), strict=True)
    transformer = pyproj.Transformer.from_crs(pyproj.CRS(geobox.crs), "EPSG:4326", always_xy=True)
    lons, lats = transformer.transform(xs, ys)
    if not all(map(math.isfinite, (*lons, *lats))):
        return MapFrame(None, None, None)
    globe = pyproj.Geod(ellps="WGS84")
    bearing_of_top, _, _ = globe.inv(lons[0], lats[0], lons[1], lats[1])
    _, _, pixel_m = globe.inv(lons[2], lats[2], lons[3], lats[3])
    return MapFrame(pixel_m * width, -bearing_of_top, (lons[0], lats[0]))


def scale_bar(width: float, share: float = 0.28) -> float:
    """Return the longest 1, 2 or 5 times a power of ten within ``share`` of a width.

    Examples
    --------
    >>> scale_bar(10_000)
    2000.0
    """
    longest = width * share
    power = 10.0 ** math.floor(math.log10(longest))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= longest)


def length_text(metres: float) -> str:
    """Write a length in metres or kilometres.

    Examples
    --------
    >>> length_text(250), length_text(2000)
    ('250 m', '2 km')
    """
    return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"


def area_text(square_metres: float | None) -> str:
    """Write an area in the unit that suits its size; a dash when it is not known.

    Examples
    --------
    >>> area_text(812.4), area_text(41_700), area_text(23_400_000), area_text(None)
    ('812 m²', '4.17 ha', '23.4 km²', '-')
    """
    if square_metres is None:
        return "-"
    for unit, size in (("km²", 1e6), ("ha", 1e4)):
        if square_metres >= (10 * size if unit == "km²" else size):
            return f"{_digits(square_metres / size)} {unit}"
    return f"{_digits(square_metres)} m²"


def _digits(value: float) -> str:
    """Write about three digits, never in powers of ten."""
    decimals = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:,.{min(decimals, 2)}f}"
