from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from geochange.registration.search import (
    agree_on_shift,
    average_blocks,
    measure_coarsely,
    plan_search,
    search_margin,
)
from geochange.registration.ties import Tie


def test_far_shifts_are_found_coarsely():
    tiles, factor = plan_search((400, 400))
    assert (len(tiles), factor) == (1, 4)
    pad = search_margin(factor)
    size = 400 + 2 * pad
    noise = np.random.default_rng(0).normal(size=(1, size, size))
    ground = ndimage.gaussian_filter(noise, (0, 3, 3)).astype(np.float32)
    inside = np.zeros((size, size), bool)
    inside[pad:-pad, pad:-pad] = True
    moved = np.roll(ground, (-63, 88), (1, 2))
    tie = measure_coarsely(tiles[0].core, factor, (ground, inside), (moved, inside), "intensity")
    assert (tie.dx, tie.dy) == pytest.approx((88, -63), abs=2)
    assert agree_on_shift([tie], factor) is not None


def test_windows_that_differ_agree_on_no_shift():
    rng = np.random.default_rng(0)
    ties = [Tie(0, 0, "used", *rng.uniform(-90, 90, 2)) for _ in range(9)]
    assert agree_on_shift(ties, 4) is None
    assert agree_on_shift([Tie(0, 0, "no match")] * 9, 4) is None


def test_averages_leave_out_what_has_no_data():
    pixels = np.arange(36, dtype=np.float32).reshape(1, 6, 6)
    valid = np.ones((6, 6), bool)
    valid[0, 0] = valid[0:2, 2] = valid[0, 3] = False
    mean, known = average_blocks(pixels, valid, 2)
    assert mean.shape == (1, 3, 3)
    assert mean[0, 0, 0] == pytest.approx((1 + 6 + 7) / 3)
    assert known.tolist()[0] == [True, False, True]
