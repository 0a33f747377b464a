import numpy as np
import pytest
from scipy import ndimage

from geochange.detectability.shapes import bound, footprint, render
from geochange.tiles import Window

WINDOW = Window(-4, 3, 40, 36)
MIDDLE = 14.37, 20.81


@pytest.mark.parametrize("shape", ["square", "disc"])
@pytest.mark.parametrize("size", [0.5, 1.0, 3.0, 16.0])
def test_area_and_middle_are_kept(shape, size):
    share = render(WINDOW, MIDDLE, size, shape=shape).astype(float)
    area = size**2 * (1 if shape == "square" else np.pi / 4)
    assert share.sum() == pytest.approx(area, rel=2e-3)
    rows, cols = np.indices(share.shape) + 0.5
    middle = (share * (rows + WINDOW.row)).sum(), (share * (cols + WINDOW.col)).sum()
    assert np.divide(middle, share.sum()) == pytest.approx(MIDDLE, abs=5e-3)  # tiny shapes alias
    assert share.min() > -1e-6
    assert share.max() < 1 + 1e-6


def test_agrees_with_a_blurred_fine_picture():
    fine = 40
    rows, cols = (np.indices((20 * fine, 20 * fine)) + 0.5) / fine
    inside = (np.abs(rows - 9.3) < 1.5) & (np.abs(cols - 10.6) < 1.5)
    blurred = ndimage.gaussian_filter(inside.astype(float), 0.45 * fine)
    expected = blurred.reshape(20, fine, 20, fine).mean(axis=(1, 3))
    found = render(Window(0, 0, 20, 20), (9.3, 10.6), 3.0)
    assert np.abs(found - expected).max() < 5e-3


def test_what_a_pixel_gets_does_not_depend_on_the_window():
    whole = render(WINDOW, MIDDLE, 5.0)
    part = Window(12, 18, 7, 5)
    assert np.array_equal(render(part, MIDDLE, 5.0), whole[part.slices_in(WINDOW)])


@pytest.mark.parametrize("shape", ["square", "disc"])
def test_footprint_is_what_is_touched_and_its_neighbours(shape):
    touched = render(WINDOW, MIDDLE, 3.0, shape=shape, blur_px=0.0) > 1e-5
    expected = ndimage.binary_dilation(touched, np.ones((3, 3)))
    found = footprint(WINDOW, MIDDLE, 3.0, shape=shape)
    assert np.array_equal(found, expected)
    core = bound(MIDDLE, 3.0)
    assert found[core.slices_in(WINDOW)].sum() == found.sum()
