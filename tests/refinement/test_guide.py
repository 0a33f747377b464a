import numpy as np

from geochange.refinement.guide import Guide
from geochange.testing import synthetic_pair
from geochange.tiles import TilePlan


def test_bands_have_unit_spread_whatever_the_tiles():
    pair = synthetic_pair((60, 50), bands=3, invalid=0.1)
    pair.after[2] = 7
    whole, tiled = (
        Guide.learn(pair.blocks(TilePlan(pair.shape, size, 3)), (0, 2)) for size in (60, 17)
    )
    np.testing.assert_allclose(whole.centre, tiled.centre, rtol=1e-9)
    block = next(iter(pair.blocks(TilePlan(pair.shape, 60))))
    seen = tiled.see(block)
    assert seen.shape == (4, 60, 60)
    valid = block.valid
    np.testing.assert_allclose(seen[:3, valid].mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(seen[:3, valid].std(axis=1), 1, atol=1e-3)
    assert not seen[3].any()
    assert not seen[:, ~valid].any()
