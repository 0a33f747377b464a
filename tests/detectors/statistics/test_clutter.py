import numpy as np
import pytest

from geochange.detectors.statistics.clutter import stand_out

EDGE, AROUND, GUARD = 24, 9, 3
WHERE = {"stride": EDGE, "around": AROUND, "guard": GUARD}


def draw(count=4, seed=0):
    """Correlated variates with unknown pixels, (V, H, W) and (H, W)."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(count, count))
    variates = np.einsum("vw,whx->vhx", mixing, rng.normal(size=(count, EDGE, EDGE)))
    known = rng.random((EDGE, EDGE)) > 0.1
    return (3 * variates * known).astype(np.float32), known


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("count", [1, 4])
def test_is_the_distance_by_noise_and_the_covariance_around(count, weight):
    variates, known = draw(count)
    found = stand_out(
        variates.reshape(count, -1), known.ravel(), **WHERE, weight=weight
    )  # rows end to end
    reach, near = AROUND // 2, GUARD // 2
    for row, col in ((4, 4), (11, 7), (19, 19), (12, 13)):
        place = np.s_[row - reach : row + reach + 1, col - reach : col + reach + 1]
        ring = known[place].copy()
        ring[reach - near : reach + near + 1, reach - near : reach + near + 1] = False
        some = variates[:, *place][:, ring].astype(float)
        around = some @ some.T / ring.sum()
        shrunk = around * (1 + np.eye(count)) / 2
        covariance = np.eye(count) + weight * shrunk
        pixel = variates[:, row, col].astype(float)
        expected = pixel @ np.linalg.solve(covariance, pixel) / count
        index = (row - reach) * EDGE + col - reach
        assert found[index] == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_what_points_elsewhere_than_the_clutter_counts_for_more():
    variates, known = draw(2)
    variates[0] *= 30
    variates[1] = 0
    middle = np.array([12, 12])
    along, across = variates.copy(), variates.copy()
    along[:, *middle], across[:, *middle] = (5, 0), (0, 5)
    index = (12 - AROUND // 2) * (EDGE + 1)
    square = [stand_out(v.reshape(2, -1), known.ravel(), **WHERE)[index] for v in (along, across)]
    assert square[0] < 0.1
    assert square[1] == pytest.approx(12.5, rel=0.01)


def test_no_variates_and_no_surroundings():
    nothing = np.zeros((0, 81), np.float32)
    lone = np.full((1, 81), 2, np.float32)
    unknown = np.zeros(81, bool)
    for weight in (0.0, 1.0):
        assert stand_out(nothing, unknown, 9, around=9, guard=3, weight=weight) == [0]
        assert stand_out(lone * (np.arange(81) == 40), unknown, 9, around=9, guard=3) == [4]
