"""The order in which tiles are looked at."""

import numpy as np
import pytest

from geochange.annotation.queue import ORDERS, order_tiles
from geochange.annotation.views import list_tiles
from geochange.errors import UsageError


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    return rng.random(500), rng.random((500, 4))


@pytest.mark.parametrize("order", ORDERS)
def test_every_tile_comes_once_and_always_in_the_same_order(scores, order):
    first, second = (order_tiles(*scores, order=order, seed=7) for _ in range(2))
    assert sorted(first.places) == list(range(500))
    assert (first.places == second.places).all()
    assert first.reasons == second.reasons


def test_one_fifth_is_random_throughout(scores):
    reasons = np.array(order_tiles(*scores, seed=3).reasons)
    for start in range(0, 500, 100):
        assert abs((reasons[start : start + 100] == "random").sum() - 20) <= 2


def test_another_seed_is_another_order(scores):
    first, second = (order_tiles(*scores, seed=seed).places for seed in (1, 2))
    assert (first != second).any()


def test_the_unsure_come_before_the_sure(scores):
    places = order_tiles(*scores).places
    assert scores[0][places[:100]].mean() > scores[0][places[-100:]].mean() + 0.3


def test_diversity_takes_one_of_each_kind_first():
    features = np.repeat(np.eye(4), 25, axis=0)
    places = order_tiles(np.zeros(100), features, order="diversity").places
    assert {int(p) // 25 for p in places[:4]} == {0, 1, 2, 3}


def test_an_unknown_order_is_one_line(scores):
    with pytest.raises(UsageError, match="did you mean 'random'"):
        order_tiles(*scores, order="randm")


def test_a_project_keeps_its_order(project):
    project.order("random", seed=5)
    first = [tile["id"] for tile in list_tiles(project.database)]
    project.order("systematic")
    assert [tile["id"] for tile in list_tiles(project.database)] == sorted(first)
    project.order("random", seed=5)
    assert [tile["id"] for tile in list_tiles(project.database)] == first
    assert all(tile["uncertainty"] is not None for tile in list_tiles(project.database))
