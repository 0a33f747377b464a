import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rasterio.features import shapes

from geochange.evaluation import ObjectCounts
from geochange.evaluation.objects import ObjectMatcher, find_objects
from geochange.tiles import TilePlan

masks = arrays.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))


def match(mapped, changed, *, size=64, iou=0.5, connectivity=8, ids=None):
    matcher = ObjectMatcher(mapped.shape[1], connectivity)
    for tile in TilePlan(mapped.shape, size):
        part = tile.core.slices_in(TilePlan(mapped.shape, max(mapped.shape))[0].core)
        own = None if ids is None else ids[part]
        matcher.add(find_objects(tile, mapped[part], changed[part], own, connectivity))
    return matcher.match(iou)


def match_polygons(mapped, changed, iou, connectivity):
    """Independent answer: polygons of whole rasters, areas of their intersections."""
    ours, theirs = (
        [
            shapely.geometry.shape(geometry)
            for geometry, _ in shapes(array.astype(np.uint8), array, connectivity)
        ]
        for array in (mapped, changed)
    )
    matched = sum(
        any(a.intersection(b).area >= iou * a.union(b).area for b in theirs) for a in ours
    )
    return ObjectCounts(matched, len(ours) - matched, len(theirs) - matched)


@settings(max_examples=60)
@given(st.data(), st.integers(1, 15), st.sampled_from([4, 8]))
def test_tiles_do_not_matter(data, size, connectivity):
    mapped = data.draw(masks)
    changed = data.draw(arrays.arrays(np.bool_, mapped.shape))
    whole = match(mapped, changed, connectivity=connectivity)
    assert match(mapped, changed, size=size, connectivity=connectivity) == whole


@settings(max_examples=60)
@given(st.data(), st.sampled_from([0.51, 0.7, 1.0]), st.sampled_from([4, 8]))
def test_objects_equal_those_of_polygons(data, iou, connectivity):
    mapped = data.draw(masks)
    flips = data.draw(
        arrays.arrays(np.bool_, mapped.shape, elements=st.sampled_from([False] * 4 + [True]))
    )
    changed = mapped ^ flips
    expected = match_polygons(mapped, changed, iou, connectivity)
    assert match(mapped, changed, iou=iou, connectivity=connectivity, size=5) == expected


def test_a_spiral_is_one_object():
    spiral = np.zeros((9, 9), bool)
    spiral[0, :] = spiral[:, 8] = spiral[8, :] = spiral[2:, 0] = spiral[2, :7] = True
    spiral[2:7, 6] = spiral[6, 2:7] = True
    for size in (1, 2, 4, 9):
        assert match(spiral, spiral, size=size, connectivity=4) == ObjectCounts(tp=1)


def test_diagonal_neighbours_need_eight_connectivity():
    diagonal = np.eye(4, dtype=bool)
    assert match(diagonal, diagonal, size=2, connectivity=8) == ObjectCounts(tp=1)
    assert match(diagonal, diagonal, size=2, connectivity=4) == ObjectCounts(tp=4)
    assert match(diagonal[::-1], diagonal[::-1], size=1, connectivity=8) == ObjectCounts(tp=1)


def test_one_object_never_counts_twice():
    merged, split = np.ones((2, 4), bool), np.ones((2, 4), bool)
    ids = np.array([[1, 1, 2, 2]] * 2, np.int32)
    assert match(merged, split, ids=ids, size=3) == ObjectCounts(tp=1, fp=0, fn=1)
    assert match(merged, split, ids=ids, iou=0.6) == ObjectCounts(tp=0, fp=1, fn=2)


def test_the_reference_keeps_its_own_objects_across_tiles():
    ids = np.array([[3, 3, 0, 0, 8, 8, 8]], np.int32)
    assert match(ids > 0, ids > 0, ids=ids, size=2) == ObjectCounts(tp=2)


def test_low_iou_takes_the_largest_matching():
    ours = np.array([[1, 1, 1, 1, 1, 1, 0, 1, 1, 1]], bool)
    ids = np.array([[1, 1, 1, 0, 2, 2, 2, 2, 2, 2]], np.int32)
    assert match(ours, ids > 0, ids=ids, iou=0.2) == ObjectCounts(tp=2)


def test_scores():
    counts = ObjectCounts(tp=3, fp=1, fn=3) + ObjectCounts(fn=1)
    assert (counts.precision, counts.recall, counts.f1) == pytest.approx((3 / 4, 3 / 7, 6 / 11))
    assert np.isnan(ObjectCounts().f1)
