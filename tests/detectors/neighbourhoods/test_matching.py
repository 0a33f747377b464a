import numpy as np
import pytest

from geochange.detectors.neighbourhoods.matching import (
    find_least,
    follow,
    list_displacements,
    measure_costs,
    settle_displacement,
)

EDGE, RADIUS, PATCH, AROUND = 40, 2, 3, 9


def brute_cost(x, y, known, at, move):
    """Mean squared difference of the patches around ``at`` and ``at + move``."""
    squares = []
    for row in range(at[0] - 1, at[0] + 2):
        for col in range(at[1] - 1, at[1] + 2):
            there = row + move[0], col + move[1]
            if known[row, col] and known[there]:
                squares.append(((x[:, row, col] - y[:, *there]) ** 2).sum())
    return np.mean(squares) if squares else np.inf


@pytest.mark.parametrize("holes", [0, 0.7])
def test_costs_equal_those_of_a_loop(holes):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 2, EDGE, EDGE)).astype(np.float32)
    known = rng.uniform(size=(EDGE, EDGE)) >= holes
    dates = ((date * known).reshape(2, -1) for date in (x, y))
    costs = measure_costs(tuple(dates), known.ravel(), RADIUS, PATCH, EDGE)
    margin = RADIUS + 1
    for at in [(5, 5), (20, 31), (34, 3)]:
        place = (at[0] - margin) * EDGE + at[1] - margin
        expected = [brute_cost(x, y, known, at, move) for move in list_displacements(RADIUS)]
        np.testing.assert_allclose(costs[:, place], expected, rtol=1e-5)


@pytest.mark.parametrize("move", [(0, 0), (1, -2), (-2, 2)])
def test_the_surroundings_settle_on_the_true_displacement(move):
    x = np.random.default_rng(0).normal(size=(1, EDGE, EDGE)).astype(np.float32)
    y = np.roll(x, move, axis=(1, 2))
    known = np.ones(EDGE * EDGE, bool)
    costs = measure_costs((x.reshape(1, -1), y.reshape(1, -1)), known, RADIUS, PATCH, EDGE)
    settled = settle_displacement(costs, AROUND, RADIUS, EDGE)
    margin = RADIUS + PATCH // 2 + AROUND // 2
    rows = np.lib.stride_tricks.sliding_window_view(settled, EDGE - 2 * margin)[::EDGE]
    assert (rows == list_displacements(RADIUS).index(move)).all()
    found = follow(y.ravel(), settled, RADIUS, margin, EDGE)
    inner = x.ravel()[margin * (EDGE + 1) :][: found.size]
    np.testing.assert_array_equal(found[: EDGE - 2 * margin], inner[: EDGE - 2 * margin])


def test_the_least_cost_is_that_of_displacements_near():
    moves = list_displacements(2)
    costs = np.arange(1, len(moves) + 1, dtype=np.float32)[::-1, None].copy()
    settled = np.array([moves.index((-2, -2))])
    near = [moves.index(move) for move in [(-2, -2), (-2, -1), (-1, -2), (-1, -1)]]
    assert find_least(costs, settled, 2, slack=1) == costs[near].min()
    assert find_least(costs, settled, 2, slack=0) == costs[moves.index((-2, -2))]
    assert find_least(costs, settled, 2, slack=4) == costs.min()
