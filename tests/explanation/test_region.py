import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.errors import UsageError
from geochange.explanation.region import find_window
from geochange.tiles import Window

UTM = GeoBox((5000, 6000), Affine(10, 0, 500000, 0, -10, 5000000), "EPSG:32632")


def test_edges_of_pixels_are_not_overrun():
    box = (500100, 4999700, 500300.0000001, 4999800)
    assert find_window(box, UTM, "EPSG:32632") == Window(20, 10, 10, 20)
    assert find_window((500101, 4999701, 500102, 4999702), UTM, "EPSG:32632").shape == (1, 1)


def test_a_grid_without_crs_counts_columns_and_rows():
    plain = GeoBox((50, 60), Affine.identity(), None)
    assert find_window("10,20,30,25", plain) == Window(20, 10, 5, 20)


def test_a_south_up_grid_is_no_other():
    up = GeoBox((50, 60), Affine(10, 0, 500000, 0, 10, 4999000), "EPSG:32632")
    assert find_window((500100, 4999100, 500200, 4999130), up, "EPSG:32632") == Window(
        10, 10, 3, 10
    )


def test_large_boxes_are_refused():
    whole = tuple(UTM.boundingbox)
    with pytest.raises(UsageError, match="5000 x 6000 px large, at most 2048 px"):
        find_window(whole, UTM, "EPSG:32632")
