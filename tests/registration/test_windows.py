from __future__ import annotations

import pytest

from geochange.registration.windows import MAX_A_SIDE, plan_windows


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("shape", [(20, 30), (64, 64), (256, 256), (517, 461), (10_000, 900)])
def test_windows_lie_inside_reach_the_border_and_are_few(shape, overlap):
    tiles = plan_windows(shape, overlap=overlap)
    assert len(tiles) <= MAX_A_SIDE**2
    assert {tile.core.shape for tile in tiles} == {(tiles[0].core.height,) * 2}
    assert min(tile.core.row for tile in tiles) >= 0
    assert min(tile.core.col for tile in tiles) >= 0
    if len(tiles) > 1:
        assert max(tile.core.stop_row for tile in tiles) == shape[0]
        assert max(tile.core.stop_col for tile in tiles) == shape[1]
    if not overlap:
        cores = [tile.core for tile in tiles]
        assert not any(a.intersect(b) for i, a in enumerate(cores) for b in cores[:i])


def test_a_grid_smaller_than_a_window_is_one():
    [tile] = plan_windows((40, 50))
    assert (tile.core.row, tile.core.col, tile.core.shape) == (0, 5, (40, 40))
