from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from geochange.io.grids.displacement import Displacement
from geochange.registration import features
from geochange.registration.features import agree_on_affine, match_features


def _ground(size=300, seed=0):
    noise = np.random.default_rng(seed).normal(size=(size, size))
    return ndimage.gaussian_filter(noise, 2.5).astype(np.float32)


@pytest.mark.parametrize("light", [1, -1])
def test_rotation_and_scale_are_found(light):
    before = _ground()
    turned = Displacement((1.05, -0.12, 9.0, 0.12, 1.05, -14.0))
    rows, cols = np.indices(before.shape) + 0.5
    inverse = ~turned.affine
    x, y = inverse @ (cols.ravel(), rows.ravel())
    after = ndimage.map_coordinates(before, [y - 0.5, x - 0.5], order=3).reshape(before.shape)
    full = np.ones(before.shape, bool)
    found = match_features(before, light * after.astype(np.float32), (full, full), factor=2)
    points = np.array([[80.0, 80], [200, 120], [150, 220]])
    np.testing.assert_allclose(found.locate(2 * points), 2 * turned.locate(points), atol=1.5)


def test_unrelated_or_empty_images_have_no_common_features():
    full = np.ones((200, 200), bool)
    assert match_features(_ground(200), _ground(200, 5), (full, full)) is None
    flat = np.zeros((200, 200), np.float32)
    assert match_features(flat, flat, (full, full)) is None
    assert match_features(flat, flat, (~full, full)) is None


def test_the_border_of_what_has_no_data_is_no_feature():
    full = np.ones((200, 200), bool)
    hole = full.copy()
    hole[60:140, 60:140] = False
    views = [np.where(hole, _ground(200, seed), 9).astype(np.float32) for seed in (0, 5)]
    assert match_features(*views, (hole, hole)) is None
    places, descriptors = features._describe(views[0], hole)
    assert len(places) == len(descriptors) > 20
    rows, cols = places[:, 1] - 0.5, places[:, 0] - 0.5
    outside = np.maximum(np.abs(rows - 99.5), np.abs(cols - 99.5)) - 40
    assert outside.min() > 6


def test_an_affine_is_told_from_many_wrong_matches():
    rng = np.random.default_rng(1)
    here = rng.uniform(0, 300, (100, 2))
    truth = Displacement((0.95, -0.2, 30.0, 0.2, 0.95, -20.0))
    there = truth.locate(here) + rng.normal(0, 0.3, here.shape)
    there[:70] = rng.uniform(0, 300, (70, 2))
    agreed, found = agree_on_affine(here, there, 2.0, factor=1.0)
    assert 28 <= agreed <= 36
    np.testing.assert_allclose(found.locate(here), truth.locate(here), atol=0.6)
    assert agree_on_affine(here[:70], there[:70], 2.0, 1.0) == (0, None)
    assert agree_on_affine(np.zeros((20, 2)), np.zeros((20, 2)), 2.0, 1.0) == (0, None)
