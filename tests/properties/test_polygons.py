"""Polygons of a tiled mask are those of the whole raster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import rasterio.features
import scipy.ndimage as ndi
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely.geometry import shape

from geochange.maps import tables
from geochange.maps.polygons import polygonize
from geochange.tiles import Window

STRUCTURE = {4: None, 8: np.ones((3, 3))}


@dataclass
class ArraySource:
    pixels: np.ndarray
    tile_size: int

    @property
    def geobox(self) -> GeoBox:
        return GeoBox(self.pixels.shape, Affine.identity(), None)

    def read(self, window: Window) -> np.ndarray:
        return self.pixels[window.slices_in(Window(0, 0, *self.pixels.shape))]


@st.composite
def masks(draw):
    """Random masks of any density, speckled or smooth, with nodata."""
    shape_ = draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    field = ndi.gaussian_filter(rng.random(shape_), draw(st.sampled_from([0, 0.6, 1.2])))
    mask = (field > np.quantile(field, draw(st.floats(0, 1)))).astype(np.uint8)
    mask[rng.random(shape_) < draw(st.sampled_from([0, 0.1]))] = 255
    return mask


@settings(max_examples=150, deadline=None)
@given(mask=masks(), size=st.integers(1, 26), connectivity=st.sampled_from([4, 8]))
def test_tiles_give_the_polygons_of_the_whole_raster(mask, size, connectivity):
    found = [
        geometry for _, geometry in polygonize(ArraySource(mask, size), connectivity=connectivity)
    ]
    expected = [
        shape(geometry)
        for geometry, _ in rasterio.features.shapes(mask, mask=mask == 1, connectivity=connectivity)
    ]
    assert all(geometry.is_valid for geometry in found)
    assert sorted(g.area for g in found) == sorted(g.area for g in expected)
    whole = shapely.union_all([shapely.make_valid(geometry) for geometry in expected])
    assert shapely.union_all(found).symmetric_difference(whole).area == 0
    untiled = polygonize(ArraySource(mask, 64), connectivity=connectivity)
    assert [g.wkt for g in found] == [g.wkt for _, g in untiled]


@settings(max_examples=100, deadline=None)
@given(mask=masks(), size=st.integers(1, 26), connectivity=st.sampled_from([4, 8]))
def test_every_component_is_one_feature_in_the_order_of_its_last_pixel(mask, size, connectivity):
    labels, count = ndi.label(mask == 1, STRUCTURE[connectivity])
    burnt = np.zeros(mask.shape, np.int32)
    numbers = []
    for number, geometry in polygonize(ArraySource(mask, size), connectivity=connectivity):
        numbers.append(number)
        rasterio.features.rasterize([(geometry, number)], out=burnt)
    assert numbers == list(range(1, count + 1))
    last = [np.flatnonzero(labels == label).max() for label in range(1, count + 1)]
    for number, label in enumerate(np.argsort(last) + 1, 1):
        np.testing.assert_array_equal(burnt == number, labels == label)


@settings(max_examples=60, deadline=None)
@given(mask=masks(), limit=st.integers(1, 30))
def test_a_row_of_tiles_may_be_swept_in_pieces(mask, limit):
    whole = [geometry.wkt for _, geometry in polygonize(ArraySource(mask, 24))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "MAX_RUNS", limit)
        pieces = [geometry.wkt for _, geometry in polygonize(ArraySource(mask, 24))]
    assert pieces == whole


@settings(max_examples=60, deadline=None)
@given(mask=masks(), connectivity=st.sampled_from([4, 8]))
def test_vertices_are_true_corners_only(mask, connectivity):
    for _, geometry in polygonize(ArraySource(mask, 5), connectivity=connectivity):
        for polygon in shapely.get_parts(geometry):
            for ring in [polygon.exterior, *polygon.interiors]:
                steps = np.diff(np.asarray(ring.coords)[[*range(len(ring.coords)), 1]], axis=0)
                assert (steps != 0).sum(axis=1).tolist() == [1] * len(steps)
                turns = steps[1:] * steps[:-1]
                assert not turns.any(), "two edges in a row run the same way"
