import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from geochange.exports.vectors.wgs84 import Footprint, to_wgs84

# Grids of 400 x 400 px with something difficult in the middle.
GRIDS = {
    "utm": GeoBox((400, 400), Affine(10, 0, 3e5, 0, -10, 5e6), "EPSG:32633"),
    "utm 1 at 180": GeoBox((400, 400), Affine(30, 0, 160000, 0, -30, 10000), "EPSG:32601"),
    "utm 60 at 180": GeoBox((400, 400), Affine(30, 0, 812000, 0, -30, 2000000), "EPSG:32660"),
    "utm 60 south": GeoBox((400, 400), Affine(30, 0, 700000, 0, -30, 5500000), "EPSG:32760"),
    "pacific mercator": GeoBox((400, 400), Affine(1e4, 0, 1.3e6, 0, -1e4, 2e6), "EPSG:3832"),
    "degrees past 180": GeoBox((400, 400), Affine(0.1, 0, 160, 0, -0.1, 20), "EPSG:4326"),
    "arctic": GeoBox((400, 400), Affine(1e3, 0, -2.0005e5, 0, -1e3, 2.0003e5), "EPSG:3413"),
    "antarctic": GeoBox((400, 400), Affine(1e4, 0, -2e6, 0, -1e4, 2e6), "EPSG:3031"),
    "south up": GeoBox((400, 400), Affine(30, 0, 160000, 0, 30, 10000), "EPSG:32601"),
    "rotated": GeoBox((400, 400), Affine(24, 18, 160000, 18, -24, 10000), "EPSG:32601"),
    "old datum": GeoBox((400, 400), Affine(30, 0, 5e5, 0, -30, 5e6), "EPSG:26711"),
}
HAVE_POLE = ("arctic", "antarctic")


def lonlat_of(geobox, points):
    transformer = pyproj.Transformer.from_crs(geobox.crs.to_wkt(), "EPSG:4326", always_xy=True)
    lon, lat = transformer.transform(*np.asarray(points, float).T)
    return np.column_stack([(np.asarray(lon) + 180) % 360 - 180, lat])


def on_grid(geobox, corners, holes=()):
    """A polygon from corners (col, row) in pixels."""
    rings = [[geobox.affine * corner for corner in ring] for ring in (corners, *holes)]
    return shapely.Polygon(rings[0], rings[1:])


def rectangle(col, row, width, height):
    return [(col, row), (col + width, row), (col + width, row + height), (col, row + height)]


def assert_rfc_7946(polygon):
    assert polygon.is_valid
    for part in shapely.get_parts(polygon):
        assert part.exterior.is_ccw
        assert not any(hole.is_ccw for hole in part.interiors)
    lonlat = shapely.get_coordinates(polygon)
    np.testing.assert_array_equal(lonlat, np.round(lonlat, 7))
    assert (np.abs(lonlat) <= [180, 90]).all()


def geodesic_area(polygon):
    globe = pyproj.Geod(ellps="WGS84")
    return sum(
        abs(globe.geometry_area_perimeter(part)[0])
        for part in shapely.get_parts(shapely.segmentize(polygon, 0.01))
    )


@pytest.mark.parametrize("name", GRIDS)
def test_points_stay_on_their_side(name, rng):
    """Points inside a polygon of the grid are inside it on the globe, points outside are not."""
    geobox = GRIDS[name]
    polygon = on_grid(
        geobox,
        [(20, 20), (380, 20), (380, 380), (200, 380), (200, 300), (20, 300)],
        [rectangle(60, 60, 30, 90), rectangle(250, 150, 80, 60)],
    )
    [cut] = to_wgs84(np.array([polygon]), geobox)
    assert_rfc_7946(cut)
    pixels = rng.uniform(0, 400, (4000, 2))
    points = np.array([geobox.affine * tuple(pixel) for pixel in pixels])
    inside = shapely.contains_xy(polygon, points)
    # Half a pixel from the border either answer is right.
    near = shapely.distance(polygon.boundary, shapely.points(points)) < 0.5 * np.sqrt(
        abs(geobox.affine.determinant)
    )
    lonlat = lonlat_of(geobox, points)
    found = shapely.contains_xy(cut, lonlat)
    assert inside.any()
    assert not inside.all()
    np.testing.assert_array_equal(found[~near], inside[~near])


@pytest.mark.parametrize("name", ["utm 1 at 180", "utm 60 at 180", "pacific mercator", "rotated"])
def test_crossing_polygon_is_cut_at_180(name):
    geobox = GRIDS[name]
    polygon = on_grid(geobox, rectangle(10, 10, 380, 380))
    [cut] = to_wgs84(np.array([polygon]), geobox)
    assert cut.geom_type == "MultiPolygon"
    bounds = shapely.bounds(shapely.get_parts(cut))
    assert (bounds[:, 2] == 180).any()
    assert (bounds[:, 0] == -180).any()
    assert (bounds[:, 2] - bounds[:, 0] < 180).all()
    lon, lat = lonlat_of(geobox, shapely.get_coordinates(shapely.segmentize(polygon, 1e4))).T
    area, _ = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)
    assert geodesic_area(cut) == pytest.approx(abs(area), rel=2e-5)


@pytest.mark.parametrize("name", HAVE_POLE)
def test_polygon_round_a_pole_reaches_it(name):
    geobox = GRIDS[name]
    polygon = on_grid(geobox, rectangle(100, 100, 200, 200))
    [cut] = to_wgs84(np.array([polygon]), geobox)
    assert np.abs(cut.bounds[1::2]).max() == 90
    assert cut.bounds[0::2] == (-180, 180)
    # The Lambert projection keeps areas, unlike the grid's own.
    equal_area = pyproj.CRS(f"+proj=laea +lat_0={np.sign(cut.bounds[1] + 1) * 90:.0f}")
    fine = shapely.segmentize(polygon, geobox.affine.a / 10)
    area = geopandas.GeoSeries([fine], crs=geobox.crs.to_wkt()).to_crs(equal_area).area[0]
    a_tenth_of_a_pixel = 0.1 * geobox.affine.a * polygon.length
    assert abs(geodesic_area(cut) - area) < a_tenth_of_a_pixel


@pytest.mark.parametrize("name", HAVE_POLE)
def test_hole_round_a_pole_stays_open(name):
    geobox = GRIDS[name]
    ring = on_grid(geobox, rectangle(50, 50, 300, 300), [rectangle(150, 150, 100, 100)])
    [cut] = to_wgs84(np.array([ring]), geobox)
    pole = 90 if name == "arctic" else -90
    assert not cut.intersects(shapely.LineString([(-180, pole), (180, pole)]))
    assert_rfc_7946(cut)


def test_straight_edges_stay_straight_on_the_ground():
    """A long edge of the grid is a curve in degrees: it is followed to a tenth of a pixel."""
    geobox = GeoBox((10000, 10000), Affine(10, 0, 3e5, 0, -10, 7e6), "EPSG:32633")
    [polygon] = to_wgs84(np.array([on_grid(geobox, rectangle(0, 0, 10000, 10000))]), geobox)
    back = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    fine = shapely.get_coordinates(shapely.segmentize(polygon.exterior, 1e-4))
    x, y = back.transform(*fine.T)
    off = shapely.distance(shapely.box(3e5, 6.9e6, 4e5, 7e6).boundary, shapely.points(x, y))
    assert off.max() < 1.0


def test_pixels_of_a_centimetre_stay_valid(rng):
    """Rounding to 7 decimals moves corners by half a pixel here."""
    geobox = GeoBox((60, 60), Affine(0.01, 0, 5e5, 0, -0.01, 5e6), "EPSG:32633")
    steps = [on_grid(geobox, rectangle(c, r, 1, 1)) for c, r in rng.integers(0, 60, (300, 2))]
    stairs = shapely.get_parts(shapely.union_all(steps))
    for polygon in to_wgs84(stairs, geobox):
        assert polygon is None or polygon.is_valid


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(GRIDS)),
    cells=st.lists(
        st.tuples(st.integers(0, 19), st.integers(0, 19)), min_size=1, max_size=60, unique=True
    ),
)
def test_any_polygon_keeps_its_area(name, cells):
    geobox = GRIDS[name]
    shape = shapely.union_all(
        [on_grid(geobox, rectangle(20 * col, 20 * row, 20, 20)) for col, row in cells]
    )
    parts = shapely.get_parts(shape)
    cut = to_wgs84(parts, geobox)
    for polygon in cut:
        assert_rfc_7946(polygon)
    centres = [geobox.affine * (20 * col + 10, 20 * row + 10) for col, row in cells]
    lonlat = lonlat_of(geobox, centres)
    assert shapely.contains_xy(shapely.union_all(cut), lonlat).all()


def test_place_without_longitude_is_none():
    geobox = GeoBox((10, 10), Affine(1e6, 0, -9e7, 0, -1e6, 9e7), "EPSG:3413")
    sphere = GeoBox((10, 10), Affine(1e6, 0, 3e7, 0, -1e6, 3e7), "ESRI:54009")
    square = on_grid(sphere, rectangle(0, 0, 5, 5))
    assert to_wgs84(np.array([square]), sphere)[0] is None
    assert to_wgs84(np.array([], dtype=object), geobox).size == 0


def test_footprint_across_180_goes_west_to_east():
    footprint = Footprint()
    assert footprint.bbox is None
    footprint.add(np.array([shapely.box(179, -1, 180, 1)]))
    footprint.add(np.array([shapely.box(-180, 0, -178, 2)]))
    assert footprint.bbox == [179, -1, -178, 2]
    footprint.add(np.array([shapely.box(-10, 0, 10, 2)]))
    assert footprint.bbox == [-180, -1, 180, 2]


def test_footprint_away_from_180_is_plain():
    footprint = Footprint()
    footprint.add(np.array([shapely.box(-3, -1, 4, 1), None]))
    assert footprint.bbox == [-3, -1, 4, 1]
