"""Networks that look at all of their input: a pixel's score knows no tile."""

from __future__ import annotations

import numpy as np
import pytest

from geochange.nn.networks.windows import STEP_PX, WINDOW_PX, blend_windows


def share_of_all(before, after, valid):
    """Score as a network with one token does: every pixel hears of the whole input."""
    mean = (before[:, 0] * valid).sum(axis=(1, 2), keepdims=True) / valid.sum(
        axis=(1, 2), keepdims=True
    )
    return (np.abs(before[:, 0] - mean) * valid).astype(np.float32)


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    edge = 6 * STEP_PX
    date = rng.random((1, 1, edge, edge), np.float32)
    valid = np.ones((1, edge, edge), bool)
    valid[:, 200:300, 100:500] = False
    return date, valid


@pytest.mark.parametrize("core", [STEP_PX, 2 * STEP_PX])
def test_a_tile_scores_as_the_whole(scene, core):
    date, valid = scene
    whole = blend_windows(share_of_all, date, date, valid)
    start, halo = 2 * STEP_PX, STEP_PX
    read = slice(start - halo, start + core + halo)
    part = date[..., read, read]
    found = blend_windows(share_of_all, part, part, valid[:, read, read])
    inner = slice(halo, halo + core)
    expected = whole[0, start : start + core, start : start + core]
    np.testing.assert_allclose(found[0, inner, inner], expected, atol=1e-6)


def test_no_step_shows_where_windows_begin(scene):
    date, valid = scene

    numbers = iter(range(1000))

    def number(before, after, valid):
        return np.full(valid.shape, np.float32(next(numbers)))

    score = blend_windows(number, date, date, valid)[0]
    beside = np.abs(np.diff(score, axis=1))[:, STEP_PX - 1 :: STEP_PX]
    assert float(beside.max()) < 0.5
    assert float(np.ptp(score)) > 10


def test_at_the_border_the_window_full_of_pixels_decides():
    date = np.ones((1, 1, 2 * WINDOW_PX, WINDOW_PX), np.float32)
    valid = np.zeros((1, *date.shape[-2:]), bool)
    valid[:, WINDOW_PX - STEP_PX // 2 :] = True

    def full(before, after, valid):
        return np.broadcast_to(valid.mean(axis=(1, 2), keepdims=True), valid.shape)

    score = blend_windows(full, date, date, valid.astype(bool))[0]
    assert float(score[WINDOW_PX - STEP_PX // 2, 100]) > 0.6


@pytest.mark.parametrize("shape", [(40, 50), (128, 300), (257, 129)])
def test_any_size_is_covered(shape):
    date = np.ones((2, 1, *shape), np.float32)
    valid = np.ones((2, *shape), bool)
    score = blend_windows(lambda b, a, v: b[:, 0], date, date, valid)
    np.testing.assert_allclose(score, 1, atol=1e-6)


def test_nothing_valid_scores_nothing():
    date, valid = np.ones((1, 1, 300, 300), np.float32), np.zeros((1, 300, 300), bool)

    def never(before, after, valid):
        raise AssertionError

    assert not blend_windows(never, date, date, valid).any()
