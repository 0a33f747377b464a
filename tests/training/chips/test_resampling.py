"""Cubic interpolation: exact where it must be, equal to an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geochange.training.chips.resampling import cubic_taps, interpolate, touches_invalid


def at(image, rows, cols, scale=1.0):
    height, width = image.shape[-2:]
    return interpolate(image, cubic_taps(rows, height, scale), cubic_taps(cols, width, scale))


def test_lines_and_parabolas_are_met_exactly():
    rows, cols = np.indices((20, 24)).astype(np.float32)
    image = np.stack([2 * rows + 3 * cols, rows**2 - cols])
    places = np.arange(4, 14) + 0.37, np.arange(5, 17) + 0.81
    r, c = np.meshgrid(*places, indexing="ij")
    expected = np.stack([2 * r + 3 * c, r**2 - c])
    np.testing.assert_allclose(at(image, *places), expected, rtol=1e-5)


def test_whole_positions_copy():
    image = np.random.default_rng(0).normal(size=(1, 12, 12)).astype(np.float32)
    assert np.array_equal(at(image, np.arange(3.0, 9), np.arange(2.0, 10)), image[:, 3:9, 2:10])


@given(st.floats(1, 4), st.integers(4, 40))
def test_weights_sum_to_one_and_shrinking_keeps_the_mean(scale, count):
    steps = (np.arange(count) + 0.5) * scale - 0.5
    taps = cubic_taps(steps, int(np.ceil(count * scale)) + 1, scale)
    np.testing.assert_allclose(taps.weight.sum(axis=0), 1, atol=1e-6)
    assert taps.index.min() >= 0
    assert taps.index.max() <= int(np.ceil(count * scale))


def test_shrinking_does_not_alias():
    stripes = np.tile(np.array([0, 1], np.float32), (1, 40, 20))
    steps = (np.arange(10) + 0.5) * 3.0 + 4.5
    assert at(stripes, steps, steps, 1.0).std() > 0.3
    assert at(stripes, steps, steps, 3.0).std() < 0.03


def test_enlarging_equals_torch_inside():
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(1).normal(size=(2, 16, 16)).astype(np.float32)
    wanted = torch.nn.functional.grid_sample(
        torch.from_numpy(image)[None],
        torch.stack(
            torch.meshgrid(*[(torch.arange(24) + 0.5) / 12 - 1] * 2, indexing="xy"), dim=-1
        )[None],
        mode="bicubic",
        align_corners=False,
    )[0].numpy()
    steps = (np.arange(24) + 0.5) * 16 / 24 - 0.5
    found = at(image, steps, steps)
    # torch's kernel has a = -0.75, ours a = -0.5: alike in what they follow, not in how sharply
    assert np.corrcoef(found[:, 3:-3, 3:-3].ravel(), wanted[:, 3:-3, 3:-3].ravel())[0, 1] > 0.995


def test_invalid_pixels_reach_as_far_as_the_kernel():
    invalid = np.zeros((20, 20), bool)
    invalid[10, 10] = True
    steps = np.arange(2, 18) + 0.5
    taps = cubic_taps(steps, 20)
    touched = np.argwhere(touches_invalid(invalid, taps, taps)) + 2
    assert touched.min(axis=0).tolist() == [8, 8]
    assert touched.max(axis=0).tolist() == [11, 11]
