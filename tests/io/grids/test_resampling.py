from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from geochange.io.grids.resampling import KERNELS, resample


def _smooth(shape=(60, 70), seed=0):
    noise = np.random.default_rng(seed).normal(size=shape)
    return (100 + 50 * ndimage.gaussian_filter(noise, 4)).astype(np.float32)


@pytest.mark.parametrize(("name", "error"), [("bilinear", 0.2), ("cubic", 0.02), ("lanczos", 0.1)])
def test_a_smooth_image_is_found_between_pixels(name, error):
    image = _smooth()
    rows, cols = np.mgrid[10:50:0.7, 10:60:0.7]
    found, known = resample(image[None], image > 0, cols, rows, name)
    wanted = ndimage.map_coordinates(image.astype(float), [rows - 0.5, cols - 0.5], order=5)
    assert known.all()
    assert abs(found[0] - wanted).max() < error


@pytest.mark.parametrize("name", KERNELS)
def test_whole_pixels_stay_as_they_are(name):
    image = _smooth()
    rows, cols = np.mgrid[0:60, 0:70] + 0.5
    found, known = resample(image[None], image > 0, cols, rows, name)
    np.testing.assert_allclose(found[0], image, rtol=1e-5)
    assert known.all()


@pytest.mark.parametrize("name", KERNELS)
def test_a_constant_stays_constant_beside_holes_and_borders_for_any_stretch(name):
    image = np.full((2, 40, 40), 7, np.float32)
    valid = np.ones((40, 40), bool)
    valid[10:14, 20:30] = False
    image[:, ~valid] = 1e6
    rows, cols = np.mgrid[0.2:40:1.3, 0.2:40:1.3]
    found, known = resample(image, valid, cols, rows, name, (1.3, 2.6))
    np.testing.assert_allclose(found[:, known], 7, rtol=1e-5)
    holes = ~valid[rows.astype(int), cols.astype(int)]
    assert not known[holes].any()
    assert known[~holes].mean() > 0.95


def test_wide_kernels_average_detail_away():
    checks = np.indices((80, 80)).sum(axis=0) % 2 * np.float32(10)
    rows, cols = np.mgrid[10:70:4, 10:70:4] + 0.3
    for name in ("bilinear", "cubic", "average"):
        found, _ = resample(checks[None], checks >= 0, cols, rows, name, (4, 4))
        assert abs(found - 5).max() < 1.3, name


def test_outside_is_without_data_and_the_rest_of_the_places_does_not_matter():
    image = _smooth()
    rows, cols = np.mgrid[-5:65:0.37, -5:75:0.37]
    found, known = resample(image[None], image > 0, cols, rows)
    inside = (rows >= 0) & (rows < 60) & (cols >= 0) & (cols < 70)
    assert (known == inside).all()
    part = np.s_[17:93, 31:111]
    again, _ = resample(image[None], image > 0, cols[part], rows[part])
    assert (again[0] == found[0][part]).all()
