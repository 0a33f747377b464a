import numpy as np

from geochange.refinement.superpixels import vote_in_superpixels


def test_a_ragged_score_takes_the_outline_of_the_thing():
    rng = np.random.default_rng(0)
    thing = np.zeros((60, 60), bool)
    thing[18:42, 12:36] = True
    guide = (np.stack([2.0 * thing, -2.0 * thing]) + rng.normal(0, 0.05, (2, 60, 60))).astype("f4")
    score = np.where(thing, 0.7, 0.1) + rng.normal(0, 0.25, thing.shape)
    score = np.clip(score, 0, 1).astype(np.float32)
    valid = np.ones_like(thing)
    valid[:3] = False
    voted = vote_in_superpixels(score, guide, valid, size_px=6, compactness=0.1)
    assert np.isnan(voted[:3]).all()
    wrong = [((s[3:] >= 0.5) ^ thing[3:]).sum() for s in (score, voted)]
    assert wrong[1] < 0.1 * wrong[0]
    half = vote_in_superpixels(score, guide, valid, size_px=6, compactness=0.1, share=0.5)
    np.testing.assert_allclose(half[3:], (voted[3:] + score[3:]) / 2, atol=1e-6)


def test_too_little_to_divide_stays_as_it_is():
    score = np.full((5, 5), 0.4, np.float32)
    valid = np.zeros((5, 5), bool)
    valid[0, :2] = True
    guide = np.zeros((1, 5, 5), np.float32)
    voted = vote_in_superpixels(score, guide, valid, size_px=6, compactness=0.1)
    assert voted[0, :2].tolist() == score[0, :2].tolist()
    assert np.isnan(voted[1:]).all()
