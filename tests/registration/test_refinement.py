from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from geochange.registration.refinement import refine

MARGIN = 8
INNER = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]


def _pair(dx, dy, *, size=144, noise=0.05, seed=0):
    """Two sharp dates whose content moved by (dx, dy), made on a grid four times as fine."""
    rng = np.random.default_rng(seed)
    fine = ndimage.gaussian_filter(rng.normal(size=(4 * size,) * 2), 6, mode="wrap")
    fine /= fine.std()
    rows, cols = np.mgrid[:size, :size] * 4.0
    before, after = (
        ndimage.map_coordinates(fine, [rows - 4 * y, cols - 4 * x], order=3, mode="grid-wrap")
        + rng.normal(0, noise, (size, size))
        for x, y in ((0, 0), (dx, dy))
    )
    return before.astype(np.float32), after.astype(np.float32)


def _refine(before, after, start=(0.0, 0.0), valid=None, known=None):
    full = np.ones(before.shape, bool)
    valid, known = full if valid is None else valid, full if known is None else known
    return refine(before[INNER], valid[INNER], after, known, start)


@pytest.mark.parametrize(("dx", "dy"), [(0.05, 0.4), (-0.5, 0.5), (3.73, -4.9)])
def test_a_shift_is_found_to_a_hundredth_of_a_pixel_under_gain_offset_and_noise(dx, dy):
    before, after = _pair(dx, dy)
    fit = _refine(before, 1.4 * after + 7, (round(dx), round(dy)))
    assert np.hypot(fit.dx - dx, fit.dy - dy) < 0.01
    assert fit.correlation > 0.98
    assert fit.sigma_px < 0.01


def test_a_seventh_of_the_area_may_have_changed():
    before, after = _pair(0.3, -0.2)
    after[30:84, 40:100] = np.roll(before, 60, 0)[30:84, 40:100]
    fit = _refine(before, after)
    assert np.hypot(fit.dx - 0.3, fit.dy + 0.2) < 0.01


def test_pixels_without_data_do_not_count():
    before, after = _pair(0.3, -0.2)
    known = np.ones(before.shape, bool)
    known[:, 60:90] = False
    after[~known] = 0
    fit = _refine(before, after, known=known)
    assert np.hypot(fit.dx - 0.3, fit.dy + 0.2) < 0.01


def test_noise_widens_the_standard_error_as_it_widens_the_error():
    errors, claimed = [], []
    for seed in range(12):
        before, after = (
            ndimage.gaussian_filter(date, 1)  # as windows are: bare noise pulls to half a pixel
            for date in _pair(0.2, 0.1, size=80, noise=0.2, seed=seed)
        )
        fit = _refine(before, after)
        errors.append(np.hypot(fit.dx - 0.2, fit.dy - 0.1))
        claimed.append(fit.sigma_px)
    alike = 3.5  # root of the 4 pi px over which the filter makes noise alike
    assert 0.3 < np.sqrt(np.mean(np.square(errors))) / (alike * np.mean(claimed)) < 3


def test_what_runs_away_or_has_one_direction_only_is_refused():
    before, after = _pair(4.0, 0.0)
    assert _refine(before, after, (0.0, 0.0)) is None or _refine(before, after).correlation < 0.5
    stripes = np.tile(np.sin(np.arange(144) / 2).astype(np.float32), (144, 1))
    fit = _refine(stripes, stripes + 1e-3 * before)
    assert fit is None or fit.sigma_px > 0.1 or abs(fit.dx) < 0.01
    assert _refine(before, after, valid=np.zeros(before.shape, bool)) is None
