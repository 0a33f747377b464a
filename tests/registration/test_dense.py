from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from geochange.io.grids.displacement import Displacement
from geochange.nn.inference.describer import load_describer
from geochange.registration.dense import MOST_PLACES, match_densely, match_mutually


@pytest.fixture(scope="module")
def describe():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_describer()
    torch.set_num_threads(threads)


def ground(size=300, seed=0):
    """Roofs and fields, sharp enough for a network of buildings."""
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.normal(size=(size // 10, size // 10)), np.ones((10, 10)))
    return ndimage.gaussian_filter(blocks + 0.3 * rng.normal(size=(size, size)), 1.0)


def see(image, moved):
    """Return the image as it looks at the other date, and where that has data."""
    rows, cols = np.indices(image.shape) + 0.5
    x, y = ~moved.affine @ (cols.ravel(), rows.ravel())
    seen = ndimage.map_coordinates(image, [y - 0.5, x - 0.5], order=1, cval=np.nan)
    seen = seen.reshape(image.shape).astype(np.float32)
    return np.nan_to_num(seen), np.isfinite(seen)


@pytest.mark.parametrize("degrees", [-26, 3])
@pytest.mark.parametrize("factor", [1, 3])
def test_rotation_and_scale_are_found(describe, degrees, factor):
    cos, sin = 1.05 * np.cos(np.radians(degrees)), 1.05 * np.sin(np.radians(degrees))
    around = (150 - 150 * (cos - sin), 150 - 150 * (sin + cos))
    moved = Displacement((cos, -sin, around[0] + 5, sin, cos, around[1] - 9))
    before = ground()
    after, valid = see(before, moved)
    full = np.ones(before.shape, bool)
    found = match_densely(
        before.astype(np.float32), after, (full, valid), factor, describe=describe
    )
    points = np.array([[80.0, 80], [200, 120], [150, 220]])
    np.testing.assert_allclose(
        found.locate(factor * points), factor * moved.locate(points), atol=2.5 * factor
    )


def test_images_without_data_or_anything_in_common_do_not_match(describe):
    full = np.ones((120, 120), bool)
    one, two = (ground(120, seed).astype(np.float32) for seed in (0, 5))
    assert match_densely(one, two, (full, full), describe=describe) is None
    assert match_densely(one, one, (full, ~full), describe=describe) is None


def test_neighbours_must_be_each_others_nearest_whatever_the_parts(monkeypatch):
    rng = np.random.default_rng(0)
    one, two = (rng.normal(size=(n, 8)).astype(np.float32) for n in (50, 40))
    one, two = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (one, two))
    first, second = match_mutually(one, two)
    likeness = one @ two.T
    assert len(first) > 5
    assert (likeness[first].argmax(axis=1) == second).all()
    assert (likeness[:, second].argmax(axis=0) == first).all()
    monkeypatch.setattr("geochange.registration.dense.ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(match_mutually(one, two), (first, second))
    assert not match_mutually(one, two[:1])[0].size


def test_large_images_are_matched_by_part_of_their_places(monkeypatch):
    image = np.random.default_rng(1).random((512, 512), dtype=np.float32)
    full = np.ones(image.shape, bool)
    held = []

    def match(one, two):
        held.append((len(one), len(two)))
        return match_mutually(one, two)

    def describe(image):
        blocks = image.reshape(128, 4, 128, 4).transpose(0, 2, 1, 3).reshape(128, 128, 16)
        centred = blocks - blocks.mean(axis=2, keepdims=True)
        return centred / np.maximum(np.linalg.norm(centred, axis=2, keepdims=True), 1e-6)

    monkeypatch.setattr("geochange.registration.dense.match_mutually", match)
    monkeypatch.setattr("geochange.registration.dense.ANGLES", (0.0,))
    found = match_densely(image, np.roll(image, 8, axis=1), (full, full), describe=describe)
    assert held == [(MOST_PLACES, 128 * 128)]
    np.testing.assert_allclose(found.locate(np.array([[200.0, 100]])), [[208, 100]], atol=0.01)
