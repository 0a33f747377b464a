"""Synthetic change: labels say what was done to the pixels."""

from __future__ import annotations

import numpy as np
import pytest

from geochange.training.chips.synthesis import (
    exchange_patches,
    match_moments,
    paste_objects,
    repeat_date,
)
from geochange.training.scenes.scene import Sample

EDGE = 48


def ground(seed, *, objects=()):
    """Two surfaces side by side with noise; objects of another value appear."""
    rng = np.random.default_rng(seed)
    before = np.where(np.arange(EDGE) < EDGE // 2, -1.0, 1.0) + np.zeros((2, EDGE, EDGE))
    after = before.copy()
    label = np.zeros((EDGE, EDGE), np.uint8)
    for row, col in objects:
        after[:, row : row + 6, col : col + 6] += 6
        label[row : row + 6, col : col + 6] = 1
    noise = rng.normal(0, 0.05, (2, *before.shape))
    before, after = (before + noise[0]).astype(np.float32), (after + noise[1]).astype(np.float32)
    return Sample(before, after, label, np.ones((EDGE, EDGE), bool))


def test_moments_are_matched_on_valid_pixels():
    rng = np.random.default_rng(0)
    image = rng.normal(3, 2, (2, EDGE, EDGE)).astype(np.float32)
    like = rng.normal(-1, 1, (2, EDGE, EDGE)).astype(np.float32)
    valid = np.ones((EDGE, EDGE), bool)
    valid[:5] = False
    image[:, :5] = 1e6
    matched = match_moments(image, valid, like, np.ones_like(valid))[:, valid]
    np.testing.assert_allclose(matched.mean(axis=1), like.mean(axis=(1, 2)), atol=1e-4)
    np.testing.assert_allclose(matched.std(axis=1), like.std(axis=(1, 2)), rtol=1e-4)
    assert match_moments(image, ~np.ones_like(valid), like, valid) is image


@pytest.mark.parametrize("seed", range(8))
def test_pasted_objects_change_only_where_the_label_says(seed):
    target, donor = ground(1), ground(2, objects=[(10, 10), (30, 32)])
    pasted = paste_objects(np.random.default_rng(seed), target, donor)
    new = pasted.label == 1
    if not new.any():
        assert pasted is target
        return
    assert new.sum() in range(6, 73)
    ring = np.zeros_like(new)
    for row in (-1, 0, 1):
        for col in (-1, 0, 1):
            ring |= np.roll(new, (row, col), (0, 1))
    assert np.array_equal(pasted.after[:, ~ring], target.after[:, ~ring])
    step = np.abs(pasted.after - pasted.before).mean(axis=0)
    assert step[new].mean() > 4 * step[~ring].mean()


def test_what_changed_already_stays_and_nothing_known_is_lost():
    target, donor = ground(1, objects=[(10, 10)]), ground(2, objects=[(8, 8), (12, 12)])
    target.valid[20:30, 20:30] = False
    target.label[~target.valid] = 255
    for seed in range(10):
        pasted = paste_objects(np.random.default_rng(seed), target, donor)
        assert (pasted.label[target.label == 1] == 1).all()
        assert np.array_equal(pasted.label == 255, target.label == 255)
        assert np.array_equal(pasted.valid, target.valid)


def test_a_date_against_itself_has_not_changed():
    sample = ground(0, objects=[(5, 5)])
    sample.valid[:4] = False
    found = [repeat_date(np.random.default_rng(seed), sample) for seed in range(12)]
    assert all(np.array_equal(twin.before, twin.after) for twin in found)
    assert all((twin.label == np.where(sample.valid, 0, 255)).all() for twin in found)
    assert len({float(twin.before[0, 7, 7]) for twin in found}) == 2


@pytest.mark.parametrize("seed", range(6))
def test_exchanged_patches_count_only_where_the_surface_is_another(seed):
    sample, donor = ground(1), ground(2)
    made = exchange_patches(np.random.default_rng(seed), sample, donor)
    assert 0.01 < (made.label == 1).mean() < 0.6
    assert (made.label == 255).mean() < 0.1
    step = np.abs(made.after - made.before).mean(axis=0)
    assert (made.label[(made.after == made.before).all(axis=0)] == 0).all()
    assert (step[made.label == 1] > 1).mean() > 0.9
    assert (made.label[step > 1] == 1).mean() > 0.6
    assert (made.label[step < 0.4] == 0).mean() > 0.95


def test_patches_of_the_smallest_chips_are_single_pixels():
    chips = [ground(seed) for seed in (1, 2)]
    sample, donor = (
        Sample(c.before[:, :8, :8], c.after[:, :8, :8], c.label[:8, :8], c.valid[:8, :8])
        for c in chips
    )
    for seed in range(5):
        made = exchange_patches(np.random.default_rng(seed), sample, donor)
        assert (made.before != made.after).any()


def test_patches_of_invalid_pixels_are_unknown():
    sample, donor = ground(1), ground(2)
    donor.valid[:] = False
    sample.valid[:10] = False
    for seed in range(5):
        made = exchange_patches(np.random.default_rng(seed), sample, donor)
        assert (made.label[:10] == 255).all()
        assert (made.label[~made.valid] == 255).all()
        assert (made.after[:, ~made.valid] == 0).all()
