"""How large the tiles of a series are."""

import pytest

from geochange.errors import ResourceError
from geochange.series.scoring import TILE_SIZES_PX, choose_series_tile

MIB = 2**20


def test_tiles_fit_a_budget():
    shape = (5000, 5000)
    for halo in (0, 8):
        size = choose_series_tile(shape, 4000, None, halo, budget=160 * MIB)
        assert (size + 2 * halo) ** 2 * 4000 <= 160 * MIB
    assert choose_series_tile((100, 90), 100, None, 0) == 112


def test_the_smallest_tile_may_take_more_where_no_limit_is_given():
    per_pixel = 120 * 1344  # a network over 120 dates
    with pytest.raises(ResourceError, match="--memory-limit"):
        choose_series_tile((5000, 5000), per_pixel, None, 3, budget=160 * MIB)
    size = choose_series_tile((5000, 5000), per_pixel, None, 3, budget=160 * MIB, most=1024 * MIB)
    assert size == TILE_SIZES_PX[-1]
    with pytest.raises(ResourceError, match="--memory-limit"):
        choose_series_tile((5000, 5000), 100 * per_pixel, None, 3, most=1024 * MIB)
