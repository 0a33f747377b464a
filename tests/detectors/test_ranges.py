import numpy as np
import pytest
from scipy import ndimage

from geochange.detectors.ranges import leave_ranges, local_range


def test_local_range_is_that_of_valid_neighbours():
    rng = np.random.default_rng(0)
    band = rng.normal(size=(12, 15)).astype(np.float32)
    valid = rng.random(band.shape) > 0.3
    low, high = local_range(band, valid, 2)
    for row, col in np.argwhere(valid):
        near = slice(max(row - 2, 0), row + 3), slice(max(col - 2, 0), col + 3)
        assert low[row, col] == band[near][valid[near]].min()
        assert high[row, col] == band[near][valid[near]].max()


def test_local_range_is_that_of_the_square_around():
    band = np.random.default_rng(0).normal(size=(12, 15)).astype(np.float32)
    low, high = local_range(band, np.ones(band.shape, bool), 2)
    np.testing.assert_array_equal(low, ndimage.minimum_filter(band, 5))
    np.testing.assert_array_equal(high, ndimage.maximum_filter(band, 5))


@pytest.mark.parametrize(("slack", "distance"), [(0.0, 2.0), (0.25, 1.0), (1.0, -2.0)])
def test_the_distance_is_symmetric_and_less_the_slack(slack, distance):
    x, y, low, high = (np.full((1, 1), value, np.float32) for value in (9, 5, 3, 7))
    of_x, of_y = (y - 1, x), (low, high)
    assert leave_ranges(x, y, of_x, of_y, slack)[0, 0] == distance
    assert leave_ranges(y, x, of_y, of_x, slack)[0, 0] == distance
