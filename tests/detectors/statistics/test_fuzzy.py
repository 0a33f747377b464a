import numpy as np

from geochange.detectors.statistics.fuzzy import belong, find_centres, part_centres


def test_two_groups_of_unequal_size_are_found():
    rng = np.random.default_rng(0)
    low, high = rng.normal(0.05, 0.01, (990, 2)), rng.normal(0.8, 0.05, (30, 2))
    centres = find_centres(np.concatenate([high, low]).astype(np.float32))
    np.testing.assert_allclose(centres, [[0.05] * 2, [0.8] * 2], atol=0.05)


def test_constant_features_have_one_centre():
    centres = find_centres(np.full((20, 3), 0.2, np.float32))
    np.testing.assert_allclose(centres, 0.2, rtol=1e-6)
    np.testing.assert_allclose(part_centres(centres, 0.3), [[0.2] * 3, [0.4] * 3], rtol=1e-6)


def test_centres_far_apart_stay():
    centres = np.array([[0.0], [0.9]])
    np.testing.assert_array_equal(part_centres(centres, 0.1), centres)


def test_membership_rises():
    assert (np.diff(belong(np.linspace(-1, 2, 50, dtype=np.float32))) >= 0).all()
