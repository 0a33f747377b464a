import numpy as np

from geochange.refinement.contour import evolve_outline


def test_an_outline_moves_to_the_jump_and_no_farther():
    truth = np.zeros((50, 50), bool)
    truth[14:36, 10:34] = True
    difference = truth.astype(np.float32) + np.random.default_rng(0).normal(0, 0.05, (50, 50))
    rough = np.zeros_like(truth)
    rough[17:38, 12:34] = True
    valid = np.ones_like(truth)
    fine = evolve_outline(rough, difference, valid, reach_px=4)
    assert (fine ^ truth).sum() < 0.3 * (rough ^ truth).sum()
    near = evolve_outline(rough, difference, valid, reach_px=1)
    rows, cols = np.nonzero(near)
    assert (rows.min(), cols.min()) == (16, 11)
    assert rows.max() <= 38


def test_what_would_vanish_stays():
    change = np.zeros((20, 20), bool)
    change[9:11, 9:11] = True
    flat = np.zeros((20, 20), np.float32)
    assert evolve_outline(change, flat, np.ones_like(change), reach_px=3).any()
    nothing = np.zeros_like(change)
    assert not evolve_outline(nothing, flat, np.ones_like(change), reach_px=3).any()
