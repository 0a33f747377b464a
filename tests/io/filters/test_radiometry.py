from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geochange.io.filters.radiometry import BandMap, invert_limits, map_bands
from geochange.io.rasters.scene import describe_date, read_date
from geochange.testing import check_reader
from geochange.tiles import Window

CURVE = BandMap(0.5, knots=((0.0, 1.0), (10.0, 11.0), (20.0, 41.0)))


def test_beyond_the_knots_a_curve_goes_on_with_its_slope():
    found = CURVE.apply(np.array([-10, 0, 5, 15, 20, 30], np.float32))
    np.testing.assert_allclose(found, [-4, 1, 6, 26, 41, 46])


@given(st.floats(-1e3, 1e3), st.floats(0.1, 10), st.floats(-1e3, 1e3))
def test_the_inverse_leads_back(value, gain, offset):
    for to in (BandMap(gain, offset), CURVE):
        there = to.apply(np.array([value], np.float32))
        assert to.invert().apply(there)[0] == pytest.approx(value, abs=0.02, rel=1e-4)


def test_invalid_pixels_stay_0_and_bands_have_their_own_map():
    valid = np.array([[True, False]])
    pixels = np.stack([np.array([[2.0, 0.0]], np.float32)] * 2)
    found = map_bands(pixels, valid, (BandMap(1.0, 5.0), BandMap(3.0)))
    assert found.tolist() == [[[7.0, 0.0]], [[6.0, 0.0]]]
    assert found.dtype == np.float32


def test_maps_survive_json():
    assert BandMap.restore(CURVE.describe()) == CURVE


def test_limits_are_told_in_values_of_the_file():
    assert invert_limits([(5.0, 9.0)], [BandMap(2.0, 1.0)]) == [(2.0, 4.0)]


def test_a_reader_maps_what_it_reads_and_keeps_its_contract(write_raster):
    image = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
    image[:, 0, 0] = 0
    scene = describe_date(write_raster("b.tif", image, nodata=0))
    reader = read_date(scene, (2, 0, 1), scene.geobox)
    maps = BandMap(2.0, 1.0), BandMap(1.0, -5.0), CURVE
    mapped = reader.normalize(maps)
    check_reader(mapped)
    window = Window(0, 0, 4, 5)
    pixels, valid = mapped.read(window)
    expected = image[2, :4, :5] * 2.0 + 1
    np.testing.assert_array_equal(pixels[0][valid], expected[valid])
    assert not valid[0, 0]
    assert (pixels[:, ~valid] == 0).all()
    np.testing.assert_array_equal(mapped.take([2, 0]).read(window)[0], pixels[[2, 0]])
    twice = mapped.normalize((BandMap(1.0, 1.0),) * 3)
    np.testing.assert_array_equal(twice.read(window)[0][:, valid], pixels[:, valid] + 1)
