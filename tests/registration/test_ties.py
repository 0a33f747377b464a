from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from geochange.registration.structure import HALO_PX
from geochange.registration.ties import measure_tie
from geochange.tiles import Window

CORE, MARGIN = Window(100, 200, 64, 64), 8
SIZE = 64 + 2 * (MARGIN + HALO_PX)


def _ground(seed=0, bands=3):
    noise = np.random.default_rng(seed).normal(size=(bands, SIZE, SIZE))
    return (500 + 400 * ndimage.gaussian_filter(noise, (0, 1.5, 1.5))).astype(np.float32)


def _measure(before, after, valid=None, matching="intensity"):
    full = np.ones((SIZE, SIZE), bool)
    return measure_tie(
        CORE, MARGIN, (before, full), (after, full if valid is None else valid), matching
    )


def _move(image, dx, dy):
    return ndimage.shift(image, (0, dy, dx), order=5, mode="nearest").astype(np.float32)


def test_a_window_tells_where_its_content_went():
    before = _ground()
    tie = _measure(before, 1.3 * _move(before, 2.3, -1.4) - 40)
    assert tie.is_used
    assert (tie.x, tie.y) == (232, 132)
    assert (tie.dx, tie.dy) == pytest.approx((2.3, -1.4), abs=0.02)
    assert tie.quality > 1.5


def test_inverted_contrast_needs_the_gradient():
    before = _ground(bands=1)
    after = 1000 - _move(before, -1.5, 3.0)
    assert not _measure(before, after).is_used
    tie = _measure(before, after, matching="gradient")
    assert tie.is_used
    assert (tie.dx, tie.dy) == pytest.approx((-1.5, 3.0), abs=0.05)


def test_windows_that_cannot_be_used_say_why():
    before = _ground()
    nothing = np.zeros((SIZE, SIZE), bool)
    assert _measure(before, before, nothing).status == "no data"
    flat = np.full_like(before, 300)
    assert _measure(flat, flat).status == "flat"
    assert _measure(before, _ground(seed=5)).status in ("no match", "ambiguous")
    checks = np.tile(np.sin(np.arange(SIZE) * 1.2), (3, SIZE, 1)).astype(np.float32)
    checks += checks.transpose(0, 2, 1)
    assert _measure(checks, checks).status == "ambiguous"
