from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
import shapely

from geochange.maps.polygons import polygonize
from geochange.maps.smooth import smooth


@pytest.mark.parametrize("iterations", [1, 2, 3])
@pytest.mark.parametrize("sigma", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("connectivity", [4, 8])
def test_area_stays_within_one_percent(array_source, iterations, sigma, connectivity):
    field = ndi.gaussian_filter(np.random.default_rng(1).random((60, 60)), sigma)
    mask = (field > np.quantile(field, 0.6)).astype(np.uint8)
    rounded = 0
    for _, geometry in polygonize(array_source(mask), connectivity=connectivity):
        found = smooth(geometry, iterations)
        assert found.is_valid
        assert abs(found.area - geometry.area) <= 0.01 * geometry.area
        assert found.hausdorff_distance(geometry) < 1.5
        rounded += not found.equals(geometry)
    assert rounded > 10


def test_a_diagonal_edge_becomes_straight():
    stairs = shapely.union_all([shapely.box(i, i, 40, i + 1) for i in range(40)])
    found = smooth(stairs, 1)
    assert found.length == pytest.approx(80 + 40 * np.sqrt(2), rel=0.02)
    assert stairs.length == 160


def test_zero_iterations_change_nothing():
    box = shapely.box(0, 0, 2, 3)
    assert smooth(box, 0) is box
