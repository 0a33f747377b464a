"""The generator of labelled series, and the committed sample."""

import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

FOLDER = Path(__file__).resolve().parents[2] / "data_samples"


@pytest.fixture(scope="module")
def make():
    sys.path.insert(0, str(FOLDER))
    try:
        import series

        return series.make_series
    finally:
        sys.path.remove(str(FOLDER))


def test_a_seed_makes_the_same_series(make):
    first, second, other = make(3, 8, 48), make(3, 8, 48), make(4, 8, 48)
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.truth, second.truth)
    assert first.dates == second.dates
    assert (first.images != other.images).any()


def test_shapes_and_labels_fit_together(make):
    sample = make(0, 12, (50, 70))
    assert sample.images.shape == (12, 4, 50, 70)
    assert sample.images.dtype == np.float32
    assert sample.valid.shape == (12, 50, 70)
    assert sample.truth.shape == (50, 70)
    assert list(sample.dates) == sorted(set(sample.dates))
    changed = sample.truth >= 0
    assert 0.005 < changed.mean() < 0.2
    assert set(np.unique(sample.truth[changed])) <= set(range(1, 12))
    np.testing.assert_array_equal(changed, sample.kinds > 0)
    assert 0.4 < sample.valid.mean() < 1


def test_what_is_labelled_changes_and_the_rest_does_not(make):
    calm = {"clouds": 0.0, "gaps": 0.0, "noise": 5.0, "shift_px": 0.0}
    sample = make(1, 12, 64, **calm)
    appeared = sample.kinds == 1
    rows, cols = np.nonzero(appeared)
    first = sample.truth[rows, cols]
    before = sample.images[first - 1, :, rows, cols]
    after = sample.images[first, :, rows, cols]
    there = np.abs(after - before).max(axis=1)
    still = np.abs(np.diff(sample.images[:, :, sample.kinds == 0], axis=0)).max(axis=1)
    assert np.median(there) > 3 * np.median(still)
    assert sample.valid.all()


def test_the_committed_sample_is_what_the_generator_makes(make):
    paths = sorted((FOLDER / "series").glob("20*.tif"))
    sample = make(7, len(paths), 80)
    assert [path.stem for path in paths] == [day.isoformat() for day in sample.dates]
    with rasterio.open(paths[4]) as dataset:
        stored = dataset.read()
        np.testing.assert_array_equal(dataset.read_masks(1) > 0, sample.valid[4])
    known = sample.valid[4]
    np.testing.assert_array_equal(stored[:, known], sample.images[4][:, known])
    with rasterio.open(FOLDER / "series" / "truth.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), sample.truth + 1)
    assert sum(path.stat().st_size for path in (FOLDER / "series").iterdir()) < 1e6
