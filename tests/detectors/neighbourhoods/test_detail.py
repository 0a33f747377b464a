import numpy as np
from scipy import ndimage

from geochange.detectors.neighbourhoods.detail import REACH_PX, measure_detail


def test_detail_is_the_mean_square_of_fourth_differences_over_a_patch():
    image = np.random.default_rng(0).normal(size=(2, 30, 40))
    weights = np.array([1, -4, 6, -4, 1]) / 16
    squares = sum(ndimage.convolve1d(image, weights, axis=axis) ** 2 for axis in (1, 2))
    expected = ndimage.uniform_filter(squares.sum(axis=0), 5)[4:-4, 4:-4]
    rows = image.reshape(2, -1).astype(np.float32)
    found = measure_detail(rows, np.ones(1200, bool), patch=5, stride=40)
    found = np.lib.stride_tricks.sliding_window_view(found, 32)[::40]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_pixels_without_data_make_no_detail():
    image = np.full((1, 20 * 20), 9, np.float32)
    valid = np.ones((20, 20), bool)
    valid[8:12, 5] = False
    image[0, ~valid.ravel()] = 0
    assert not measure_detail(image, valid.ravel(), patch=3, stride=20).any()
    assert measure_detail(image, valid.ravel() | True, patch=3, stride=20).max() > 1


def test_slow_changes_are_no_detail():
    cols = np.tile(np.arange(20, dtype=np.float32), 20)
    trimmed = measure_detail(cols[None], np.ones(400, bool), patch=1, stride=20)
    inner = np.lib.stride_tricks.sliding_window_view(trimmed, 20 - 2 * REACH_PX)[::20]
    np.testing.assert_allclose(inner, 0, atol=1e-9)
