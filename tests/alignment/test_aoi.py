from __future__ import annotations

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from geochange.alignment.aoi import parse_aoi
from geochange.alignment.grid import crop_to_polygons
from geochange.errors import GridError, InputError, UsageError

UTM = GeoBox((120, 130), Affine(10, 0, 500000, 0, -10, 5000000), "EPSG:32632")
POLAR = GeoBox((100, 100), Affine(1000, 0, -50000, 0, -1000, 50000), "EPSG:3031")
DATELINE = GeoBox((100, 200), Affine(0.01, 0, 179, 0, -0.01, 1), "EPSG:4326")


@pytest.mark.parametrize("grid", [UTM, POLAR, DATELINE])
@pytest.mark.parametrize("form", ["text", "polygon", "frame", "series", "array"])
def test_the_whole_earth_keeps_the_whole_grid(grid, form):
    earth = shapely.box(-180, -90, 180, 90)
    series = geopandas.GeoSeries([earth], crs="EPSG:4326")
    aoi = {
        "text": "-180,-90,180,90",
        "polygon": earth,
        "frame": geopandas.GeoDataFrame(geometry=series),
        "series": series,
        "array": np.array([-180.0, -90.0, 180.0, 90.0]),
    }[form]
    assert crop_to_polygons(grid, parse_aoi(aoi, grid)) == grid


def test_a_file_that_covers_half_the_earth_works(tmp_path):
    path = tmp_path / "half.geojson"
    box = shapely.box(-100, 10, 100, 80)
    geopandas.GeoDataFrame(geometry=[box], crs="EPSG:4326").to_file(path)
    assert crop_to_polygons(UTM, parse_aoi(path, UTM)) == UTM


@pytest.mark.parametrize("box", ["179.5,0.2,-179.5,0.8", "179.5,0.2,180.5,0.8"])
def test_a_box_may_cross_the_antimeridian(box):
    cut = crop_to_polygons(DATELINE, parse_aoi(box, DATELINE))
    assert tuple(cut.shape) == (60, 100)
    assert cut.affine.c == pytest.approx(179.5)


def test_both_ends_of_a_map_of_the_world_are_kept():
    affine = Affine(222639, 0, -20037508, 0, -222639, 10018754)
    grid = GeoBox((90, 180), affine, "EPSG:3857")
    polygons = parse_aoi("170,-10,-170,10", grid)
    widths = [shapely.bounds(p)[2] - shapely.bounds(p)[0] for p in polygons]
    assert widths == pytest.approx([1113195, 1113195], rel=1e-3)


def test_a_box_cuts_where_its_coordinates_are():
    west, south = CRS("EPSG:32632").transformer_to_crs(CRS("EPSG:4326"))(500300, 4999000)
    east, north = CRS("EPSG:32632").transformer_to_crs(CRS("EPSG:4326"))(500700, 4999600)
    cut = crop_to_polygons(UTM, parse_aoi((west, south, east, north), UTM))
    assert cut.affine.c == pytest.approx(500300, abs=10)
    assert cut.affine.f == pytest.approx(4999600, abs=10)
    assert tuple(cut.shape) == pytest.approx((60, 40), abs=2)


def test_what_is_no_area_is_refused(tmp_path):
    for wrong in ([1, 2, 3], "1,2,x,4", ["a"] * 4, 5, "1,4,2,3", (1, 2, np.nan, 4)):
        with pytest.raises(UsageError, match="neither a vector file nor"):
            parse_aoi(wrong, UTM)
    with pytest.raises(InputError, match="holds no polygon"):
        parse_aoi(shapely.Point(9, 45), UTM)
    with pytest.raises(GridError, match="lies outside"):
        crop_to_polygons(UTM, parse_aoi("50,-10,51,-9", UTM))
    plain = geopandas.GeoSeries([shapely.box(0, 0, 1, 1)])
    with pytest.raises(GridError, match="no CRS"):
        parse_aoi(plain, UTM)
