import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from geochange.refinement.guided import guide_score


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    thing = np.zeros((70, 60), np.float32)
    thing[20:45, 15:40] = 1
    guide = np.stack([3 * thing, -2 * thing]) + rng.normal(0, 0.1, (2, 70, 60))
    return thing, guide.astype(np.float32)


def test_a_displaced_score_finds_its_edges_again(scene):
    thing, guide = scene
    rough = np.roll(thing, (2, -1), (0, 1))
    fine = guide_score(rough, guide, thing >= 0, radius_px=5, softness=0.1)
    wrong = [((score >= 0.5) ^ (thing == 1)).sum() for score in (rough, fine)]
    assert wrong[1] < 0.2 * wrong[0]


def test_a_window_with_its_halo_is_that_of_the_whole(scene):
    thing, guide = scene
    score = uniform_filter(thing, 5)
    valid = np.ones_like(thing, bool)
    valid[30:33, 10:50], score[50, 20] = False, np.nan
    whole = guide_score(score, guide, valid, radius_px=3, softness=0.1)
    part = np.s_[14:40, 9:44]
    inner = np.s_[20:34, 15:38]
    cut = guide_score(score[part], guide[:, *part], valid[part], radius_px=3, softness=0.1)
    np.testing.assert_array_equal(cut[6:-6, 6:-6], whole[inner])
    assert np.isnan(whole[~valid]).all()
    assert np.isnan(whole[50, 20])
    assert not np.isnan(whole[50, 21])


def test_one_band_is_the_filter_of_the_paper(scene):
    thing, guide = scene
    score, band, size, softness = uniform_filter(thing, 7), guide[0], 7, 0.2

    def mean(values):
        return uniform_filter(values.astype(np.float64), size, mode="constant")

    inside = mean(np.ones_like(band))
    centre, level = mean(band) / inside, mean(score) / inside
    slope = mean(band * score) / inside - centre * level
    slope /= mean(band * band) / inside - centre**2 + softness
    expected = mean(slope) / inside * band + mean(level - slope * centre) / inside
    fine = guide_score(score, guide[:1], thing >= 0, radius_px=3, softness=softness)
    np.testing.assert_allclose(fine, np.clip(expected, 0, 1), atol=1e-5)


def test_nothing_known_stays_unknown():
    nothing = np.full((9, 9), np.nan, np.float32)
    guide = np.zeros((1, 9, 9), np.float32)
    found = guide_score(nothing, guide, np.ones((9, 9), bool), radius_px=2, softness=0.1)
    assert np.isnan(found).all()
