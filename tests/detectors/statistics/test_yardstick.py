import numpy as np
import pytest

from geochange.detectors.statistics.yardstick import Yardstick


def test_changes_do_not_move_the_yardstick():
    misfits = np.random.default_rng(0).normal(5, 2, 10_000).astype(np.float32)
    misfits[:500] = 1000
    yardstick = Yardstick.learn(misfits)
    np.testing.assert_allclose([yardstick.middle, yardstick.spread], [5, 2], rtol=0.1)
    assert (yardstick.score(misfits[:500]) > 0.9).all()

    assert yardstick.score(np.array([11], np.float32))[0] == pytest.approx(0.5, abs=0.02)
    assert yardstick.count_sigmas(np.array([1, 9], np.float32)).round().tolist() == [0, 2]


def test_equal_misfits_are_no_change():
    for value in (0, 3):
        same = np.full(9, value, np.float32)
        assert (Yardstick.learn(same).score(same) <= 0.5).all()
