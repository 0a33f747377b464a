from __future__ import annotations

import numpy as np
from scipy import ndimage

from geochange.io.displacement import Displacement
from geochange.registration.features import match_features


def _ground(size=300, seed=0):
    noise = np.random.default_rng(seed).normal(size=(size, size))
    return ndimage.gaussian_filter(noise, 2.5).astype(np.float32)


def test_rotation_and_scale_are_found():
    before = _ground()
    turned = Displacement((1.05, -0.12, 9.0, 0.12, 1.05, -14.0))
    rows, cols = np.indices(before.shape) + 0.5
    inverse = ~turned.affine
    x, y = inverse @ (cols.ravel(), rows.ravel())
    after = ndimage.map_coordinates(before, [y - 0.5, x - 0.5], order=3).reshape(before.shape)
    full = np.ones(before.shape, bool)
    found = match_features(before, after.astype(np.float32), (full, full), factor=2)
    points = np.array([[80.0, 80], [200, 120], [150, 220]])
    np.testing.assert_allclose(found.locate(2 * points), 2 * turned.locate(points), atol=1.5)


def test_unrelated_or_empty_images_have_no_common_features():
    full = np.ones((200, 200), bool)
    assert match_features(_ground(200), _ground(200, 5), (full, full)) is None
    flat = np.zeros((200, 200), np.float32)
    assert match_features(flat, flat, (full, full)) is None
    assert match_features(flat, flat, (~full, full)) is None
