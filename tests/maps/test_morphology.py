from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.morphology

from geochange.maps.morphology import close_change, dilate, erode, open_change


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 5, 9])
def test_disc_agrees_with_scipy(radius):
    pixels = np.random.default_rng(radius).random((31, 17)) < 0.2
    disc = skimage.morphology.disk(radius)
    np.testing.assert_array_equal(dilate(pixels, radius), ndi.binary_dilation(pixels, disc))
    expected = ndi.binary_erosion(~pixels, disc, border_value=1)
    np.testing.assert_array_equal(erode(~pixels, radius), expected)


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_opening_only_takes_and_closing_only_adds(radius):
    rng = np.random.default_rng(7)
    known = rng.random((40, 40)) < 0.9
    change = known & (ndi.gaussian_filter(rng.random((40, 40)), 1) > 0.5)
    opened, closed = open_change(change, known, radius), close_change(change, known, radius)
    assert not (opened & ~change).any()
    assert not (change & ~closed).any()
    assert not ((opened | closed) & ~known).any()
    assert opened.sum() < change.sum() < closed.sum()
