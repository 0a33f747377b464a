from __future__ import annotations

import numpy as np
import pytest

from geochange.radiometry.clouds import CloudModel

MODEL = CloudModel(0, 1, 2, nir=3, cirrus=4, radius_px=4, reach_px=20)
SHAPE = (90, 100)
CLOUD, ROOF, NEXT = np.s_[:, 20:40, 20:45], np.s_[:, 70:76, 20:26], np.s_[:, 45:60, 40:60]


@pytest.fixture
def ground():
    """Clear ground with noise, reflectance of blue, green, red, nir and cirrus."""
    noise = np.random.default_rng(0).normal(0, 0.005, (5, *SHAPE))
    return (np.array([0.08, 0.09, 0.08, 0.3, 0.001])[:, None, None] + noise).astype(np.float32)


def _find(before, after, valid=None, model=MODEL):
    return model.find(before, after, np.ones(SHAPE, bool) if valid is None else valid)


def test_clear_ground_has_no_clouds(ground):
    other = 1.1 * ground + 0.002
    assert _find(ground, other.astype(np.float32)).max() < 0.2


def test_a_cloud_is_found_at_its_date_with_its_edge_and_a_roof_is_not(ground):
    after = ground.copy()
    after[CLOUD][:3], after[ROOF][:3] = 0.5, 0.5
    before_risk, after_risk = _find(ground, after)
    assert after_risk[25:35, 25:40].min() == 1
    assert after_risk[19, 30] == 1
    assert before_risk.max() < 0.2
    assert after_risk[ROOF[1:]].max() < 0.2
    assert after_risk[:, 70:].max() < 0.2


def test_yellow_sand_and_ground_that_is_white_at_both_dates_are_no_clouds(ground):
    after, before = ground.copy(), ground.copy()
    after[CLOUD][:3] = np.array([0.2, 0.3, 0.4])[:, None, None]
    assert _find(ground, after, model=CloudModel(0, 1, 2, radius_px=4, lift=0.0))[1, 30, 30] < 0.9
    for date in (before, after):
        date[CLOUD][:3] = 0.5
    assert _find(before, after).max() < 0.2


def test_cirrus_and_haze_are_found(ground):
    thin, hazy = ground.copy(), ground.copy()
    thin[CLOUD][4] = 0.04
    assert _find(ground, thin)[1, 30, 30] == 1
    hazy[:3, :, 40:] += 0.08
    risk = _find(hazy, ground)
    assert risk[0, 10:80, 60:].min() == 1
    assert risk[0, :, :20].max() < 0.2
    assert risk[1].max() < 0.2


def test_a_shadow_is_found_near_a_cloud_only(ground):
    after, alone = ground.copy(), ground.copy()
    after[CLOUD][:3] = 0.5
    for date in (after, alone):
        date[NEXT] *= 0.3
    assert _find(ground, after)[1, 52, 50] == 1
    assert _find(ground, alone)[1].max() < 0.2


def test_invalid_pixels_have_no_say_and_tiles_equal_the_whole(ground):
    after = ground.copy()
    after[CLOUD][:3] = 0.5
    valid = np.random.default_rng(1).random(SHAPE) > 0.03
    valid[:, 60:70] = False
    whole = _find(ground, after, valid)
    assert (whole[:, ~valid] == 0).all()
    other = np.where(valid, after, np.float32(7))
    np.testing.assert_array_equal(_find(ground, other, valid), whole)
    model = CloudModel(0, 1, 2, nir=3, radius_px=2, reach_px=5)
    whole, halo = _find(ground, after, valid, model), model.halo
    part = np.s_[10 : 60 + 2 * halo, 5 : 50 + 2 * halo]
    inner = model.find(ground[:, *part], after[:, *part], valid[part])
    inner = inner[:, halo:-halo, halo:-halo]
    rows, cols = inner.shape[1:]
    expected = whole[:, 10 + halo : 10 + halo + rows, 5 + halo : 5 + halo + cols]
    np.testing.assert_array_equal(inner, expected)


def test_models_survive_json():
    assert CloudModel.restore(MODEL.describe()) == MODEL
