from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from affine import Affine

from geochange.io.grids.displacement import STILL, Displacement
from geochange.io.grids.splinefield import SplineField


def _field(shape=(300, 200), cells=(3, 2), seed=0):
    tables = np.random.default_rng(seed).normal(0, 1, (2, cells[0] + 3, cells[1] + 3))
    dx, dy = (tuple(tuple(map(float, row)) for row in table) for table in tables)
    return SplineField(shape, dx, dy)


def test_a_displacement_says_where_the_after_date_shows_what_the_before_date_shows():
    moved = Displacement.shift(2, -1)
    assert moved.locate(np.array([[5.5, 7.5]])).tolist() == [[7.5, 6.5]]
    assert moved.at(np.array([[5.5, 7.5]])).tolist() == [[2.0, -1.0]]
    assert moved.affine == Affine.translation(2, -1)
    assert STILL.is_still
    assert not moved.is_still


def test_a_field_adds_to_the_affine_and_is_smooth_between_cells():
    field = _field()
    points = np.array([[10.0, 20.0], [99.99999, 150.0], [100.00001, 150.0], [50, 100]])
    both = Displacement((1.0, 0.0, 3.0, 0.0, 1.0, -2.0), field)
    np.testing.assert_allclose(both.at(points), field.at(*points.T) + np.array([3, -2]))
    left, right = field.at(*points[1:3].T)
    np.testing.assert_allclose(left, right, atol=1e-5)


def test_a_field_of_equal_coefficients_is_a_shift_everywhere_and_beyond():
    field = SplineField((50, 60), ((0.7,) * 4,) * 5, ((-0.2,) * 4,) * 5)
    x, y = np.array([-9.0, 0, 30, 60, 99]), np.array([-5.0, 50, 25, 0, 70])
    np.testing.assert_allclose(field.at(x, y), np.tile([0.7, -0.2], (5, 1)))


@pytest.mark.parametrize("field", [None, _field()])
def test_a_displacement_survives_pickle_and_json_to_the_last_bit(field):
    moved = Displacement((1.01, 0.1, 2 / 3, -0.1, 0.99, 1e-7), field)
    assert pickle.loads(pickle.dumps(moved)) == moved
    assert Displacement.restore(json.loads(json.dumps(moved.describe()))) == moved
    assert hash(moved) == hash(pickle.loads(pickle.dumps(moved)))


def test_what_a_field_says_of_a_point_does_not_depend_on_the_others():
    field = _field()
    x, y = np.random.default_rng(1).uniform(0, 200, (2, 1001))
    together = field.at(x, y)
    alone = np.concatenate([field.at(x[i : i + 1], y[i : i + 1]) for i in range(0, 1001, 50)])
    assert (together[::50] == alone).all()
