import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geochange.detectors.smoothing import box_count, box_mean, gaussian_mean, require_odd
from geochange.errors import UsageError


@given(
    st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3, 5, 9]), st.integers(0, 2**32 - 1)
)
def test_box_mean_is_the_mean_of_valid_pixels(height, width, size, seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(2, height, width)).astype(np.float32)
    valid = rng.random((2, height, width)) < rng.random()
    image[~valid] = rng.choice([np.nan, np.inf, 1e38])
    found = box_mean(image, valid, size)
    half = size // 2
    for n, row, col in np.ndindex(2, height, width):
        window = np.s_[n, max(row - half, 0) : row + half + 1, max(col - half, 0) : col + half + 1]
        inside = image[window][valid[window]]
        expected = inside.mean() if inside.size else 0.0
        assert found[n, row, col] == pytest.approx(expected, abs=1e-5)


def test_box_mean_does_not_depend_on_where_the_array_starts():
    image = np.random.default_rng(0).lognormal(3, 3, (40, 50)).astype(np.float32)
    whole = box_mean(image, np.ones_like(image, bool), 5)
    part = box_mean(image[7:31, 11:44], np.ones((24, 33), bool), 5)
    np.testing.assert_array_equal(part[2:-2, 2:-2], whole[9:29, 13:42])


@pytest.mark.parametrize("lost", [0.0, 0.3])
def test_gaussian_mean_leaves_out_invalid_pixels(lost):
    rng = np.random.default_rng(1)
    image = rng.normal(5, 1, (30, 40)).astype(np.float32)
    valid = rng.random(image.shape) >= lost
    found = gaussian_mean(image, valid, 2.0)
    rows, cols = (np.arange(edge) for edge in image.shape)
    for row, col in ((0, 0), (15, 20), (29, 38)):
        weights = np.exp(-(np.add.outer((rows - row) ** 2, (cols - col) ** 2)) / (2 * 2.0**2))
        weights[(abs(rows - row) > 6)[:, None] | (abs(cols - col) > 6)] = 0
        assert found[row, col] == pytest.approx(
            np.average(image, weights=weights * valid), abs=1e-4
        )


def test_a_count_that_is_given_changes_nothing():
    image = np.random.default_rng(1).normal(size=(20, 20)).astype(np.float32)
    valid = image > -1
    given = box_mean(image, valid, 5, box_count(valid, 5))
    np.testing.assert_array_equal(given, box_mean(image, valid, 5))


@pytest.mark.parametrize("size", [0, 2, -3])
def test_windows_are_odd(size):
    with pytest.raises(UsageError, match=f"window must be a positive odd .* got {size}"):
        require_odd("window", size)
