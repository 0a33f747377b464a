import numpy as np
import pytest

from geochange.detectors.neighbourhoods.ranges import leave_ranges, local_range


@pytest.mark.parametrize("radius", [0, 1, 2])
@pytest.mark.parametrize("lost", [0.0, 0.3])
def test_local_range_is_that_of_valid_neighbours(radius, lost):
    rng = np.random.default_rng(0)
    band = rng.normal(size=(12, 15)).astype(np.float32)
    band[rng.random(band.shape) < lost] = np.nan
    low, high = local_range(band.ravel(), radius, stride=15)
    core = band[radius : 12 - radius, radius : 15 - radius]
    for row, col in np.argwhere(np.isfinite(core)):
        near = band[row : row + 2 * radius + 1, col : col + 2 * radius + 1]
        assert low[row * 15 + col] == np.nanmin(near)
        assert high[row * 15 + col] == np.nanmax(near)


@pytest.mark.parametrize(("slack", "distance"), [(0.0, 2.0), (0.25, 1.0), (1.0, -2.0)])
def test_the_distance_is_symmetric_and_less_the_slack(slack, distance):
    def ranges():
        x, y, low, high = (np.full(1, value, np.float32) for value in (9, 5, 3, 7))
        return x, y, (y - 1, x.copy()), (low, high)

    x, y, of_x, of_y = ranges()
    assert [part[0] for part in leave_ranges(x, y, of_x, of_y, slack)] == [distance, 5.0, 4.0]
    x, y, of_x, of_y = ranges()
    assert [part[0] for part in leave_ranges(y, x, of_y, of_x, slack)] == [distance, 4.0, 5.0]
