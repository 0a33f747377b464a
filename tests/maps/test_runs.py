from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi

from geochange.maps.runs import find_runs, label_runs


@pytest.mark.parametrize(("connectivity", "structure"), [(4, None), (8, np.ones((3, 3)))])
@pytest.mark.parametrize("density", [0.0, 0.1, 0.4, 0.6, 1.0])
def test_labels_partition_pixels_as_scipy_does(connectivity, structure, density):
    pixels = np.random.default_rng(3).random((41, 37)) < density
    runs = find_runs(pixels)
    count, label = label_runs(runs, connectivity)
    expected, expected_count = ndi.label(pixels, structure)
    painted = np.repeat(label + 1, runs.lengths)
    pairs = set(zip(painted.tolist(), expected[pixels].tolist(), strict=True))
    assert count == expected_count == len(pairs)


def test_runs_cover_the_pixels_exactly():
    pixels = np.random.default_rng(0).random((9, 11)) < 0.5
    runs = find_runs(pixels)
    rebuilt = np.zeros_like(pixels)
    for start, length in zip(runs.starts, runs.lengths, strict=True):
        row, col = divmod(int(start), runs.stride)
        rebuilt[row, col : col + length] = True
    np.testing.assert_array_equal(rebuilt, pixels)
