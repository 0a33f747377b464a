from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from geochange.registration.correlation import correlate, find_peak


def _ground(size=120, seed=0):
    noise = np.random.default_rng(seed).normal(size=(size, size))
    return ndimage.gaussian_filter(noise, 1.5).astype(np.float32)


def test_correlation_is_the_plain_formula_at_every_offset_and_mask():
    rng = np.random.default_rng(1)
    image, wider = (rng.normal(50, 9, (n, n)).astype(np.float32) for n in (12, 18))
    valid, known = rng.random((12, 12)) > 0.2, rng.random((18, 18)) > 0.2
    found = correlate(image, valid, wider, known)
    assert found.shape == (7, 7)
    for row in range(7):
        for col in range(7):
            part = np.s_[row : row + 12, col : col + 12]
            both = valid & known[part]
            wanted = np.corrcoef(image[both], wider[part][both])[0, 1]
            assert found[row, col] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (5, -7), (-9.4, 3.3)])
def test_content_that_moved_right_and_down_has_positive_dx_and_dy(dx, dy):
    before = _ground()
    after = ndimage.shift(before, (dy, dx), order=5, mode="nearest").astype(np.float32)
    full = np.ones(before.shape, bool)
    inner = np.s_[20:-20, 20:-20]
    peak = find_peak(before[inner], full[inner], after, full)
    assert (peak.dx, peak.dy) == pytest.approx((dx, dy), abs=0.15)
    assert peak.height > 0.9
    assert peak.ratio > 1.5


def test_pixels_without_data_do_not_count_whatever_they_hold():
    before = _ground()
    after = np.roll(before, (3, -4), (0, 1))
    full, holes = np.ones(before.shape, bool), np.ones(before.shape, bool)
    holes[:, 50:80] = False
    after[~holes] = 1e6
    inner = np.s_[20:-20, 20:-20]
    peak = find_peak(before[inner], full[inner], after, holes)
    assert (round(peak.dx), round(peak.dy)) == (-4, 3)
    assert peak.height > 0.99


def test_unrelated_images_have_no_clear_peak_and_flat_ones_have_none():
    full = np.ones((120, 120), bool)
    inner = np.s_[20:-20, 20:-20]
    peak = find_peak(_ground()[inner], full[inner], _ground(seed=9), full)
    assert peak.height < 0.3
    assert peak.ratio < 1.3
    flat = np.full((120, 120), 5, np.float32)
    assert find_peak(flat[inner], full[inner], flat, full) is None
    assert find_peak(_ground()[inner], ~full[inner], _ground(), full) is None
