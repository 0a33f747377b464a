import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geochange.detectors.neighbourhoods.smoothing import BoxMean, gaussian_mean, require_odd
from geochange.errors import UsageError


def box_mean(image, valid, size, times=1):
    """Means of an image (H, W), pixels beyond it invalid."""
    margin = times * (size // 2)
    known = np.pad(valid, margin)
    padded = np.pad(image, margin)
    means = BoxMean(known.ravel(), size, padded.shape[1]).apply(padded.ravel(), times)
    return np.lib.stride_tricks.sliding_window_view(means, image.shape[1])[:: padded.shape[1]]


@given(
    st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3, 5, 9]), st.integers(0, 2**32 - 1)
)
def test_box_mean_is_the_mean_of_valid_pixels(height, width, size, seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(height, width)).astype(np.float32)
    valid = rng.random((height, width)) < rng.random()
    image[~valid] = rng.choice([np.nan, np.inf, 1e38])
    found = box_mean(image, valid, size)
    half = size // 2
    for row, col in np.ndindex(height, width):
        window = np.s_[max(row - half, 0) : row + half + 1, max(col - half, 0) : col + half + 1]
        inside = image[window][valid[window]]
        expected = inside.mean() if inside.size else 0.0
        assert found[row, col] == pytest.approx(expected, abs=1e-5)


def test_a_second_mean_is_that_of_the_first_at_valid_pixels():
    rng = np.random.default_rng(2)
    image = rng.normal(size=(20, 17)).astype(np.float32)
    valid = rng.random(image.shape) > 0.4
    once = box_mean(image, valid, 5)
    np.testing.assert_allclose(
        box_mean(image, valid, 5, times=2), box_mean(once, valid, 5), rtol=0, atol=1e-6
    )


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


@pytest.mark.parametrize("size", [0, 2, -3])
def test_windows_are_odd(size):
    with pytest.raises(UsageError, match=f"window must be a positive odd .* got {size}"):
        require_odd("window", size)
