"""Augmentation: labels stay with the ground, dates move by what was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from geochange.training.chips.augmentation import (
    Geometry,
    apply_geometry,
    draw_geometry,
    drop_bands,
    exchange_dates,
    perturb_radiometry,
)
from geochange.training.scenes.scene import Sample
from geochange.training.settings.chips import AugmentConfig


def coordinates(geometry, offset=0.0):
    """A sample whose pixels are their row and column, the label 1 in the lower left quarter."""
    edge = geometry.extent_px + 2 * geometry.margin_px
    rows, cols = np.indices((edge, edge)).astype(np.float32)
    date = np.stack([rows, cols])
    label = ((rows > edge / 2) & (cols < edge / 2)).astype(np.uint8)
    return Sample(date, date + np.float32(offset), label, np.ones((edge, edge), bool))


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turns", range(4))
def test_turns_and_mirrors_move_all_parts_alike(turns, mirror):
    geometry = Geometry(16, turns=turns, mirror=mirror)
    moved = apply_geometry(coordinates(geometry, offset=1), geometry)
    rows, cols = moved.before
    assert np.array_equal(moved.label, ((rows > 8) & (cols < 8)).astype(np.uint8))
    assert np.array_equal(moved.after, moved.before + 1)
    assert sorted(rows.ravel()) == sorted(np.repeat(np.arange(16), 16))


def test_the_after_date_is_shifted_by_what_was_drawn():
    geometry = Geometry(24, shift=(0.3, -0.6))
    moved = apply_geometry(coordinates(geometry), geometry)
    difference = (moved.after - moved.before)[:, 2:-2, 2:-2]
    np.testing.assert_allclose(difference[0], 0.3, atol=1e-4)
    np.testing.assert_allclose(difference[1], -0.6, atol=1e-4)
    assert np.array_equal(moved.before[0, :, 0], np.arange(24) + geometry.margin_px)


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
def test_scaled_chips_cover_scaled_ground(scale):
    geometry = Geometry(20, scale=scale, shift=(0.5, 0.0))
    moved = apply_geometry(coordinates(geometry), geometry)
    assert moved.label.shape == (20, 20)
    np.testing.assert_allclose(np.diff(moved.before[0, 2:-2, 5]), scale, rtol=0.03)
    rows, cols = moved.before
    middle = (geometry.extent_px + 2 * geometry.margin_px) / 2
    far = (np.abs(rows - middle) > 2) & (np.abs(cols - middle) > 2)
    assert np.array_equal((rows > middle)[far] & (cols < middle)[far], moved.label[far] == 1)


def test_invalid_pixels_do_not_bleed():
    geometry = Geometry(24, shift=(0.5, 0.5))
    sample = coordinates(geometry)
    sample.valid[15, 15] = False
    for date in (sample.before, sample.after):
        date[:, 15, 15] = 0
    clean = apply_geometry(coordinates(geometry), geometry)
    moved = apply_geometry(sample, geometry)
    assert 1 < (~moved.valid).sum() <= 26
    assert np.array_equal(moved.after[:, moved.valid], clean.after[:, moved.valid])
    assert (moved.label[~moved.valid] == 255).all()
    assert (moved.before[:, ~moved.valid] == 0).all()


def test_what_is_drawn_stays_in_its_limits():
    config = AugmentConfig(scale=1.5, shift_px=0.8)
    drawn = [draw_geometry(np.random.default_rng(n), config, 32) for n in range(200)]
    scales = np.array([g.scale for g in drawn])
    shifts = np.array([g.shift for g in drawn])
    assert 1 / 1.5 <= scales.min() < 0.75
    assert 1.4 < scales.max() <= 1.5
    assert 0.7 < np.abs(shifts).max() <= 0.8
    assert {(g.turns, g.mirror) for g in drawn} == {(t, m) for t in range(4) for m in (0, 1)}
    still = AugmentConfig(flip=False, shift_px=0)
    assert draw_geometry(np.random.default_rng(0), still, 32) == Geometry(32)
    assert Geometry(32).exact


def test_dates_change_places_and_radiometry_is_each_date_s_own():
    sample = coordinates(Geometry(8), offset=5)
    assert exchange_dates(sample).before is sample.after
    rng, image = np.random.default_rng(0), np.random.default_rng(1).normal(size=(3, 64, 64))
    image = image.astype(np.float32)
    config = AugmentConfig(gain=0.2, offset=0.3)
    one, other = (perturb_radiometry(rng, image, config) for _ in range(2))
    for changed in (one, other):
        for band in range(3):
            gain, offset = np.polyfit(image[band].ravel(), changed[band].ravel(), 1)
            np.testing.assert_allclose(gain * image[band] + offset, changed[band], atol=1e-4)
            assert 0.4 < gain < 2.5
    assert np.abs(one - other).max() > 0.05
    none = AugmentConfig(gain=0, offset=0)
    assert np.array_equal(perturb_radiometry(rng, image, none), image)
    noisy = perturb_radiometry(rng, image, AugmentConfig(gain=0, offset=0, noise=1.0))
    assert 0 < (noisy - image).std() <= 1.05


def test_dropped_bands_are_the_same_at_both_dates_and_one_stays():
    rng = np.random.default_rng(0)
    ones = np.ones((6, 8, 8), np.float32)
    label, valid = np.zeros((8, 8), np.uint8), np.ones((8, 8), bool)
    counts = []
    for _ in range(200):
        found = drop_bands(rng, Sample(ones, 2 * ones, label, valid), 0.5)
        kept = found.before[:, 0, 0]
        assert np.array_equal(found.after, 2 * found.before)
        assert set(np.unique(kept)) <= {0, 1}
        counts.append(int(kept.sum()))
    assert min(counts) >= 1
    assert 2.5 < np.mean(counts) < 4.5
    lonely = drop_bands(rng, Sample(ones[:1], ones, label, valid), 0.99)
    assert lonely.before.all()
